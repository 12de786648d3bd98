"""Recordings from files, folders, arrays and frames; expected values by hand, or as pandas reads them."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from hizumi.data.recording_files import Recordings, open_recordings
from hizumi.data.series import SeriesForm
from hizumi.data.series_options import SeriesOptions

STEPS = 80
SHORT = SeriesOptions(length=8)


def frame(steps: int = STEPS, step: str = "10s", seed: int = 0) -> pd.DataFrame:
    numbers = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "time": pd.date_range("2026-01-31 09:30", periods=steps, freq=step),
            "volt": 230 + numbers.normal(size=steps),
            "bar": 0.05 + 0.01 * numbers.normal(size=steps),
            "anomaly": (np.arange(steps) % 40 > 35).astype(int),
        }
    )


def written(path: Path, table: pd.DataFrame, **how: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False, **how)
    return path


def opened(data: Any, form: SeriesForm | None = None, **options: Any) -> Recordings:
    return open_recordings(data, SeriesOptions(**{"length": 8, **options}), form)


def assert_same(found: Recordings, table: pd.DataFrame) -> None:
    """One recording, with the values, times and labels of a table of pandas."""
    (recording,) = found.recordings
    assert found.form.columns == ("volt", "bar")
    assert found.form.step_seconds == 10
    np.testing.assert_allclose(recording.values, table[["volt", "bar"]].to_numpy(), rtol=1e-12)
    assert recording.times is not None
    assert recording.anomalous is not None
    np.testing.assert_array_equal(recording.times, table["time"].to_numpy().astype("datetime64[ns]").astype(np.int64))
    np.testing.assert_array_equal(recording.anomalous, table["anomaly"] == 1)


def test_one_recording_however_it_is_kept(tmp_path: Path) -> None:
    table = frame()
    text = table.to_csv(index=False)
    epochs = table.assign(time=table["time"].astype("datetime64[ns]").astype(np.int64) // 10**6)
    zoned = table.assign(time=table["time"].dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo"))
    words = table.assign(anomaly=np.where(table["anomaly"] == 1, "anomalous", "normal")).rename(
        columns={"anomaly": "label"}
    )
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text.encode()))
    table.to_parquet(tmp_path / "a.parquet")
    zoned.set_index("time").to_parquet(tmp_path / "indexed.parquet")
    sources = [
        written(tmp_path / "a.csv", table),
        written(tmp_path / "semicolons.csv", table, sep=";", decimal=","),
        written(tmp_path / "a.tsv", table, sep="\t"),
        written(tmp_path / "epochs.csv", epochs),
        written(tmp_path / "zoned.csv", zoned),
        written(tmp_path / "words.csv", words[["label", "volt", "time", "bar"]]),
        *(tmp_path / name for name in ("a.csv.gz", "a.parquet", "indexed.parquet")),
        *(table, table.set_index("time"), zoned.set_index("time"), pl.from_pandas(table)),
    ]
    for source in sources:
        assert_same(opened(source), table)
