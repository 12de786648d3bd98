"""From a fitted inspector to a bundle that scores without torch, checked on the very items that set its threshold."""

import io
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hizumi.data import Manifest
from hizumi.data.progress import Observer, reporting
from hizumi.errors import DataError, RunError, UsageError
from hizumi.export.graph import Graph, Port
from hizumi.export.parity import TOLERANCE, Parity
from hizumi.export.quantising import quantised
from hizumi.export.replay import Replay, replayed
from hizumi.export.tracing import traced, with_verdict
from hizumi.inspection import Inspector
from hizumi.inspection.bundle import card_of
from hizumi.runtime.bundle import CALIBRATION, CARD, FORMAT, revived
from hizumi.runtime.engines import ONNX, EngineName, Precision
from hizumi.storage.archive import write_archive

if TYPE_CHECKING:
    from onnx import ModelProto

SAMPLES = 100  # items by which the ranges of 8-bit numbers are chosen
SAME_SCORES = 1e-4  # of the largest: another machine rounds differently, and other items are much farther away


@dataclass(frozen=True)
class Exported:
    """The bundle that was written, and how its graph compares with the detector in torch."""

    path: Path
    parity: Parity


def export(
    inspector: Inspector,
    path: str | Path,
    data: Any = None,
    *,
    engine: EngineName = "onnxruntime",
    precision: Precision = "fp32",
    observe: Observer | None = None,
) -> Exported:
    """Write a fitted inspector to one file, as a graph for this engine.

    `data` is what it was fitted on; None: the place that the inspector remembers. The items that set its threshold are
    scored by detector and graph, and so are labelled test items: in single precision the two may differ by 1e-5 of the
    largest value and on no verdict, else RunError is raised and nothing written. The bundle's threshold follows by the
    inspector's rule from the graph's own scores. Raises UsageError for a detector that cannot be exported, and
    DataError where the data are not those of the fit.
    """
    _refuse_search(inspector)
    if (engine, precision) == ("onnxruntime", "bf16"):
        raise UsageError("ONNX Runtime computes nothing in bf16 on a processor; export to OpenVINO, or choose int8")
    records = inspector.split_as_fitted(_found(inspector) if data is None else data)
    graph = Graph(inspector.detector_, inspector.preprocessing_.window)
    model = traced(graph)
    if precision == "int8":
        model = quantised(model, _samples(inspector, records))
    header = _header(inspector, graph, engine, precision)
    replay, test, tested = _replayed(inspector, header, _members(model, engine), records, observe)
    calibration = inspector.calibration_
    if inspector.folds is None:  # else the scores come from other fits, of which nothing is left
        maxima = np.array(replay.graph_maxima) if replay.graph_maxima else None
        calibration = calibration.rescored(np.array(replay.graph_scores), maxima)
    parity = Parity.of(replay, inspector.calibration_, calibration, test, tested)
    if precision == "fp32" and not parity.holds:
        raise RunError(
            f"the exported {header['detector']['name']} is not the same: {parity.changed} of {parity.verdicts} "
            f"verdicts change, and {parity.worst} by {parity.differences[parity.worst]:.1e} of its largest value "
            f"({TOLERANCE:g} is allowed); nothing was written"
        )
    fields, arrays = calibration.to_dict()
    complete = with_verdict(model, header["outputs"][0]["dtype"], calibration.threshold.value)
    members = {
        **_members(complete, engine),
        **{CALIBRATION.format(name): _npy(array) for name, array in arrays.items()},
        CARD: card_of(inspector).encode(),
    }
    path = Path(path)
    write_archive(path, "exported", header | {"calibration": fields, "parity": parity.to_dict()}, members, FORMAT)
    return Exported(path, parity)


def _replayed(
    inspector: Inspector,
    header: Mapping[str, Any],
    members: Mapping[str, bytes],
    records: Manifest,
    observe: Observer | None,
) -> tuple[Replay, Replay | None, Manifest]:
    """What set the threshold through detector and graph, and labelled test items where there are some."""
    fields, arrays = inspector.calibration_.to_dict()
    calibrated = {CALIBRATION.format(name): _npy(array) for name, array in arrays.items()}
    ours = inspector.scorer()
    theirs = revived({**header, "calibration": fields, "parity": {}}, {**members, **calibrated}).scorer()
    held_out = records.select(split="calibration" if inspector.folds is None else "train")
    replay = replayed(ours, theirs, held_out, reporting(observe, "replaying"))
    if inspector.folds is None:
        _refuse_others(inspector, replay, records.name)
    test = records.select(split="test")
    test = replace(test, records=tuple(record for record in test.records if record.label is not None))
    tested = replayed(ours, theirs, test, reporting(observe, "testing")) if len(test) else None
    return replay, tested, test


def _samples(inspector: Inspector, records: Manifest) -> Iterator[np.ndarray]:
    """Some training items as a graph takes them."""
    reader = inspector.scorer().reader
    manifest = inspector.preprocessing_.decoding(records.select(split="train"))
    for index in np.linspace(0, len(manifest) - 1, min(len(manifest), SAMPLES)).round().astype(int).tolist():
        with suppress(DataError):  # one that cannot be read was passed over by the fit as well
            yield reader.piece(manifest, index, pictures=False).crops.astype(np.float32)


def _header(inspector: Inspector, graph: Graph, engine: EngineName, precision: Precision) -> dict[str, Any]:
    """All but what the replay will tell."""
    incoming, outgoing = graph.ports()
    verdict = Port.of_verdict()
    return {
        "engine": engine,
        "precision": precision,
        "detector": inspector.options_["detector"],
        "shape": list(inspector.detector_.shape or ()),
        "preprocessing": inspector.preprocessing_.to_dict(),
        "inputs": [incoming._asdict()],
        "outputs": [port._asdict() for port in (*outgoing, verdict)],
        "options": inspector.options_,
    }


def _members(model: "ModelProto", engine: EngineName) -> dict[str, bytes]:
    if engine == "onnxruntime":
        return {ONNX: model.SerializeToString()}
    from hizumi.export.openvino import as_openvino

    return as_openvino(model)


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _found(inspector: Inspector) -> Manifest:
    """The data of the fit, where they lay then."""
    from hizumi.data import open_source

    source, name = inspector.options_.get("source"), inspector.options_["data"]
    if source is None:
        raise UsageError(f"{name}, on which this was fitted, was in memory: give it, to check the export on it")
    try:
        return open_source(source["place"], normal_class=source["normal_class"], motion=inspector.uses_motion)
    except UsageError as error:
        raise UsageError(
            f"{source['place']}, on which this was fitted, is not there any more: say where it lies now, to check "
            "the export on it"
        ) from error


def _refuse_search(inspector: Inspector) -> None:
    card = inspector.detector_.card
    if card.cost == "search":
        others = f"; {' or '.join(card.one_pass)} does the like in one pass" if card.one_pass else ""
        name = inspector.options_["detector"]["name"]
        raise UsageError(f"{name} searches anew for each item, which no graph can hold{others}")


def _refuse_others(inspector: Inspector, replay: Replay, name: str) -> None:
    known, found = inspector.calibration_.scores, np.sort(replay.torch_scores)
    scale = float(np.abs(known).max())
    if len(known) != len(found) or float(np.abs(known - found).max()) > SAME_SCORES * scale:
        raise DataError(f"{name}: is not what this was fitted on, or has changed since; give the very same data")
