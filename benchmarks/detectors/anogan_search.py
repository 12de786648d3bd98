"""AnoGAN's search over a batch of images at once, against the same images one at a time and a plain loop: time, scores.

The plain loop is written as published code is: one image, the networks as they were trained, the gradient of
everything, the discriminator's features of the image taken anew in every step, `torch.optim.Adam`. In single precision
a hundred steps make much of the last digit of the first, so whether both search alike shows in double precision.

    python benchmarks/detectors/anogan_search.py --width 4 --device cpu

writes benchmarks/results/detectors/anogan_search-DEVICE-WIDTH-THREADS.json. Rounds alternate between the ways. CPU time
is the process's own, wall time includes what a device does. `--smoke` is a run of seconds that writes nothing.
"""

import argparse
import copy
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

import hizumi
from hizumi.detectors import AnoGAN
from hizumi.detectors.anogan import DROPS_AT, DROPS_TO, START_SEED
from hizumi.detectors.frozen_gan import features_of
from hizumi.models import DCGAN, CanEncode
from hizumi.objectives import smooth
from hizumi.training import Budget, TrainingOptions

RESULTS = Path(__file__).parent.parent / "results" / "detectors"
TOLERANCE = 1e-4  # of the scores, relative


def main() -> None:
    """Run and write what came out."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--size", type=int, default=64, help="pixels a side")
    parser.add_argument("--width", type=int, default=4, help="channels of the discriminator's first convolution")
    parser.add_argument("--steps", type=int, default=100, help="of the search")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.images, arguments.size, arguments.steps, arguments.rounds = 4, 16, 5, 1
    result = compare(
        arguments.images, arguments.size, arguments.width, arguments.steps, arguments.rounds, arguments.device
    )
    print(json.dumps(result, indent=1))
    if not arguments.smoke:
        RESULTS.mkdir(parents=True, exist_ok=True)
        path = RESULTS / f"anogan_search-{arguments.device}-{arguments.width}-{torch.get_num_threads()}.json"
        path.write_text(json.dumps(result, indent=1) + "\n")


def compare(images: int, size: int, width: int, steps: int, rounds: int, device: str) -> dict[str, object]:
    """Figures of both ways, on a DCGAN trained briefly on smooth random fields."""
    fields = smoothed(images + 128, size)
    detector = AnoGAN(DCGAN(width=width, learning_rate=1e-3), steps=steps, learning_rate=0.05)
    detector.fit(fields[images:], TrainingOptions(budget=Budget(steps=100), batch_size=16, accelerator=device))
    detector.to(device)
    queries = fields[:images].to(device)

    def one_at_a_time() -> Tensor:
        return torch.cat([detector.score(query[None]).image for query in queries])

    ways: dict[str, Callable[[], Tensor]] = {
        "batch": lambda: detector.score(queries, batch_size=images).image,
        "one at a time": one_at_a_time,
        "plain loop": lambda: torch.stack([plain_search(detector, query[None]) for query in queries]),
    }
    detector.score(queries[:2])  # warm up
    seconds: dict[str, dict[str, list[float]]] = {way: {"wall": [], "cpu": []} for way in ways}
    scores: dict[str, Tensor] = {}
    for _ in range(rounds):
        for way, search in ways.items():
            wall, processor = time.perf_counter(), time.process_time()
            scores[way] = search().cpu()
            seconds[way]["wall"].append(time.perf_counter() - wall)
            seconds[way]["cpu"].append(time.process_time() - processor)
    per_image = {
        way: {clock: statistics.median(taken) / images for clock, taken in clocks.items()}
        for way, clocks in seconds.items()
    }
    differences = {way: float(((scores["batch"] - other) / other).abs().max()) for way, other in scores.items()}
    del differences["batch"]
    exact, few = copy.deepcopy(detector).double(), queries[: max(1, images // 16)].double()
    plain = torch.stack([plain_search(exact, query[None]) for query in few])
    in_double = float(((exact.score(few).image - plain) / plain).abs().max())
    return {
        "case": "anogan_search",
        "settings": {"images": images, "size": size, "width": width, "steps": steps, "rounds": rounds},
        "hizumi": hizumi.__version__,
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if device == "cuda" else platform.machine(),
        "threads": torch.get_num_threads(),
        "milliseconds_per_image": {
            way: {clock: round(1000 * value, 2) for clock, value in clocks.items()} for way, clocks in per_image.items()
        },
        "times_cheaper": {
            way: {clock: round(per_image[way][clock] / per_image["batch"][clock], 2) for clock in ("wall", "cpu")}
            for way in differences
        },
        "largest_relative_differences": differences,
        "largest_relative_difference_from_plain_loop_in_double": in_double,
        "same_scores": max(differences["one at a time"], in_double) <= TOLERANCE,
    }


def plain_search(detector: AnoGAN, query: Tensor) -> Tensor:
    """The score of one image (1, c, h, w)."""
    gan, generator = detector.gan, detector.gan.average.network
    own_code = gan.encode(query).detach() if isinstance(gan, CanEncode) else None
    code = torch.randn(1, detector.gan.latent, generator=torch.Generator().manual_seed(START_SEED)).to(query)
    code.requires_grad_()
    optimiser = torch.optim.Adam([code], detector.learning_rate)

    def loss() -> Tensor:
        made = generator(code)
        residual = (query - made).abs().sum()
        discrimination = (features_of(gan, query, own_code) - features_of(gan, made, own_code)).abs().sum()
        return torch.lerp(residual, discrimination, detector.discrimination_weight)

    lowest = torch.tensor(torch.inf, device=query.device)
    with torch.enable_grad():
        gan.requires_grad_(True)
        for step in range(detector.steps + 1):
            for group in optimiser.param_groups:
                group["lr"] = detector.learning_rate * (1.0 if step < DROPS_AT * detector.steps else DROPS_TO)
            value = loss()
            lowest = torch.minimum(lowest, value.detach())
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
    return lowest


def smoothed(count: int, size: int) -> Tensor:
    """Random fields (count, 1, size, size) in [-1, 1], blurred by an eighth of their size."""
    noise = torch.randn(count, 1, size, size, generator=torch.Generator().manual_seed(0))
    fields = smooth(noise, size / 8)
    return fields / fields.abs().amax((2, 3), keepdim=True)


if __name__ == "__main__":
    main()
