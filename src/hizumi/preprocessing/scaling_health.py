"""Do columns that never changed in training change among good rows that were held out? Looked at after every fit."""

import numpy as np

from hizumi.data import Manifest
from hizumi.data.columns import named
from hizumi.preprocessing.preprocessing import Preprocessing
from hizumi.training.health import Finding


def check_constants(preprocessing: Preprocessing, held_out: Manifest) -> list[Finding]:
    """A finding on held-out rows whose scores set the threshold where nearly everything passes."""
    scaler = preprocessing.scaler
    if scaler is None or not scaler.constant.any() or not len(held_out):
        return []
    # Of a stretch, its steps.
    read = [held_out.read(place).pixels for place in range(len(held_out))]
    rows = np.stack(read) if held_out.series is None else np.concatenate([each[0] for each in read])
    changed = (scaler.standardise(rows) != 0) & scaler.constant
    if not changed.any():
        return []
    columns = [held_out.columns[place] for place in np.flatnonzero(changed.any(0))]
    first = held_out.records[int(changed.any(1).argmax())].name
    count = int(changed.any(1).sum())
    return [
        Finding(
            "constants that change",
            "problem",
            f"column {named(columns)} never changes in the rows learned from, and does in {count} of {len(rows)} good "
            f"rows held out for the threshold, such as {first}: these lie so far outside that with their scores the "
            "threshold lets nearly everything pass",
            "leave the column out (--ignore), give more rows in which it changes, or let all rows train (--folds 5); "
            "if these rows are not good, take them out",
        )
    ]
