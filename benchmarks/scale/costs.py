"""What one image costs one core, in CPU time, step by step, for a detector on a pre-trained network."""

import hashlib
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import zoom

from hizumi.data.decoding import decode_content
from hizumi.export import export
from hizumi.inspection import Inspector, save
from hizumi.runtime.any_bundle import load_inspector
from hizumi.scale.items import Contents, Item
from hizumi.scale.parts import Identity, write_part

SIDE, QUALITY = 1024, 90  # of JPEG files, one channel
DETECTOR = "gaussian_features"
GOOD = 40


def costs(images: int = 96) -> dict[str, Any]:
    """CPU milliseconds an image: to read and hash, to decode, to score by each engine, and to write its row."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        content = [_jpeg(seed) for seed in range(GOOD)]
        for number, each in enumerate(content):
            (folder / f"{number:03d}.jpg").write_bytes(each)
        inspector = Inspector(DETECTOR, false_alarm_rate=0.05).fit(folder)
        bundles = {"torch fp32": save(inspector, folder / "torch.hizumi")}
        for precision in ("fp32", "int8"):
            path = folder / f"{precision}.onnx.hizumi"
            export(inspector, path, folder, precision=precision)
            bundles[f"ONNX Runtime {precision}"] = path
        files = sorted(folder.glob("*.jpg"))
        whole = {engine: _whole(path, files, images) for engine, path in bundles.items()}
        return {
            "detector": DETECTOR,
            "file": f"JPEG, {SIDE}x{SIDE}, grey, {np.mean([len(each) for each in content]) / 1024:.0f} KiB",
            "bytes": float(np.mean([len(each) for each in content])),
            "images": images,
            "decode_ms": _cpu_ms(lambda: decode_content(content[0], name="a"), images),
            "hash_ms": _cpu_ms(lambda: hashlib.sha256(content[0]), images),
            "row_ms": _row_ms(folder),
            "whole_ms": whole,
        }


def _whole(bundle: Path, files: list[Path], images: int) -> float:
    """All that a worker does for an image, on one core, by the bundle once warm."""
    import torch

    torch.set_num_threads(1)
    inspector = load_inspector(bundle, threads=1)

    def score(count: int) -> None:
        items = [Item(f"{number}", str(files[number % len(files)]), "") for number in range(count)]
        for _ in inspector.inspect_each(Contents(items).manifest(), pictures=False):
            pass

    score(32)
    began = time.process_time()
    score(images)
    return 1000 * (time.process_time() - began) / images


def _row_ms(folder: Path) -> float:
    """Wall time, as it waits for the disk."""
    row = {"name": "0" * 40, "sha256": "0" * 64, "anomalous": False, "score": 0.5, "p_value": 0.5, "terms": {"a": 1.0}}
    began = time.perf_counter()
    write_part(folder, Identity(0, "", ""), [row] * 2000)
    return (time.perf_counter() - began) / 2


def _cpu_ms(run: Callable[[], object], times: int) -> float:
    run()
    began = time.process_time()
    for _ in range(times):
        run()
    return 1000 * (time.process_time() - began) / times


def _jpeg(seed: int) -> bytes:
    """A surface of soft spots with the noise of a camera."""
    generator = np.random.default_rng(seed)
    soft = zoom(generator.normal(0, 25, (SIDE // 32, SIDE // 32)), 32, order=1)
    pixels = (128 + soft + generator.normal(0, 3, (SIDE, SIDE))).clip(0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
