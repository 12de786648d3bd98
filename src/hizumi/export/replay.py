"""The same items through a detector in double precision, in torch and as a graph: how far the last two are off."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import torch

from hizumi.data import Failure, Manifest
from hizumi.errors import DataError
from hizumi.export.graph import Graph
from hizumi.inspection import Inspector
from hizumi.inspection.scoring import EXPECTED, MAP, SCORE, SHARES, Scorer, ScoresBatches
from hizumi.preprocessing.batching import Outputs, in_batches
from hizumi.preprocessing.reading import Piece, Reader
from hizumi.runtime.inspector import BATCH_SIZE, ExportedInspector
from hizumi.shapes import Shaped
from hizumi.training.randomness import own_random_numbers

DOUBLE, SINGLE, GRAPH = "double", "single", "graph"
FORMS = (DOUBLE, SINGLE, GRAPH)


@dataclass(frozen=True)
class Forms:
    """A detector in double precision, in torch, and as a graph, and what reads records for all three."""

    scores: Mapping[str, ScoresBatches]
    reader: Reader

    @classmethod
    def of(cls, inspector: Inspector, exported: ExportedInspector) -> Self:
        """Of a fitted inspector and what is to replace it."""
        scorer = inspector.scorer()
        scores = {DOUBLE: in_double(inspector), SINGLE: with_shares(scorer), GRAPH: exported.scorer().scores}
        return cls(scores, scorer.reader)

    def __call__(self, crops: Shaped[np.ndarray, "n ..."]) -> Outputs:
        """Outputs of all forms, each with its form's name before its own."""
        outputs = {SINGLE: self.scores[SINGLE](crops)}  # in the batches that set the threshold: the same to the bit
        for form in (DOUBLE, GRAPH):  # in smaller ones, which take less memory
            starts = range(0, len(crops), BATCH_SIZE)
            parts = [self.scores[form](crops[start : start + BATCH_SIZE]) for start in starts]
            outputs[form] = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return {f"{form} {name}": values for form in FORMS for name, values in outputs[form].items()}


def in_double(inspector: Inspector) -> ScoresBatches:
    """The detector in double precision, whose own rounding is negligible beside that of single precision."""
    graph = Graph(copy.deepcopy(inspector.detector_).double(), inspector.preprocessing_.window)

    def scored(crops: Shaped[np.ndarray, "n ..."]) -> Outputs:
        with torch.no_grad(), own_random_numbers():
            named = graph.outputs(torch.from_numpy(inspector.preprocessing_.to_graph(crops).astype(np.float64)))
        return {name: values.numpy() for name, values in named.items()}

    return scored


def with_shares(scorer: Scorer) -> ScoresBatches:
    """The detector in torch, with all that a graph gives."""

    def scored(crops: Shaped[np.ndarray, "n ..."]) -> Outputs:
        shares = None
        if scorer.shares is not None and scorer.reader.preprocessing.series is not None:
            shares = scorer.shares(crops)
        return scorer.scores(crops) | ({} if shares is None else {SHARES: shares})

    return scored


@dataclass
class Errors:
    """Largest distances from the values in double precision, and the largest of these values."""

    size: float = 0.0
    single: float = 0.0
    graph: float = 0.0

    def add(self, double: np.ndarray, single: np.ndarray, graph: np.ndarray) -> None:
        """Some more values of the three forms."""
        self.size = larger(self.size, float(np.abs(double).max()))
        self.single = larger(self.single, float(np.abs(single - double).max()))
        self.graph = larger(self.graph, float(np.abs(graph - double).max()))


@dataclass
class Replay:
    """Scores of the same items in torch and by the graph, in order, and the errors of both, by output."""

    failures: list[Failure] = field(default_factory=list)  # what could not be read
    torch_scores: list[float] = field(default_factory=list)
    graph_scores: list[float] = field(default_factory=list)
    graph_maxima: list[float] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)  # positions in the manifest of the items that could be read
    errors: dict[str, Errors] = field(default_factory=dict)

    def add(self, piece: Piece, outputs: Outputs, reader: Reader) -> None:
        """One item, whose map is that of its steps where it is a stretch of a series."""
        double, single, graph = (
            {name.removeprefix(f"{form} "): v for name, v in outputs.items() if name.startswith(f"{form} ")}
            for form in FORMS
        )
        self.kept.append(piece.index)
        self.torch_scores.append(reader.record_score(piece, single[SCORE]))
        self.graph_scores.append(reader.record_score(piece, graph[SCORE]))
        if reader.preprocessing.series is not None:
            self.graph_maxima.append(self.graph_scores[-1])
        elif MAP in graph:
            self.graph_maxima.append(float(reader.restored_map(piece, graph[MAP]).max()))
        for name in double.keys() - {EXPECTED}:
            self.errors.setdefault(name, Errors()).add(double[name], single[name], graph[name])

    def with_(self, other: Self) -> dict[str, Errors]:
        """Errors over these items and those of another replay."""
        return {
            name: Errors(*(larger(vars(mine)[part], vars(other.errors[name])[part]) for part in vars(mine)))
            for name, mine in self.errors.items()
        }


def replayed(forms: Forms, manifest: Manifest, on_progress: Callable[[int, int], None] | None = None) -> Replay:
    """All items that can be read; raises DataError where there is none."""
    replay = Replay()
    pieces = forms.reader.pieces(manifest)
    done = in_batches(forms, pieces, total=len(manifest), on_progress=on_progress)
    for item in done:
        if isinstance(item, Failure):
            replay.failures.append(item)
        else:
            replay.add(*item, forms.reader)
    if not replay.kept:
        unread = "it is empty" if not replay.failures else f"{replay.failures[0].name}: {replay.failures[0].reason}"
        raise DataError(f"{manifest.name}: none of its {len(manifest)} records could be read ({unread})")
    return replay


def larger(first: float, second: float) -> float:
    """The larger of two numbers; NaN, where a graph has made no number of one, is larger than all."""
    return float(np.maximum(first, second))
