"""Several processes: two gloo processes hold the same weights, and learn what one process learns from their batch."""

import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import torch
from safetensors.torch import load_file

RUN = """
    import sys, torch
    from pathlib import Path
    from hizumi.detectors import GANomaly, Mahalanobis, NearestNeighbour
    from hizumi.detectors.ganomaly import GANomalyTraining
    from hizumi.models import Autoencoder, CycleGAN, DCGAN
    from hizumi.training import Budget, TrainingOptions
    from hizumi.training.loop import fit, make_fabric
    from safetensors.torch import save_file

    folder, processes, batch_size = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    images = torch.rand(32, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    vectors = torch.rand(32, 5, generator=torch.Generator().manual_seed(1))
    options = TrainingOptions(budget=Budget(steps=5), batch_size=batch_size, devices=processes)
    fabric = make_fabric(options)
    fabric.launch()
    state = {}
    for name, model, data in (
        ("dcgan", DCGAN(width=8, latent=4), images),
        ("ganomaly", GANomalyTraining(latent=4, width=8), images),
        ("cycle_gan", CycleGAN(width=8, blocks=1, pool=3), (images, -images)),
        ("mlp", Autoencoder(code=2), vectors),
    ):
        fit([model], data, options, fabric=fabric)
        state |= {f"{name}.{key}": value for key, value in model.state_dict().items()}
    detector = GANomaly(GANomalyTraining(latent=4, width=8)).fit(images, options, fabric=fabric)
    rows = torch.randn(300, 5, generator=torch.Generator().manual_seed(2))
    for name, plain in (("mahalanobis", Mahalanobis("raw")), ("nearest", NearestNeighbour(memory=8))):
        fitted = plain.fit(rows, options, fabric=fabric).state_dict()
        state |= {f"statistics.{name}.{key}": value.contiguous() for key, value in fitted.items()}
    mine = images.chunk(processes)[fabric.global_rank]
    state["scores"] = detector.score(mine).image.contiguous()
    state["all_scores"] = detector.score(images).image.contiguous()
    save_file(state, folder / f"rank-{processes}-{fabric.global_rank}.safetensors")
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def launch(folder: Path, processes: int, batch_size: int) -> list[dict[str, torch.Tensor]]:
    script = folder / "run.py"
    script.write_text(textwrap.dedent(RUN))
    environment = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), str(folder), str(processes), str(batch_size)]
    subprocess.run(command, check=True, timeout=240, env=environment, capture_output=True)
    return [load_file(folder / f"rank-{processes}-{rank}.safetensors") for rank in range(processes)]


def test_two_processes_agree_with_each_other_and_with_one(tmp_path: Path) -> None:
    first, second = launch(tmp_path, 2, 4)
    shared = [key for key in first if key != "scores"]
    assert all(torch.equal(first[key], second[key]) for key in shared)

    # Without batch norm and noise, half a batch each is the whole batch: the mean of means is the mean.
    (alone,) = launch(tmp_path, 1, 8)
    for key in (key for key in shared if key.startswith("mlp.")):
        torch.testing.assert_close(first[key], alone[key], rtol=1e-4, atol=1e-5)

    # Statistics from parts of the data are those of all.
    for key in (key for key in shared if key.startswith("statistics.")):
        torch.testing.assert_close(first[key], alone[key], rtol=1e-10, atol=1e-12)

    # Scores do not depend on how many processes share the work.
    parts = torch.cat([first["scores"], second["scores"]])
    torch.testing.assert_close(parts, first["all_scores"], rtol=1e-6, atol=0)
