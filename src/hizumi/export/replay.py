"""The same items through the detector in torch and through its exported graph: how far the two are apart."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from hizumi.data import Failure, Manifest
from hizumi.errors import DataError
from hizumi.inspection.scoring import Scored, Scorer


@dataclass
class Replay:
    """Scores of the same items by both, in order, and what is kept of their terms and maps."""

    torch_scores: list[float] = field(default_factory=list)
    graph_scores: list[float] = field(default_factory=list)
    graph_maxima: list[float] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)  # positions in the manifest of the items that could be read
    map_difference: float = 0.0
    map_size: float = 0.0
    term_differences: dict[str, float] = field(default_factory=dict)
    term_sizes: dict[str, float] = field(default_factory=dict)

    def add(self, ours: Scored, theirs: Scored) -> None:
        """One item."""
        self.kept.append(ours.index)
        self.torch_scores.append(ours.score)
        self.graph_scores.append(theirs.score)
        for name, value in ours.terms.items():
            difference = abs(value - theirs.terms[name])
            self.term_differences[name] = larger(self.term_differences.get(name, 0.0), difference)
            self.term_sizes[name] = max(self.term_sizes.get(name, 0.0), abs(value))
        if ours.map is not None and theirs.map is not None:
            self.graph_maxima.append(float(theirs.map.max()))
            self.map_difference = larger(self.map_difference, float(np.abs(ours.map - theirs.map).max()))
            self.map_size = max(self.map_size, float(np.abs(ours.map).max()))

    def differences(self) -> dict[str, float]:
        """The largest ones: of scores and maps relative to the largest value, of terms to that or the largest score.

        A term may be far smaller than the score that it is a part of.
        """
        ours, theirs = np.array(self.torch_scores), np.array(self.graph_scores)
        size = float(np.abs(ours).max())
        found = {"score": _relative(float(np.abs(ours - theirs).max()), size)}
        if self.graph_maxima:
            found["map"] = _relative(self.map_difference, self.map_size)
        for name, difference in self.term_differences.items():
            found[f"term:{name}"] = _relative(difference, max(size, self.term_sizes[name]))
        return found


def replayed(
    ours: Scorer,
    theirs: Scorer,
    manifest: Manifest,
    on_progress: Callable[[int, int], None] | None = None,
) -> Replay:
    """All items that can be read; raises DataError where there is none."""
    replay = Replay()
    pairs = zip(ours.score(manifest, pictures=False), theirs.score(manifest, pictures=False), strict=True)
    for index, (one, other) in enumerate(pairs):
        if not isinstance(one, Failure) and not isinstance(other, Failure):
            replay.add(one, other)
        if on_progress is not None:
            on_progress(index + 1, len(manifest))
    if not replay.kept:
        raise DataError(f"{manifest.name}: none of its {len(manifest)} records could be read")
    return replay


def larger(first: float, second: float) -> float:
    """The larger of two differences; NaN, where a graph has made no number of one, is larger than all."""
    return float(np.maximum(first, second))


def _relative(difference: float, size: float) -> float:
    return difference / size if size > 0 else difference
