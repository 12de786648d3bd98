"""A fitted detector at work on files and on single images: in torch, by its exported graphs, and against others."""

import csv
import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.speed import peers
from benchmarks.speed.ceilings import PRECISIONS, ceilings_beside, share
from benchmarks.speed.measuring import Figure, Report, Run, Setting, Timing, in_turn, operations, ratio, shares_of_time
from benchmarks.speed.scoring import BF16, eager
from hizumi.detectors import GANomaly
from hizumi.detectors.ganomaly import GANomalyTraining
from hizumi.export import export
from hizumi.inspection import Inspector, save
from hizumi.preprocessing.preprocessing import upgraded
from hizumi.runtime import ExportedInspector, load
from hizumi.runtime.bundle import FORMAT
from hizumi.runtime.engines import ONNX
from hizumi.storage.archive import read_archive
from hizumi.storage.tables import write_csv
from hizumi.training import Budget, TrainingOptions

ENGINES = {"onnxruntime": "fp32", "openvino": "fp32", "openvino, bf16": "bf16", "openvino, int8": "int8"}
NORMAL = 24  # images that it is fitted on


@dataclass(frozen=True)
class Service:
    """PNG files in a folder, and a detector for them in all its forms."""

    folder: Path
    files: list[Path]
    inspector: Inspector
    bundle: Path
    exported: dict[str, Path]


@contextmanager
def served(setting: Setting, files: int, engines: Iterable[str] = ENGINES, side: int = 64) -> Iterator[Service]:
    """Random colour images, and GANomaly, hardly trained, which takes as long as a trained one."""
    side = setting.pick(side, 16)
    generator = np.random.default_rng(0)
    normal = generator.integers(0, 255, (NORMAL, side, side, 3), dtype=np.uint8)
    training = TrainingOptions(budget=Budget(steps=1), batch_size=8)
    inspector = Inspector(GANomaly(GANomalyTraining(width=setting.pick(64, 8))), training=training).fit(normal)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "images")
        folder.mkdir()
        paths = [folder / f"{index:04}.png" for index in range(files)]
        for path in paths:
            Image.fromarray(generator.integers(0, 255, (side, side, 3), dtype=np.uint8)).save(path)
        exported = {
            name: export(
                inspector,
                Path(place, f"{name}.hizumi"),
                normal,
                engine="openvino" if name.startswith("openvino") else "onnxruntime",
                precision=ENGINES[name],
            ).path
            for name in engines
        }
        yield Service(folder, paths, inspector, save(inspector, Path(place, "torch.hizumi")), exported)


def score_batch(setting: Setting) -> Report:
    """A batch of 64 images, warm: by torch as in training, by torch, and by OpenVINO."""
    report = Report()
    for side in setting.pick((32, 64, 128), (16,)):
        engines = ("openvino", "openvino, bf16") if setting.device == "cpu" else ()
        with served(setting, files=1, engines=engines, side=side) as service:
            detector = service.inspector.detector_.to(setting.device)
            shape = (setting.pick(64, 4), *(detector.shape or ()))
            pixels = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
            images = torch.from_numpy(pixels).to(setting.device).float() / 127.5 - 1
            ways: dict[str, Run] = {
                "eager": lambda detector=detector, images=images: eager(detector, images),
                "torch": lambda detector=detector, images=images: detector.score(images),
                "torch, bf16": lambda detector=detector, images=images: detector.score(images, precision=BF16),
            }
            for name in engines:
                scores = load(service.exported[name], threads=1).scorer().scores
                ways[name] = lambda scores=scores, pixels=pixels: scores(pixels)
            work = operations(ways["eager"])
            seconds = in_turn(ways | ceilings_beside(("fp32", "bf16"), setting), setting)
        for precision, asked in (("fp32", 1.4), ("bf16", 2.7)):
            chosen = [way for way in ways if way != "eager" and way.endswith("bf16") == (precision == "bf16")]
            fastest = min(chosen, key=lambda way: seconds[way].cpu)
            for way in chosen:
                reached = share(seconds, way, work, precision, setting)
                bound = asked if way == fastest else None
                times = ratio(seconds, "eager", way)
                name = f"{side} px, {precision}, {way.partition(',')[0]}"
                report.figures.append(Figure(name, times, at_least=bound, of_ceiling=reached))
        for way in ("torch", "torch, bf16"):
            report.profiles[f"scoring, {side} px, {way}"] = shares_of_time(ways[way])
        report.seconds |= {f"{side} px, {way}": timing for way, timing in seconds.items()}
    return report


