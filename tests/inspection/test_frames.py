"""Data frames through the whole line: of pandas and polars where they are installed, and of a class like theirs."""

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

from hizumi.data import open_source
from hizumi.errors import DataError
from hizumi.inspection import Inspector, load, restore, save

ROWS = np.random.default_rng(0).normal(size=(120, 3)) * [1, 10, 100]


class Frame:
    """The least that a data frame has."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self.held = {name: np.asarray(values) for name, values in columns.items()}
        self.columns = list(self.held)

    def __getitem__(self, key: str | Sequence[str]) -> Any:
        return self.held[key] if isinstance(key, str) else Frame({name: self.held[name] for name in key})

    def __len__(self) -> int:
        return len(next(iter(self.held.values())))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.stack([*self.held.values()], axis=1)


MakeFrame = Callable[[Mapping[str, Any]], Any]


@pytest.fixture(params=["Frame", "pandas", "polars"])
def make(request: pytest.FixtureRequest) -> MakeFrame:
    if request.param == "Frame":
        return Frame
    frames: MakeFrame = pytest.importorskip(request.param, reason=f"{request.param} is not installed").DataFrame
    return frames


def test_names_of_columns_hold_from_the_fit_on(make: MakeFrame, tmp_path: Path) -> None:
    frame = make(dict(zip("abc", ROWS.T, strict=True)))
    inspector = Inspector("mahalanobis").fit(frame)
    expected = Inspector("mahalanobis").fit(ROWS).score_samples(ROWS)
    loaded = load(save(inspector, tmp_path / "a.hizumi"))
    for each in (inspector, loaded):
        assert (each.n_features_in_, [*each.feature_names_in_]) == (3, ["a", "b", "c"])
        np.testing.assert_array_equal(each.score_samples(frame), expected)
        np.testing.assert_array_equal(each.score_samples(frame[["c", "a", "b"]]), expected)
        with pytest.raises(DataError, match="has no column 'c', which was learned from"):
            each.predict(frame[["a", "b"]])
        renamed = make({"a": ROWS[:, 0], "z": ROWS[:, 2], "b": ROWS[:, 1]})
        with pytest.raises(DataError, match="instead there is 'z'"):
            each.predict(renamed)
        with pytest.warns(UserWarning, match="does not have valid feature names"):
            np.testing.assert_array_equal(each.score_samples(ROWS), expected)
    judge = restore(tmp_path / "a.hizumi")
    for each in (inspector, loaded, judge):
        assert any("another order" in note for note in each.inspect(frame[["c", "b", "a"]]).notes)
        extra = make(dict(zip("abcd", [*ROWS.T, ROWS[:, 0]], strict=True)))
        assert any("'d'" in note for note in each.inspect(extra).notes)
    assert not hasattr(inspector.fit(ROWS), "feature_names_in_")


def test_values_that_are_no_numbers_are_named(make: MakeFrame) -> None:
    for column, said in (
        (["x", "y"] * 60, r"column 'k': 'x' is not a number; leave the column out \(--ignore k\)"),
        (np.arange(120).astype("datetime64[ms]"), r"column 'k': '1970-01-01.*is not a number"),
        ([None, 1.0] * 60, "'k' is NaN"),
    ):
        with pytest.raises(DataError, match=said):
            Inspector("mahalanobis").fit(make({"a": ROWS[:, 0], "k": column}))
    with pytest.raises(DataError, match="row 0, 'a' is infinity"):
        Inspector("mahalanobis", folds=3).fit(make({"a": [np.inf, *ROWS[1:, 0]], "b": ROWS[:, 1]}))
    assert list(open_source(make({"a": ROWS[:, 0], "k": ["x", "y"] * 60}), one_hot=True).columns) == [
        *("a", "k=x", "k=y", "k=other")
    ]


def test_lists_in_a_polars_frame_are_named() -> None:
    polars = pytest.importorskip("polars", reason="polars is not installed")
    with pytest.raises(DataError, match=r"column 'k': '\[1 2\]' is not a number"):
        open_source(polars.DataFrame({"a": ROWS[:, 0], "k": [[1, 2]] * 120}))
    with pytest.raises(DataError, match=r"LazyFrame .*collect"):
        open_source(polars.LazyFrame({"a": [1.0]}))


def test_frames_of_no_row_and_cells_of_several_values_are_named() -> None:
    polars = pytest.importorskip("polars", reason="polars is not installed")
    frame = polars.DataFrame(ROWS, schema=list("abc"))
    fitted = Inspector("mahalanobis").fit(frame)
    for use in (fitted.inspect, Inspector("mahalanobis").fit):
        with pytest.raises(DataError, match="table: has no row; give one or more"):
            use(frame.head(0))
        with pytest.raises(DataError, match="column 'a' holds several values in each row"):
            use(frame.with_columns(polars.struct("b", "c").alias("a")))
        with pytest.raises(DataError, match=r"Table is no data frame; make it one \(\.to_pandas\(\)\)"):
            use(Table())


class Table:
    """What a table of Arrow's has."""

    column_names = ("a", "b", "c")

    def to_pandas(self) -> None:
        """The frame."""


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch calls both old, or unfinished
def test_tensors_of_other_makes_are_refused() -> None:
    quantised = torch.quantize_per_tensor(torch.tensor(ROWS).float(), 0.1, 0, torch.quint8)
    nested = torch.nested.nested_tensor([torch.zeros(3), torch.zeros(2)])
    for tensor in (quantised, nested):
        with pytest.raises(DataError, match=r"the tensor is quantised or nested; give plain ones \(\.dequantize"):
            Inspector("mahalanobis").fit(tensor)


