"""Images on the disk: later epochs from decoded pixels, and memory while their number grows."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.speed.measuring import Figure, Report, Setting, in_turn, ratio
from hizumi.data import Store, open_source
from hizumi.data.stream import Stream

MEMORY = """
import gc, json, sys
from pathlib import Path
from hizumi.detectors import GANomaly
from hizumi.detectors.ganomaly import GANomalyTraining
from hizumi.inspection import Inspector
from hizumi.training import Budget, TrainingOptions

def held() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return max(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))

training = TrainingOptions(budget=Budget(steps=20), batch_size=64)
inspector = Inspector(GANomaly(GANomalyTraining(latent=8, width=4)), image_size=64, training=training)
inspector.fit(sys.argv[1])
fitted, most = held(), 0.0
for number, _ in enumerate(inspector.inspect_each(sys.argv[1], pictures=False)):
    if number % 256 == 0:
        most = max(most, held())
print(json.dumps([fitted, most]))
"""


def epoch(setting: Setting) -> Report:
    """10,000 PNG files of 64 pixels: an epoch after the first, against decoding every image again."""
    count, side, batch_size = setting.pick((10_000, 64, 64), (12, 16, 4))
    with tempfile.TemporaryDirectory() as folder:
        files = _write(Path(folder), count, side)
        store = Store.build(open_source(folder), None)
        stream = Stream(store, batch_size, seed=0)

        def decoding() -> None:
            for names in torch.randperm(count).split(batch_size):
                pixels = [np.asarray(Image.open(files[name])) for name in names]
                torch.from_numpy(np.stack(pixels))[:, None].float() / 127.5 - 1

        def cached() -> None:
            for step in range(stream.steps_per_epoch):
                stream.batch(step)

        seconds = in_turn({"decoding": decoding, "hizumi": cached}, setting)
    return Report([Figure(f"{count:,} files", ratio(seconds, "decoding", "hizumi"), at_least=12.0)], seconds)


def memory(setting: Setting) -> Report:
    """Memory that is no mere view of a file, after a fit and at most while scoring, each in a process of its own."""
    report = Report()
    for count in setting.pick((1_000, 10_000, 100_000), (20,)):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "images.npy")
            generator = np.random.default_rng(0)
            images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, 64, 64))
            for start in range(0, count, 1000):
                images[start : start + 1000] = generator.integers(0, 255, images[start : start + 1000].shape)
            images.flush()
            command = [sys.executable, "-c", MEMORY, str(path)]
            fitted, scored = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        report.figures.append(Figure(f"{count:,} images, after fit", fitted, "MiB"))
        report.figures.append(Figure(f"{count:,} images, scoring", scored, "MiB"))
    return report


def _write(folder: Path, count: int, side: int) -> list[Path]:
    generator = np.random.default_rng(0)
    files = [folder / f"{index:05}.png" for index in range(count)]
    for file in files:
        Image.fromarray(generator.integers(0, 255, (side, side), dtype=np.uint8)).save(file)
    return files
