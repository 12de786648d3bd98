"""Do columns that never changed in training change among good rows that were held out? Looked at after every fit."""

import numpy as np

from hizumi.data import Manifest
from hizumi.data.columns import named
from hizumi.preprocessing.preprocessing import Preprocessing
from hizumi.training.health import Finding


def check_constants(preprocessing: Preprocessing, held_out: Manifest, *, folds: int | None) -> list[Finding]:
    """A finding on held-out rows whose scores set the threshold where nearly everything passes.

    `folds` says how many the fit could have been by; None: by none.
    """
    scaler = preprocessing.scaler
    if scaler is None or not scaler.constant.any() or not len(held_out):
        return []
    read = [np.atleast_2d(held_out.read(place).pixels) for place in range(len(held_out))]
    read = [each[0] if each.ndim == 3 else each for each in read]  # of a stretch, its steps
    rows = np.concatenate(read)
    changed = (scaler.standardise(rows) != 0) & scaler.constant
    if not changed.any():
        return []
    columns = [held_out.columns[place] for place in np.flatnonzero(changed.any(0))]
    record_of_row = np.repeat(np.arange(len(read)), [len(each) for each in read])
    first = held_out.records[record_of_row[changed.any(1).argmax()]].name
    count = int(changed.any(1).sum())
    column, row = ("column", "row") if held_out.series is None else ("channel", "step")
    or_else = "" if folds is None else f", or let all rows train (--folds {folds})"
    return [
        Finding(
            "constants that change",
            "problem",
            f"{column} {named(columns)} never changes in the {row}s learned from, and does in {count} of {len(rows)} "
            f"good {row}s held out for the threshold, such as {first}: these lie so far outside that with their scores "
            "the threshold lets nearly everything pass",
            f"leave the {column} out (--ignore), give more {row}s in which it changes{or_else}; if these {row}s are "
            "not good, take them out",
        )
    ]
