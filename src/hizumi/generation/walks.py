"""Ways through a model's codes: along one axis, from one code to another, and sums of mean codes."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from hizumi.errors import UsageError


def along_axis(
    codes: Float[np.ndarray, "r *k"], axis: int, values: Float[np.ndarray, "s"]
) -> Float[np.ndarray, "r s *k"]:
    """Each code with one of its numbers, counted through its whole shape, set to one value after the other."""
    flat = codes.reshape(len(codes), -1)
    if not 0 <= axis < flat.shape[1]:
        raise UsageError(f"there is no axis {axis}; the code has {flat.shape[1]} numbers, from 0 on")
    moved = np.repeat(flat[:, np.newaxis], len(values), axis=1)
    moved[:, :, axis] = values
    return np.asarray(moved.reshape(len(codes), len(values), *codes.shape[1:]))


def around_mean(
    codes: Float[np.ndarray, "n *k"], axis: int, reach: float, steps: int, *, drawn: bool
) -> Float[np.ndarray, "s"]:
    """Even values over `reach` standard deviations to both sides of the mean: those of N(0, 1), or of these codes."""
    values = codes.reshape(len(codes), -1)
    if drawn or not 0 <= axis < values.shape[1]:
        return np.linspace(-reach, reach, steps)
    own = values[:, axis].astype(np.float64)
    return np.asarray(own.mean() + own.std() * np.linspace(-reach, reach, steps))


def between(
    first: Float[np.ndarray, "r *k"], second: Float[np.ndarray, "r *k"], steps: int, *, on_sphere: bool
) -> Float[np.ndarray, "r steps *k"]:
    """From each first code to its second in even steps, both ends included.

    Codes drawn from N(0, I) lie near a sphere, and so should those between them: `on_sphere` turns from one direction
    to the other at constant speed while the length changes evenly (slerp). Otherwise along the straight line.
    """
    shape = first.shape[1:]
    one, other = (codes.reshape(len(codes), 1, -1).astype(np.float64) for codes in (first, second))
    share = np.linspace(0, 1, steps)[np.newaxis, :, np.newaxis]
    path = (1 - share) * one + share * other
    if on_sphere:
        lengths = [np.linalg.norm(codes, axis=2, keepdims=True) for codes in (one, other)]
        cosine = (one * other).sum(2, keepdims=True) / np.maximum(lengths[0] * lengths[1], 1e-12)
        angle = np.arccos(cosine.clip(-1, 1))
        turned = (np.sin((1 - share) * angle) * one / lengths[0] + np.sin(share * angle) * other / lengths[1]) / np.sin(
            angle
        ).clip(1e-12)
        turned *= (1 - share) * lengths[0] + share * lengths[1]
        path = np.where(np.sin(angle) > 1e-6, turned, path)
    return np.asarray(path.reshape(len(first), steps, *shape).astype(first.dtype))


def combined(
    add: Sequence[Float[np.ndarray, "..."]], subtract: Sequence[Float[np.ndarray, "..."]] = ()
) -> Float[np.ndarray, "*k"]:
    """The sum of the mean codes of some groups (n, *k), less those of others."""
    if not add:
        raise UsageError("a sum of codes needs at least one group to add")
    return np.asarray(sum(group.mean(0) for group in add) - sum((group.mean(0) for group in subtract), 0.0))
