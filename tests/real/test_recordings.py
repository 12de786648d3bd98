"""Recordings of the real sets: no step is lost, and windows are as long as the sets are known to need."""

import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from hizumi.data.series.files import Recordings, open_recordings
from hizumi.data.series.options import SeriesOptions

from .conftest import Arrays


def steps_in(found: Recordings) -> int:
    """Steps of all recordings, and of all pieces that are named as too short."""
    short = [re.match(r"has ([\d,]+) step", each.reason) for each in found.unopened]
    return sum(map(len, found.recordings)) + sum(int(each[1].replace(",", "")) for each in short if each)


def test_nab(real: Arrays) -> None:
    arrays = real("nab")
    series = list(zip(arrays["name"], arrays["offset"][:-1], arrays["offset"][1:], strict=True))
    for name, start, end in series[::3]:
        times, values = arrays["time"][start:end], arrays["value"][start:end].astype(float)
        found = open_recordings(pd.DataFrame({"time": times, "value": values}), SeriesOptions(length=4))
        differences = np.diff(times)
        median = np.median(differences)
        assert found.form.step_seconds == pytest.approx(median, rel=0.002)  # stamps of one series are uneven
        assert steps_in(found) == len(values), name
        whole = not ((differences <= 0) | (differences > 1.5 * median)).any()
        assert whole == (len(found) == 1 and not found.unopened), name
        counted = open_recordings(values).form
        assert counted.length in (32, 64, 128)
        assert 0.1 <= counted.hop / counted.length <= 0.5


def test_skab(real: Arrays) -> None:
    """Sampled a little more seldom than each second, and stamped in whole seconds: that alone splits nothing."""
    arrays = real("skab")
    columns = dict(zip(arrays["column"], arrays["value"].T.astype(float), strict=True))
    table = pd.DataFrame({"time": arrays["time"], **columns, "anomaly": arrays["anomaly"]})
    offset = arrays["offset"]
    tables = [table[start:end] for start, end in pairwise(offset)]
    found = open_recordings(tables)
    assert found.form.length == 64
    assert found.form.columns == tuple(arrays["column"])
    assert len(found.recordings[0]) == len(tables[0]) == 9405
    assert steps_in(found) == len(table)
    gaps = sum(int((np.diff(each["time"]) > 2).sum()) for each in tables)
    assert len(found) + len(found.unopened) == len(tables) + gaps


@pytest.mark.parametrize("index", [0, 30, 60])
def test_smap_msl(real: Arrays, index: int) -> None:
    arrays = real("smap_msl")
    rows = slice(arrays["offset_train"][index], arrays["offset_train"][index + 1])
    commands = np.unpackbits(arrays["command_train"][rows], axis=1)[:, : arrays["columns"][index] - 1]
    found = open_recordings(np.column_stack([arrays["value_train"][rows], commands]))
    assert (found.form.length, steps_in(found)) == (64, len(commands))
