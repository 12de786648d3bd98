"""How like real windows those are that a model makes of a series, beside how like one another real ones are."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Integer

from hizumi.data import Store
from hizumi.data.series.form import SeriesForm
from hizumi.data.spread import evenly_spread
from hizumi.errors import DataError
from hizumi.evaluation.series_samples import (
    FEWEST_WINDOWS,
    Distances,
    distances,
    prediction_error,
    two_sample_test,
)
from hizumi.generation.modeller import Modeller

CLASSIFIER_WINDOWS = 10  # of either kind, at least, to learn from, and as many to be tested on


class WindowsOfBlocks(NamedTuple):
    """Places in a store of windows that share no step, and the number of the block that each lies in."""

    places: Integer[np.ndarray, "n"]
    block: Integer[np.ndarray, "n"]


def windows_of_blocks(store: Store, most: int) -> WindowsOfBlocks:
    """Windows of a store of blocks that follow one another without an overlap, evenly chosen where there are many."""
    form = _form(store)
    block = np.array(store.kept)
    steps = (np.arange(len(block)) - np.searchsorted(block, block)) * form.hop
    apart = np.flatnonzero(steps % form.length == 0)
    chosen = apart[evenly_spread(len(apart), most)]
    return WindowsOfBlocks(chosen, np.unique(block[chosen], return_inverse=True)[1])


def series_measures(
    modeller: Modeller, real: Float[np.ndarray, "n c t"], block: Integer[np.ndarray, "n"], seed: int
) -> dict[str, Any]:
    """Measures of samples against every second block of the data, and of the blocks between in place of samples.

    Standardised, as the model learned them. The classifier, too, learns from some blocks and is tested on others.
    """
    form, scaler = modeller.preprocessing_.series, modeller.preprocessing_.scaler
    assert form is not None, "series have a form"
    assert scaler is not None, "series have a scaler"
    own, other = real[block % 2 == 0], real[block % 2 == 1]
    if min(len(own), len(other)) < FEWEST_WINDOWS:
        raise DataError(
            f"{len(real)} windows of {form.length} steps are too few to compare samples with, since one half is "
            f"compared with the other; give a series of {2 * FEWEST_WINDOWS * form.length} steps or more"
        )
    made = scaler.standardise(modeller.sample(len(other), seed)).swapaxes(1, 2)
    result: dict[str, Any] = {"windows": len(own), "samples": len(made)}
    of_samples, of_real = distances(own, made), distances(own, other)
    for field in fields(Distances):
        values = getattr(of_samples, field.name), getattr(of_real, field.name)
        if None not in values:
            result[f"{field.name}_distance"] = _beside(*values, form.columns)
    result["next_step_squared_error"] = _beside(
        tuple(prediction_error(made, own, seed)), tuple(prediction_error(other, own, seed)), form.columns
    )
    quarters = [real[block % 4 == number] for number in range(4)]
    if min(map(len, quarters)) >= CLASSIFIER_WINDOWS:
        first, first_other, second, second_other = quarters
        result["classifier_two_sample_test"] = {
            "of_samples": two_sample_test((first, second), (made[::2], made[1::2]), seed).to_dict(),
            "of_other_real_windows": two_sample_test((first, second), (first_other, second_other), seed).to_dict(),
        }
    return result


def _beside(
    of_samples: Sequence[float] | float, of_real: Sequence[float] | float, columns: Sequence[str]
) -> dict[str, Any]:
    """The mean over channels, that of real windows against others, and the channel that is farthest off."""
    samples, real = np.atleast_1d(of_samples), np.atleast_1d(of_real)
    result: dict[str, Any] = {"of_samples": float(samples.mean()), "of_other_real_windows": float(real.mean())}
    if len(samples) > 1:
        worst = int(samples.argmax())
        result |= {"worst_channel": columns[worst], "of_its_samples": float(samples[worst])}
    return result


def _form(store: Store) -> SeriesForm:
    form = store.manifest.series
    assert form is not None, "windows have a form"
    return form
