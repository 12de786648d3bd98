"""One worker and two, beside `hizumi inspect`, and the memory of a process that scores a long archive."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hizumi.inspection import Inspector, save
from hizumi.runtime.any_bundle import load_inspector
from hizumi.scale.archive import open_archive
from hizumi.scale.listing import read_block
from hizumi.scale.merging import prove
from hizumi.scale.parts import path_of
from hizumi.scale.running import score_on
from tests.hard.conftest import stripes

SIDE, TINY = 128, 16
COUNTS = (10_000, 100_000)
COMMAND = """
from hizumi.cli import main
from hizumi.memory import peak_memory
try:
    main()
finally:
    print("", peak_memory())
"""  # what the process says of itself: others know no less than the peak of the one that started it


def workers(images: int = 20_000) -> dict[str, Any]:
    """Images a second of wall time once warm, and seconds until the first part is there."""
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = _bundle(folder, SIDE)
        data = _pictures(folder / "data", images, SIDE)
        alone = _inspect_rate(bundle, data, images)
        one, two = (_rate_on(folder / f"out{count}", bundle, data, count) for count in (1, 2))
    return {
        "images": images,
        "side": SIDE,
        "detector": "pca",
        "inspect_images_per_second": alone,
        "one_worker": one,
        "two_workers": two,
        "two_by_one": two["images_per_second"] / one["images_per_second"],
        "one_by_inspect": one["images_per_second"] / alone,
        "load_after": round(os.getloadavg()[0], 1),
    }


def memory(images: int = COUNTS[1]) -> dict[str, Any]:
    """The most memory that a process took which scored tiny images, few and many, in a folder's files."""
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = _bundle(folder, TINY)
        for count in (images // 10, images):
            data = _pictures(folder / str(count), count, TINY)
            found[str(count)] = _peak_bytes("inspect", bundle, data, "-o", folder / f"out{count}", "--shard", "0/1")
            assert prove(folder / f"out{count}").tally.images == count
    few, many = found.values()
    return {"side": TINY, "peak_bytes": found, "many_by_few": many / few}


def _inspect_rate(bundle: Path, data: Path, images: int) -> float:
    inspector = load_inspector(bundle)
    manifest = inspector.to_inspect(str(data))
    for _ in inspector.inspect_each(manifest.only(range(128)), pictures=False):
        pass
    began = time.perf_counter()
    for _ in inspector.inspect_each(manifest, pictures=False):
        pass
    return images / (time.perf_counter() - began)


def _rate_on(out: Path, bundle: Path, data: Path, count: int) -> dict[str, float]:
    archive = open_archive(out, bundle, [str(data)])
    began = time.time()
    tally = score_on(archive, "local", workers=count)
    assert tally.images == archive.listed.images
    written = sorted((path_of(out, block).stat().st_mtime, block) for block in range(archive.listed.blocks))
    warm, last = written[count - 1][0], written[-1][0]  # each worker has its bundle by then
    images = sum(len(read_block(out, block)) for _, block in written[count:])
    return {"images_per_second": images / (last - warm), "seconds_to_first_part": written[0][0] - began}


def _bundle(folder: Path, side: int) -> Path:
    good = stripes(np.random.default_rng(0), 100, side)[..., np.newaxis]
    return save(Inspector("pca", image_size=side, false_alarm_rate=0.05).fit(good), folder / "parts.hizumi")


def _pictures(folder: Path, count: int, side: int) -> Path:
    """Files in folders of a thousand."""
    content = stripes(np.random.default_rng(1), 1000, side)
    for number in range(count):
        path = folder / f"{number // 1000:04d}" / f"{number % 1000:03d}.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(content[number % 1000]).save(path)
    return folder


def _peak_bytes(*arguments: object) -> int:
    words = [sys.executable, "-c", COMMAND, *map(str, arguments)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return int(done.stdout.split()[-1])
