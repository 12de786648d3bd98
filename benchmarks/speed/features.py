"""Detectors on a pre-trained network's features, on files of 224 pixels, beside anomalib's PaDiM and PatchCore.

Both sides see the same files through the same network, EfficientNet-Lite0 to its sixth level; anomalib's has random
weights, which cost the same. Ours keep freed memory, as the command line does; anomalib is measured as it comes, and
with the C library told the same through its environment. All are given a memory of 4,000 patches and 100 channels.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.speed import peers
from benchmarks.speed.measuring import Figure, Report, Run, Setting, in_turn, ratio
from hizumi.data import open_source
from hizumi.detectors import Detector, FusedFeatures, GaussianFeatures, NearestFeatures
from hizumi.inspection import Inspector, save
from hizumi.memory import keep_freed_memory
from hizumi.storage.tables import write_csv

KEPT = {"MALLOC_MMAP_THRESHOLD_": str(256 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(2**30)}
PEAK = """
import sys
from hizumi import Inspector
from hizumi.memory import keep_freed_memory, peak_memory
keep_freed_memory()
Inspector(sys.argv[2]).fit(sys.argv[1])
print(peak_memory() / 2**20)
"""
DETECTORS: dict[str, Callable[[Setting], Detector]] = {
    "gaussian_features": lambda setting: setting.pick(
        GaussianFeatures(), GaussianFeatures(map_levels=(3,), input_size=None)
    ),
    "nearest_features": lambda setting: setting.pick(
        NearestFeatures(), NearestFeatures((3,), input_size=None, memory=50)
    ),
    "fused_features": lambda setting: setting.pick(FusedFeatures(), FusedFeatures((3,), input_size=None, memory=50)),
}


def features_files(setting: Setting) -> Report:
    """Files to a table of verdicts, all warm."""
    _keep_memory(setting)
    count = setting.pick(64, 4)
    with _folders(setting, normal=setting.pick(24, 8), test=count) as (normal, test), ExitStack() as opened:
        table = test.parent / "scores.csv"
        fitted = {name: Inspector(made(setting)).fit(normal) for name, made in DETECTORS.items()}
        ways: dict[str, Run] = {name: _inspecting(inspector, test, table) for name, inspector in fitted.items()}
        for kind in ("padim", "patchcore"):
            for label, environment in (("", {}), (", kept memory", KEPT)):
                peer = peers.anomalib(kind, normal, test, table, name=f"{kind}{label}", environment=environment)
                ways |= opened.enter_context(peer)
        seconds = in_turn(ways, setting)
        bundle = save(fitted["gaussian_features"], test.parent / "gaussian.hizumi").stat().st_size / 1e6
    report = Report(seconds=seconds)
    for name, most in (("gaussian_features", 11.0), ("nearest_features", 18.0), ("fused_features", 20.0)):
        figure = Figure(f"{name}, an image", 1000 * seconds[name].cpu / count, "ms of CPU", at_most=most)
        report.figures.append(figure)
    asked = {"padim": ("gaussian_features", 2.5, 1.6), "patchcore": ("nearest_features", 3.0, None)}
    for kind, (ours, as_it_comes, kept) in asked.items():
        if kind in seconds:
            what = f"{ours}, against anomalib's {kind}"
            report.figures.append(Figure(what, ratio(seconds, kind, ours), at_least=as_it_comes))
            kept_ratio = ratio(seconds, f"{kind}, kept memory", ours)
            report.figures.append(Figure(f"{what}, with kept memory", kept_ratio, at_least=kept))
    report.figures.append(Figure("bundle of gaussian_features", bundle, "MB", at_most=35.0))
    return report


def features_fit(setting: Setting) -> Report:
    """A fit of 200 files, with its threshold and its health check; anomalib fits and sets no threshold."""
    _keep_memory(setting)
    setting = replace(setting, rounds=min(setting.rounds, 3))
    with (
        _folders(setting, normal=setting.pick(200, 8), test=1) as (normal, _),
        peers.anomalib("fit-padim", normal, name="padim") as others,
    ):
        ways: dict[str, Run] = {
            name: lambda made=made: Inspector(made(setting)).fit(open_source(normal))
            for name, made in DETECTORS.items()
        }
        seconds = in_turn(ways | others, setting)
        peaks = {name: _peak(normal, name) for name in setting.pick(list(DETECTORS), [])}
    report = Report(seconds=seconds)
    for name, most in (("gaussian_features", 12.0), ("nearest_features", 8.0), ("fused_features", None)):
        report.figures.append(Figure(f"{name}, 200 files", seconds[name].cpu, "s of CPU", at_most=most))
    if "padim" in seconds:
        times = ratio(seconds, "padim", "gaussian_features")
        report.figures.append(Figure("gaussian_features, against anomalib's padim", times, at_least=1.0))
    for name, peak in peaks.items():
        report.figures.append(Figure(f"{name}, peak memory of a fit", peak, "MiB"))
    return report


def _keep_memory(setting: Setting) -> None:
    if not setting.smoke:  # a test's process goes on with other tests
        keep_freed_memory()


@contextmanager
def _folders(setting: Setting, *, normal: int, test: int) -> Iterator[tuple[Path, Path]]:
    """Smooth pictures with a little noise, which decode as photographs do."""
    side = setting.pick(224, 32)
    generator = np.random.default_rng(0)
    rows, columns = np.indices((side, side)) / side
    with tempfile.TemporaryDirectory() as place:
        folders = Path(place, "normal"), Path(place, "test")
        for folder, count in zip(folders, (normal, test), strict=True):
            folder.mkdir()
            for index in range(count):
                waves = [np.sin(9 * rows * a + 9 * columns * b) for a, b in generator.random((3, 2))]
                image = 127 + 60 * np.stack(waves, 2) + generator.normal(0, 8, (side, side, 3))
                Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / f"{index:04}.png")
        yield folders


def _inspecting(inspector: Inspector, folder: Path, table: Path) -> Run:
    return lambda: write_csv(
        str(table), (verdict.to_row() for verdict in inspector.inspect_each(folder, pictures=False))
    )


def _peak(folder: Path, detector: str) -> float:
    """Of a process that does nothing but fit, in MiB."""
    done = subprocess.run([sys.executable, "-c", PEAK, folder, detector], check=True, capture_output=True, text=True)
    return float(done.stdout)