def score_files(setting: Setting) -> Report:
    """PNG files of 64 pixels to a table of scores, all warm."""
    with served(setting, files=setting.pick(1024, 6)) as service:
        table = service.folder.parent / "scores.csv"
        detector = service.inspector.detector_

        def one_by_one() -> None:
            with table.open("w", newline="") as lines:
                writer = csv.writer(lines)
                for file in service.files:
                    pixels = torch.from_numpy(np.asarray(Image.open(file)).copy())
                    image = pixels.permute(2, 0, 1)[None].float() / 127.5 - 1
                    writer.writerow([file.name, float(eager(detector, image))])

        ways: dict[str, Run] = {"one by one": one_by_one, "torch": _inspecting(service.inspector, service, table)}
        ways |= {name: _inspecting(load(path, threads=1), service, table) for name, path in service.exported.items()}
        work = operations(one_by_one)
        with peers.anomalib("predict", service.folder, table) as others:
            seconds = in_turn(ways | others | ceilings_beside(PRECISIONS, setting), setting)
    report = Report(seconds=seconds)
    for way in ("torch", *ENGINES):
        best = way == "openvino, bf16"
        reached = _share(seconds, way, work, setting)
        for other, asked in (("one by one", 8.0), ("anomalib", 2.5)):
            if other in seconds:
                what = f"{way}, against {other}"
                times, bound = ratio(seconds, other, way), asked if best else None
                report.figures.append(Figure(what, times, at_least=bound, of_ceiling=reached))
    return report


def score_one(setting: Setting) -> Report:
    """One image of 64 pixels from memory, warm, over and over."""
    calls = setting.pick(50, 2)
    with served(setting, files=1) as service:
        pixels = np.asarray(Image.open(service.files[0])).transpose(2, 0, 1)[None]
        image = torch.from_numpy(pixels.copy()).float() / 127.5 - 1
        detector = service.inspector.detector_
        scorers = {name: load(path, threads=1).scorer().scores for name, path in service.exported.items()}
        ways: dict[str, Callable[[], object]] = {
            "eager": lambda: eager(detector, image),
            "torch": lambda: detector.score(image),
            **{name: lambda scores=scores: scores(pixels) for name, scores in scorers.items()},
        }
        repeated = {name: lambda way=way: [way() for _ in range(calls)] for name, way in ways.items()}
        work = calls * operations(ways["eager"])
        seconds = in_turn(repeated | ceilings_beside(PRECISIONS, setting), setting)
        milliseconds = _latencies(ways, calls)
        report = Report(seconds=seconds)
        report.profiles["one image, onnxruntime"] = _shares_in_graph(service.exported["onnxruntime"], pixels, calls)
    for way in ("torch", *ENGINES):
        asked = 4.0 if way == "openvino" else None
        reached = _share(seconds, way, work, setting)
        times = ratio(seconds, "eager", way)
        report.figures.append(Figure(f"{way}, against eager", times, at_least=asked, of_ceiling=reached))
    for way, taken in milliseconds.items():
        cuts = statistics.quantiles(taken, n=20)
        report.figures.append(Figure(f"{way}, p50 on one thread", cuts[9], "ms"))
        report.figures.append(Figure(f"{way}, p95 on one thread", cuts[18], "ms"))
    return report


def _share(seconds: dict[str, Timing], way: str, work: int, setting: Setting) -> float | None:
    """Of the ceiling in the precision of torch or of an engine; None in one that has no ceiling here."""
    precision = ENGINES.get(way, "fp32")
    return share(seconds, way, work, precision, setting) if precision in PRECISIONS else None


def _inspecting(inspector: Inspector | ExportedInspector, service: Service, table: Path) -> Run:
    def run() -> None:
        verdicts = inspector.inspect_each(service.folder, pictures=False)
        write_csv(str(table), (verdict.to_row() for verdict in verdicts))

    return run


def _shares_in_graph(bundle: Path, pixels: np.ndarray, calls: int, most: int = 8) -> dict[str, float]:
    """The nodes of an exported graph that take most of the time on one thread, and their shares of it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.enable_profiling = 1, True
    options.profile_file_prefix = str(bundle.with_suffix(".profile"))
    _, members = read_archive(bundle, "exported", FORMAT, upgraded)
    session = onnxruntime.InferenceSession(members[ONNX], options, providers=["CPUExecutionProvider"])
    for _ in range(calls):
        session.run(None, {session.get_inputs()[0].name: pixels.astype(np.float32)})
    taken: Counter[str] = Counter()
    for event in json.loads(Path(session.end_profiling()).read_text(encoding="utf-8")):
        if event["name"].endswith("_kernel_time"):
            megabytes = int(event["args"]["parameter_size"]) / 1e6
            taken[f"{event['args']['op_name']} with {megabytes:.1f} MB of weights"] += event["dur"]
    return {name: round(part / taken.total(), 3) for name, part in taken.most_common(most)}


def _latencies(ways: dict[str, Callable[[], object]], calls: int) -> dict[str, list[float]]:
    """Milliseconds of single calls by the clock, all ways in turn."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(4 * calls):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            taken[name].append(1000 * (time.perf_counter() - began))
    torch.set_num_threads(threads)
    return taken