def test_rows_are_named_by_the_index_of_a_pandas_frame() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame(ROWS, columns=list("abc"), index=[f"P{number}" for number in range(120)])
    found = Inspector("mahalanobis").fit(frame).inspect(frame[40:42])
    assert [verdict.name for verdict in found] == ["P40", "P41"]
    with pytest.raises(DataError, match="several columns are called 'a'"):
        open_source(pandas.DataFrame(ROWS, columns=["a", "a", "b"]))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "NoneType is nothing that data can be read from"),
        ({"a": [1.0]}, "dict is nothing"),
        ([{"a": 1.0}], "item 0 of the list is dict"),
        (["a.png", 3], "item 1 of the list is int, and item 0 is str"),
        ([], "the list of data is empty"),
        ("", "the path is empty"),
        (np.ma.masked_array(ROWS, ROWS > 100), "values of the array are masked"),
        ([np.ma.masked_array(ROWS, ROWS > 100)], "values of item 0 are masked"),
        (np.zeros((9, 2), "datetime64[s]"), "values of type datetime64"),
        (ROWS + 1j, "Complex data not supported"),
        (ROWS.view(np.matrix), r"matrices are not read; give an array \(numpy\.asarray\)"),
        ("~nobody/parts", "~nobody/parts: there is no such file or folder"),
        (ROWS[0], r"shape \(3,\); Reshape your data"),
        ([["a"], ["b"]], "could not convert string to float: 'a'"),
        (
            DataLoader(TensorDataset(torch.zeros(9, 1, 8, 8))),
            r"DataLoader is nothing .*; give its data set \(\.dataset",
        ),
        (Image.new("L", (8, 8)), "Image is nothing that data can be read from; put it in a list"),
        (BytesIO(b"P5 1 1 255 0"), "BytesIO is nothing that data can be read from; give the path of the file"),
        ((torch.zeros(9, 1, 8, 8), torch.zeros(9)), r"item 1 of the list has shape \(9,\), and item 0 \(9, 1, 8, 8\)"),
        (np.array(["a.png", "b.png"]), r"holds no numbers; give files, .* as a list \(\.tolist"),
        (np.array([Path("a.png"), "b.png"]), "holds no numbers"),
        ("https://example.org/a.png", r"https://example\.org/a\.png: is an address, and none is fetched"),
        ("parts/*.png", r"parts/\*\.png: there is no such file or folder; for a pattern, give the folder or a list"),
    ],
    ids=lambda value: (
        value if isinstance(value, str) else type(value).__name__
    ),  # no address, which workers do not share
)
def test_what_is_no_data_is_named_in_one_line(data: Any, said: str) -> None:
    for use in (Inspector("mahalanobis").fit, Inspector("mahalanobis").fit(ROWS).inspect):
        with pytest.raises(ValueError, match=said) as refused:
            use(data)
        assert type(refused.value).__module__ == "hizumi.errors"
        assert "\n" not in str(refused.value)
