"""From a fitted inspector to a bundle that scores without torch, checked against the detector on good items."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from hizumi.arguments import check_value
from hizumi.data import Failure, Manifest
from hizumi.data.manifest import Unopened
from hizumi.data.progress import Observer, reporting
from hizumi.data.spread import evenly_spread
from hizumi.errors import DataError, RunError, UsageError
from hizumi.export.footprint import memory_taken
from hizumi.export.graph import Graph, Port
from hizumi.export.parity import Parity
from hizumi.export.quantising import quantised
from hizumi.export.replay import Forms, Replay, replayed
from hizumi.export.replay_set import ReplaySet
from hizumi.export.tracing import traced, with_verdict
from hizumi.inspection import Inspector
from hizumi.inspection.bundle import card_of
from hizumi.runs.record import without_place
from hizumi.runtime.bundle import CARD, FORMAT, members_of, revived
from hizumi.runtime.engines import ONNX, EngineName, Precision
from hizumi.storage.archive import write_archive

if TYPE_CHECKING:
    from onnx import ModelProto

SAMPLES = 100  # items by which the ranges of 8-bit numbers are chosen


@dataclass(frozen=True)
class Exported:
    """The bundle that was written, how its graph compares with the detector in torch, and remarks on the data for it.

    `notes` are sentences on how the data were understood; `failures` could not be read, `unopened` are no records.
    """

    path: Path
    parity: Parity
    notes: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    unopened: tuple[Unopened, ...] = ()


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

    `data` is what it was fitted on, or any good items of the same kind; None: the place that the inspector remembers.
    They are scored by detector and graph, and so are labelled test items. In double precision the detector gives the
    truth, from which the graph may be a few times as far as torch in single precision is, and no verdict may change
    but where the score lies within this error of the threshold (see `Parity`): else RunError is raised and nothing
    written. Where the data are those of the fit, the bundle's threshold follows by the inspector's rule from the
    graph's own scores; otherwise it stays. Raises UsageError for a detector that cannot be exported, and DataError
    where no item can be read.
    """
    check_value(EngineName, engine, "engine")
    check_value(Precision, precision, "precision")
    check_is_fitted(inspector, "detector_")
    _refuse_search(inspector)
    if (engine, precision) == ("onnxruntime", "bf16"):
        raise UsageError("ONNX Runtime computes nothing in bf16 on a processor; export to OpenVINO, or choose int8")
    items = ReplaySet.of(inspector, data)
    graph = Graph(inspector.detector_, inspector.preprocessing_.window)
    model = traced(graph)
    if precision == "int8":
        model = quantised(model, _samples(inspector, items.ranges))
    header = _header(inspector, graph, engine, precision)
    in_engine = _members(model, engine)
    header["memory_bytes"] = memory_taken(engine, in_engine, graph.example().numpy())
    replay, test = _replayed(inspector, header, in_engine, items, observe)
    _refuse_useless(header["detector"]["name"], precision, *filter(None, (replay, test)))
    calibration = inspector.calibration_
    # Scores of folds come from other fits, those that joined later from other pictures: neither can be replayed.
    if items.as_fitted and inspector.options_["folds"] is None and "recalibrated" not in inspector.options_:
        maxima = np.array(replay.graph_maxima) if replay.graph_maxima else None
        calibration = calibration.rescored(np.array(replay.graph_scores), maxima)
    parity = Parity.of(replay, inspector.calibration_, calibration, test, items.test, as_fitted=items.as_fitted)
    if precision == "fp32" and not parity.holds:
        raise RunError(_reason(header, parity))
    fields, arrays = calibration.to_dict()
    complete = with_verdict(model, header["outputs"][0]["dtype"], calibration.threshold.value)
    members = {
        **_members(complete, engine),
        **members_of(arrays),
        CARD: card_of(inspector).encode(),
    }
    path = Path(path)
    write_archive(path, "exported", header | {"calibration": fields, "parity": parity.to_dict()}, members, FORMAT)
    failures = [failure for each in (replay, test) if each is not None for failure in each.failures]
    return Exported(path, parity, items.good.notes, tuple(failures), items.good.unopened)


def _replayed(
    inspector: Inspector,
    header: Mapping[str, Any],
    members: Mapping[str, bytes],
    items: ReplaySet,
    observe: Observer | None,
) -> tuple[Replay, Replay | None]:
    """Good items in all forms of the detector, and labelled ones where there are some."""
    fields, arrays = inspector.calibration_.to_dict()
    complete = {**members, **members_of(arrays)}
    forms = Forms.of(inspector, revived({**header, "calibration": fields, "parity": {}}, complete))
    replay = replayed(forms, items.good, reporting(observe, "replaying"))
    test = replayed(forms, items.test, reporting(observe, "testing")) if len(items.test) else None
    return replay, test


def _refuse_useless(name: str, precision: Precision, *replays: Replay) -> None:
    """Raise RunError where the graph's scores are no numbers or, in fewer bits, one number whatever the item."""
    ours = np.concatenate([each.torch_scores for each in replays])
    theirs = np.concatenate([each.graph_scores for each in replays])
    broken = int(np.isnan(theirs).sum())
    if broken:
        raise RunError(f"the exported {name} makes no number of {broken} of {len(theirs)} scores; nothing was written")
    if precision != "fp32" and np.ptp(theirs) == 0 < np.ptp(ours):
        raise RunError(
            f"the exported {name} gives all {len(theirs)} items one score, and the detector tells them apart: "
            f"{precision} leaves it too few digits; nothing was written: export it in fp32"
        )


def _reason(header: Mapping[str, Any], parity: Parity) -> str:
    """Why nothing was written, and which engine has the digits that this one lacks."""
    worst, name = parity.worst, header["detector"]["name"]
    needs_double = header["engine"] == "openvino" and header["outputs"][0]["dtype"] == "float64"
    advice = f"; {name} computes in double precision, which OpenVINO has none of: export it to onnx"
    return (
        f"the exported {name} is not the same: {parity.changed - parity.borderline} of {parity.verdicts} verdicts "
        f"change, and {worst} is off by {parity.differences[worst]:.1e} of its largest value "
        f"({parity.allowed(worst):.1e} is allowed; torch itself is off by {parity.rounding[worst]:.1e}); "
        f"nothing was written{advice if needs_double else ''}"
    )


def _samples(inspector: Inspector, good: Manifest) -> Iterator[np.ndarray]:
    """Some good items as a graph takes them."""
    reader = inspector.scorer().reader
    manifest = inspector.preprocessing_.decoding(good)
    for index in evenly_spread(len(manifest), SAMPLES):
        with suppress(DataError):  # one that cannot be read was passed over by the fit as well
            yield inspector.preprocessing_.to_graph(reader.piece(manifest, index, pictures=False).crops)


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
        "options": without_place(inspector.options_),
    }


def _members(model: "ModelProto", engine: EngineName) -> dict[str, bytes]:
    if engine == "onnxruntime":
        return {ONNX: model.SerializeToString()}
    from hizumi.export.openvino import as_openvino

    return as_openvino(model)


def _refuse_search(inspector: Inspector) -> None:
    card = inspector.detector_.card
    if card.cost == "search":
        others = f"; {' or '.join(card.one_pass)} does the like in one pass" if card.one_pass else ""
        name = inspector.options_["detector"]["name"]
        raise UsageError(f"{name} searches anew for each item, which no graph can hold{others}")
