"""Tables as the world writes them: what is read, what is said, what is refused; expected numbers are written out."""

import bz2
import gzip
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hizumi.data import Manifest, Store, open_source
from hizumi.data.cells import read_cells
from hizumi.data.columns import TableForm
from hizumi.data.scaling import FAR, Scaler
from hizumi.errors import DataError, UsageError
from hizumi.preprocessing.choosing import split_for_fit

ROWS = [[0.1257, -2.0], [3.5, 40.25], [7.0, 1e-3]]


class Frame:
    """As much of a pandas table as is used of one."""

    def __init__(self, columns: dict[str, Any], index: list[Any] | None = None) -> None:
        self.of_name = {name: np.asarray(values) for name, values in columns.items()}
        self.columns = list(columns)
        self.index = range(len(self)) if index is None else index

    def __len__(self) -> int:
        return len(next(iter(self.of_name.values())))

    def __getitem__(self, name: str) -> np.ndarray:
        return self.of_name[name]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.stack(list(self.of_name.values()), axis=1).astype(dtype)


def opened(folder: Path, text: str, name: str = "t.csv", **options: Any) -> Manifest:
    (folder / name).write_text(text)
    return open_source(folder / name, **options)


def numbers(manifest: Manifest) -> list[list[float]]:
    assert manifest.arrays is not None
    return manifest.arrays.tolist()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", b"a,b\n0.1257,-2\n3.5,40.25\n7,1e-3\n"),
        ("t.csv", b'a;b\r\n0,1257;-2\r\n3,5;40,25\r\n"7";1,0e-3\r\n'),
        ("t.csv", b"0,1257;-2\n3,5;40,25\n7;0,001\n"),
        ("t.tsv", b"a\tb\n0.1257\t-2\n3.5\t40.25\n7\t1e-3\n"),
        ("t.csv", b"a|b\n0.1257|-2\n3.5|40.25\n7|1e-3\n"),
        ("t.csv", b"a b\n0.1257  -2\n 3.5 40.25\n7\t1e-3\n"),
        ("t.csv", b'"a", "b"\n"0.1257", "-2"\n3.5, 40.25\n7, 1e-3\n'),
        ("t.csv", b"# made by a logger, 2024\n# in metres\na,b\n0.1257,-2\n# pause\n3.5,40.25\n7,1e-3\n"),
        ("t.csv", b"# a b\n0.1257 -2\n3.5 40.25\n7 1e-3\n"),
        ("t.csv", b"0.1257,-2\n3.5,40.25\n7,1e-3\n"),
        ("t.csv", b"sep=;\r\na;b\r\n0,1257;-2\r\n3,5;40,25\r\n7;0,001\r\n"),
        ("t.csv", "\ufeffa,b\n0.1257,-2\n3.5,40.25\n7,1e-3\n".encode()),
        ("t.csv", "a\tb\n0,1257\t-2\n3,5\t40,25\n7\t0,001\n".encode("utf-16")),
        ("t.csv.gz", gzip.compress(b"a,b\n0.1257,-2\n3.5,40.25\n7,1e-3\n", mtime=0)),
        ("T.CSV", b"a,b\n\n0.1257,-2\n   \n3.5,40.25\n7,1e-3"),
    ],
    ids=str,
)
def test_the_same_numbers_however_they_are_written(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    manifest = open_source(tmp_path / name)
    assert numbers(manifest) == ROWS
    assert manifest.columns in (("a", "b"), ("column 1", "column 2"))


def test_what_was_assumed_is_said(tmp_path: Path) -> None:
    assert "decimal comma" in " ".join(opened(tmp_path, "a;b\n0,5;1\n").notes)
    assert "not a heading" in " ".join(opened(tmp_path, "1,2\n3,4\n").notes)
    assert "begin with #: 1" in " ".join(opened(tmp_path, "a,b\n1,2\n#3,4\n5,6\n").notes)
    with pytest.raises(DataError, match="no line below it but comments, which begin with #"):
        opened(tmp_path, "part,a\n#1,2\n#2,3\n")


@pytest.mark.parametrize("wrong", ["#DIV/0!", "#WERT!", "#NAME?", '"#REF!"'])
def test_errors_of_spreadsheets_are_no_comments(wrong: str, tmp_path: Path) -> None:
    for text in (f"a,b\n1,2\n{wrong},4\n5,6\n", f"a,b\n{wrong},4\n1,2\n5,6\n"):
        with pytest.raises(DataError, match="column 'a'"):
            opened(tmp_path, text)
    for missing in ("#N/A", "#NV"):
        assert np.isnan(numbers(opened(tmp_path, f"a,b\n1,2\n{missing},4\n5,6\n"))[1][0])


@pytest.mark.parametrize(
    "text", ["a,b\n1,2,\n3,4,\n", "a,b\n1,2,,,\n,,,,\n3,4\n", "a\tb\n1\t2\t\n3\t4\t \n", "a,b,\n1,2\n3,4\n"]
)
def test_separators_that_end_lines_or_the_heading_alone(text: str, tmp_path: Path) -> None:
    manifest = opened(tmp_path, text)
    assert manifest.columns == ("a", "b")
    assert numbers(manifest) == [[1, 2], [3, 4]]
    ended = sum(len(line) > 3 and line != ",,,," for line in text.splitlines()[1:])
    said = (f"lines that end in a separator more than the heading, with nothing behind it: {ended}",) if ended else ()
    assert manifest.notes == said


def test_words_for_missing_true_and_false(tmp_path: Path) -> None:
    manifest = opened(tmp_path, "a,b\nNA,True\nnull,FALSE\nNone,true\n?,n/a\n1,false\n")
    np.testing.assert_array_equal(manifest.arrays, [[np.nan, 1], [np.nan, 0], [np.nan, 1], [np.nan, np.nan], [1, 0]])
    with pytest.raises(DataError, match=r"line 2, 'a' is NaN.*--impute"):
        Store.build(manifest, None)


def test_true_and_false_that_are_read_as_numbers_are_said(tmp_path: Path) -> None:
    said = "'a': true and false are read as 1 and 0"
    text = "a,b,label\n TRUE,2,false\nFalse,3,true\n,4,false\n"
    learned = opened(tmp_path, text)
    assert learned.notes == (said,)
    np.testing.assert_array_equal(learned.arrays, [[1, 2], [0, 3], [np.nan, 4]])
    assert open_source(Frame({"a": np.array([True, None, False], dtype=object), "b": [1, 2, 3]})).notes == (said,)
    assert open_source(Frame({"a": [True, False], "b": [1, 2]})).notes == ()
    numeric = opened(tmp_path, "a,b\n0.5,2\n7,3\n")
    later = tmp_path / "later.csv"
    later.write_text("a,b\nTRUE,2\n")
    assert open_source(later, table=numeric.table).notes == (said,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n0.5,2\nTRUE,3\n", r"line 3, column 'a': 'TRUE' is not a number"),
        ('a,b\n"1,234",2\n5,6\n', "'1,234' is not a number"),  # grouped digits, or a decimal comma
        ("a;b\n1.5;1,234\n5;6\n", "'1,234' is not a number"),
        ("a,b\n1_000,2\n", "'1_000' is not a number"),
        ("a,a\n1,2\n", "several columns are called 'a'"),
        ("speed,colour\n1,red\n2,blue\n", r"line 2, column 'colour': 'red' .*--ignore colour.*--one-hot"),
    ],
)
def test_what_could_mean_two_things_is_refused(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=words) as error:
        opened(tmp_path, text)
    assert "\n" not in str(error.value)


def test_a_damaged_gzip_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 999)[:-20])
    with pytest.raises(DataError, match="damaged or cut short"):
        open_source(tmp_path / "t.csv.gz")


@pytest.mark.parametrize("heading", ["", "Unnamed: 0", "index", "ID"])
def test_a_column_that_numbers_the_rows_is_left_out(heading: str, tmp_path: Path) -> None:
    lines = [f"{row},{row * 0.5},{row % 3}" for row in range(7, 27)]
    manifest = opened(tmp_path, "\n".join([f"{heading},a,b", *lines]))
    assert manifest.columns == ("a", "b")
    assert "numbers or names the rows" in manifest.notes[0]


def test_a_counter_under_another_name_is_kept_and_said(tmp_path: Path) -> None:
    manifest = opened(tmp_path, "\n".join(["seconds,a", *(f"{row},{row % 3}" for row in range(20))]))
    assert manifest.columns == ("seconds", "a")
    assert "--ignore seconds" in manifest.notes[0]


def test_a_column_that_rises_throughout_is_kept_and_said(tmp_path: Path) -> None:
    uneven = np.cumsum(np.random.default_rng(0).integers(1, 9, 20))
    lines = ["stamp,meter,a", *(f"{1769889600 + 7 * row},{total},{row % 3}" for row, total in enumerate(uneven))]
    manifest = opened(tmp_path, "\n".join(lines))
    assert manifest.columns == ("stamp", "meter", "a")
    assert [note.partition(", so that")[0] for note in manifest.notes] == [
        "column 'stamp' rises from row to row",
        "column 'meter' rises from row to row",
    ]
    assert opened(tmp_path, "\n".join(line.partition(",")[2] for line in lines[:9])).notes == (), "too few to tell"


def test_rows_are_named(tmp_path: Path) -> None:
    def names(manifest: Manifest) -> list[str]:
        return [record.name for record in manifest.records]

    text = "part,a\nA7,1\nB2,2\nA7,3\n,4\n"
    assert names(opened(tmp_path, text, id_column="part")) == ["A7", "B2", "A7 (2)", "line 5"]
    taken = "part,a\nA,1\nA,2\nA (2),3\nA,4\n"
    assert names(opened(tmp_path, taken, id_column="part")) == ["A", "A (3)", "A (2)", "A (4)"]
    assert names(opened(tmp_path, ",a\nx,1\ny,2.5\n")) == ["x", "y"]
    assert names(open_source(Frame({"a": [1.0, 2]}, ["left", "right"]))) == ["left", "right"]
    assert names(open_source(Frame({"a": [1.0, 2]}))) == ["row 0", "row 1"]


def test_names_of_digits_stay_as_they_are_written(tmp_path: Path) -> None:
    digits = ["007", "7", "12345678901234567890", "12345678901234567891", "1e5"]
    text = "\n".join(["part,group,a", *(f"{each},{each},{row}.5" for row, each in enumerate(digits)), ",,9"])
    records = opened(tmp_path, text, id_column="part").records
    assert [record.name for record in records] == [*digits, "line 7"]
    assert [record.group for record in records] == [*digits, None]
    big = np.array([2**62 + 1, 2**62 + 2])
    named = open_source(Frame({"part": big, "a": [1.0, 2]}), id_column="part").records
    assert [record.name for record in named] == ["4611686018427387905", "4611686018427387906"]


def test_numbers_may_be_names_of_columns_beside_a_word(tmp_path: Path) -> None:
    spectra = opened(tmp_path, "depth,400,402.5\n1,0.5,0.25\n3,0.5,0.75\n")
    assert spectra.columns == ("depth", "400", "402.5")
    assert numbers(spectra) == [[1, 0.5, 0.25], [3, 0.5, 0.75]]
    assert spectra.notes == ("the first line is taken for the heading, since a word stands over numbers in it",)
    named = opened(tmp_path, "A1,2,3\nB7,4,5\n", ignore="column 1")
    assert numbers(named) == [[2, 3], [4, 5]], "words stand over words, too, where there is no heading"


def test_which_columns_are_learned_from(tmp_path: Path) -> None:
    text = "a,note,b,c\n1,fine,2,3\n4,odd,5,6\n"
    assert opened(tmp_path, text, ignore="note, b").columns == ("a", "c")
    assert opened(tmp_path, text, columns=["c", "a"]).columns == ("a", "c")
    with pytest.raises(UsageError, match=r"no column 'nots' \(ignore\); did you mean 'note'"):
        opened(tmp_path, text, ignore="nots")


def test_a_table_of_time_stamps_may_be_a_series(tmp_path: Path) -> None:
    for cells, advice in (
        (("2026-01-31 09:00", "2026-01-31 09:10"), "say that rows are steps .*--series"),
        ("xy", "hot"),
    ):
        with pytest.raises(DataError, match=rf"line 2, column 'when': .* \(--ignore when\), or .*{advice}"):
            opened(tmp_path, f"when,a\n{cells[0]},1\n{cells[1]},2\n")


@pytest.mark.parametrize("unit", ["Y", "M", "D"])
def test_periods_are_times_and_no_numbers(unit: str) -> None:
    frame = pd.DataFrame({"year": pd.period_range("1960-01-01", periods=9, freq=unit), "a": np.arange(9) ** 2})
    with pytest.raises(DataError, match=r"row 0, column 'year': '1960-01-01 00:00:00' .*--series"):
        open_source(frame)
    assert open_source(frame, ignore="year").columns == ("a",)


def test_labels_can_be_ignored_and_empty_columns_are(tmp_path: Path) -> None:
    manifest = opened(tmp_path, "label,a,b,\ngut,1,,\nschlecht,2,,\n", ignore="label")
    assert manifest.columns == ("a",)
    assert [record.label for record in manifest.records] == [0, 0]
    assert manifest.notes[0] == "column 'b' is empty and is left out"


def test_words_become_numbers(tmp_path: Path) -> None:
    manifest = opened(tmp_path, "a,colour\n1,red\n2,blue\n3,NA\n", one_hot=True)
    assert manifest.columns == ("a", "colour=blue", "colour=red", "colour=other")
    assert numbers(manifest) == [[1, 0, 1, 0], [2, 1, 0, 0], [3, 0, 0, 1]]
    new = opened(tmp_path, "colour,a\ngreen,9\nred,8\n", table=manifest.table)
    assert numbers(new) == [[9, 0, 0, 1], [8, 0, 1, 0]]
    mixed = opened(tmp_path, "v,w,a\n1.10,true,1\n007,true,2\n2.0-b,maybe,3\n", one_hot=True)
    assert numbers(mixed) == [[0, 1, 0, 0, 0, 1, 0, 1], [1, 0, 0, 0, 0, 1, 0, 2], [0, 0, 1, 0, 1, 0, 0, 3]]
    for row in ("1.10,true,1", "007,true,2"):  # alone, they look like numbers and truths
        alone = opened(tmp_path, f"v,w,a\n{row}\n", table=mixed.table)
        assert (numbers(alone)[0] in numbers(mixed), alone.notes) == (True, ())
    with pytest.raises(DataError, match="101 different words"):
        opened(tmp_path, "\n".join(["a,w", *(f"1,w{row}" for row in range(101))]), one_hot=True)


def test_missing_numbers_become_the_mean_and_are_marked(tmp_path: Path) -> None:
    manifest = opened(tmp_path, "a,b\n1,2\nNA,4\n5,9\n", impute=True)
    assert manifest.columns == ("a", "a is missing", "b")
    store = Store.build(manifest, None)
    batch = store.batch(range(3)).numpy()
    np.testing.assert_allclose(batch[:, 0], [-1, 0, 1])  # mean 3, deviation 2
    np.testing.assert_allclose(batch[:, 1], (np.array([0, 1, 0]) - 1 / 3) / np.sqrt(2 / 9), rtol=1e-6)


LABELLED = "a,class\n1,BENIGN\n2,DDoS\n3,BENIGN\n4,\n"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["BENIGN", "DDoS", "BENIGN"], "BENIGN, DDoS, and none is known.*--good BENIGN"),
        (["1", "-1", "1"], "1, -1, and none is known.*--good 1"),
        (["0", "1", "2"], "0, 1, 2, and none is known.*--good 0"),
    ],
)
@pytest.mark.parametrize("column", ["label", "class", "y"])
def test_labels_that_do_not_say_what_is_normal(column: str, values: list[str], said: str, tmp_path: Path) -> None:
    text = "\n".join([f"a,{column}", *(f"{row}.5,{value}" for row, value in enumerate(values))])
    with pytest.raises(DataError, match=f"column '{column}' labels rows as {said}.*--ignore {column}"):
        opened(tmp_path, text)
    good = opened(tmp_path, text, good=values[0])
    assert [record.label for record in good.records] == [int(value != values[0]) for value in values]
    assert good.columns == ("a",)


@pytest.mark.parametrize("kinds", [("0", "1", "2"), ("left", "right", "left")])
def test_kinds_that_do_not_tell_good_from_bad_are_asked_for(kinds: tuple[str, ...], tmp_path: Path) -> None:
    text = "\n".join(["a,kind", *(f"{row}.5,{kind}" for row, kind in enumerate(kinds))])
    with pytest.raises(DataError, match=f"column 'kind' labels rows as {kinds[0]}, {kinds[1]}.*--ignore kind"):
        opened(tmp_path, text)
    assert [record.label for record in opened(tmp_path, text, ignore="kind").records] == [0, 0, 0]
    good = opened(tmp_path, text, good=kinds[0])
    assert [record.label for record in good.records] == [int(kind != kinds[0]) for kind in kinds]


def test_columns_that_are_set_apart_by_their_names_are_told(tmp_path: Path) -> None:
    alone = opened(tmp_path, "a,kind\n1.5,good\n2,scratch\n4,good")
    assert "column 'kind' is taken for labels (good, scratch)" in alone.notes[0]
    beside = opened(tmp_path, "a,label,kind,group,split\n1.5,0,x,p1,train\n2,1,y,p2,test")
    assert len(beside.notes) == 1
    assert "say what rows are, and are not learned from: 'kind', 'group', 'split'" in beside.notes[0]


def test_other_columns_than_those_learned_from_are_refused_later(tmp_path: Path) -> None:
    text = "a,b,c,label\n1.5,2,3,good\n2,4,5,good\n4,5,9,bad"
    form = opened(tmp_path, text, columns="b,a").table
    assert opened(tmp_path, text, table=form, columns="a,b", ignore="c").columns == ("a", "b")
    for said in ({"columns": "a"}, {"columns": "a,b,c"}):
        with pytest.raises(UsageError, match=r"learned from are 'a', 'b', and these are read; leave out --columns"):
            opened(tmp_path, text, table=form, **said)
    for said, option in (({"ignore": "b"}, "ignore"), ({"label_column": "a"}, "label-column")):
        with pytest.raises(UsageError, match=f"was learned from, so it is measured; leave it out of --{option}"):
            opened(tmp_path, text, table=form, **said)


def test_good_labels_are_named(tmp_path: Path) -> None:
    manifest = opened(tmp_path, LABELLED.replace("class", "verdict"), label_column="verdict", good=["benign"])
    said = [(record.label, record.kind) for record in manifest.records]
    assert said == [(0, "good"), (1, "DDoS"), (0, "good"), (None, "unlabelled")]
    with pytest.raises(UsageError, match=r"no label is 'fine'; there are BENIGN, DDoS, \(empty\)"):
        opened(tmp_path, LABELLED, good="fine")


@pytest.mark.parametrize(("said", "option"), [({"good": "fine"}, "--good"), ({"normal_class": 1}, "--normal-class")])
def test_what_is_said_of_labels_that_are_not_there_is_no_help(
    said: dict[str, Any], option: str, tmp_path: Path
) -> None:
    manifest = opened(tmp_path, "a,b\n1,2\n3,5\n", **said)
    assert [record.label for record in manifest.records] == [0, 0]
    [note] = manifest.notes
    assert note.startswith(f"no column labels the rows, so that all count as good, whatever {option} says")
    assert len(opened(tmp_path, "a,b,label\n1,2,fine\n3,5,1\n", **said).notes) == 0


def test_a_normal_class_of_a_table(tmp_path: Path) -> None:
    text = "a,label\n1,3\n2,5\n3,3.0\n"
    assert [record.label for record in opened(tmp_path, text, normal_class=3).records] == [0, 1, 0]
    with pytest.raises(UsageError, match="no label is '4'; there are 3, 5"):
        opened(tmp_path, text, normal_class=4)


def test_a_column_like_labels_is_taken_for_them_and_said(tmp_path: Path) -> None:
    manifest = opened(tmp_path, "a,y\n1,0\n2,1\n3,0\n")
    assert [record.label for record in manifest.records] == [0, 1, 0]
    assert "column 'y' is taken for labels (0, 1)" in manifest.notes[0]
    assert opened(tmp_path, "a,y\n1,0\n2,1\n3,0\n", columns="a,y").columns == ("a", "y")
    assert opened(tmp_path, "x,y\n1,0.5\n2,1.25\n").columns == ("x", "y")  # coordinates


@pytest.mark.parametrize("word", ["NaN", "NONE", "nan", "NA", "null", "-1.0", ""])
def test_unknown_labels_in_any_spelling(word: str, tmp_path: Path) -> None:
    manifest = opened(tmp_path, f"a,label\n1,good\n2,{word}\n")
    assert (manifest.records[1].label, manifest.records[1].kind) == (None, "unlabelled")


def test_columns_as_they_were_learned_from(tmp_path: Path) -> None:
    form = opened(tmp_path, "a,b,note\n1,2,x\n3,4,y\n", ignore="note").table
    again = opened(tmp_path, "b,extra,a,note\n2,red,1,x\n", table=form)
    assert numbers(again) == [[1, 2]]
    assert "another order" in again.notes[1]
    assert "columns left out, which were not learned from: 'extra'" in again.notes[0]
    with pytest.raises(DataError, match="has no column 'b', which was learned from; instead there is 'B'"):
        opened(tmp_path, "a,B\n1,2\n", table=form)
    by_place = open_source(np.array([[1.0, 2.0]]), table=form)
    assert "order that was learned from" in by_place.notes[0]
    with pytest.raises(DataError, match="3 columns without names, and 2 were learned from: 'a', 'b'"):
        open_source(np.ones((1, 3)), table=form)
    assert form is not None
    assert TableForm.from_dict(form.to_dict()) == form


def test_frames_and_files_are_understood_alike(tmp_path: Path) -> None:
    frame = Frame({"b": [2.0, 4], "w": np.array(["x", None], dtype=object), "a": [True, False], "y": [0, 1]})
    one = open_source(frame, one_hot=True)
    other = opened(tmp_path, "b,w,a,y\n2,x,True,0\n4,,False,1\n", one_hot=True)
    assert one.columns == other.columns
    assert numbers(one) == numbers(other)
    assert [record.label for record in one.records] == [0, 1]


class TestScaler:
    def test_small_differences_far_from_zero_are_kept(self) -> None:
        rows = 1e9 + np.random.default_rng(0).normal(0, 1e-3, (200, 1))
        expected = (rows - 1e9 - (rows - 1e9).mean()) / (rows - 1e9).std()
        np.testing.assert_allclose(Scaler.of(rows).standardise(rows), expected, atol=2e-4)  # doubles: 1e-7 of 1e9

    @pytest.mark.parametrize("constant", [5.0, 0.1, 0.0, 1e6, -1e-9, 1e300])
    def test_any_other_value_than_a_constant_is_far(self, constant: float) -> None:
        scaler = Scaler.of(np.full((300, 1), constant))
        step = 1e-8 * abs(constant) or 1e-30
        new = np.array([[constant], [constant + step], [constant - step]])
        np.testing.assert_allclose(scaler.standardise(new).ravel(), [0, FAR, -FAR], rtol=1e-7)
        np.testing.assert_allclose(scaler.restore(np.array([[0.3]])), constant)

    @pytest.mark.parametrize("constant", [-3.0, 0.0, 1e-30])
    def test_the_farther_from_a_constant_the_farther_it_is(self, constant: float) -> None:
        scaler, unit = Scaler.of(np.full((300, 1), constant)), abs(constant) or 1.0
        above = scaler.standardise(constant + unit * np.array([[1e-6], [0.1], [1.0], [1e6], [1e300]])).ravel()
        below = scaler.standardise(constant - unit * np.array([[1e-6], [0.1], [1.0], [1e6], [1e300]])).ravel()
        np.testing.assert_allclose(above[1:3], [FAR * (1 + np.log(1.1)), FAR * (1 + np.log(2))], rtol=1e-6)
        assert np.isfinite(above).all()
        assert (np.diff([0, *above]) > 0).all()
        np.testing.assert_array_equal(below, -above)

    def test_a_constant_in_single_precision_is_the_same(self) -> None:
        scaler = Scaler.of(np.full((300, 1), 0.1))
        same, other = scaler.standardise(np.array([[0.1], [0.2]], np.float32)).ravel()
        assert same == 0
        assert other == pytest.approx(FAR * (1 + np.log(2)))

    def test_a_constant_with_another_rounding_is_the_same(self) -> None:
        sum_of_two = 0.1 + 0.2
        assert sum_of_two != 0.3
        assert Scaler.of(np.full((300, 1), 0.3)).standardise(np.array([[sum_of_two]])).item() == 0

    def test_numbers_as_large_as_there_are(self) -> None:
        scaled = Scaler.of(np.array([[1e307], [-1e307]])).standardise(np.array([[1e307], [0.0]]))
        np.testing.assert_allclose(scaled.ravel(), [1, 0])

    def test_it_comes_back(self) -> None:
        scaler = Scaler.of(np.array([[1.0, 2], [1, 5]]))
        again = Scaler.from_dict(scaler.to_dict())
        rows = np.array([[3.0, 7]])
        np.testing.assert_array_equal(again.standardise(rows), scaler.standardise(rows))
        assert again.log_volume == pytest.approx(np.log(1.5))


@pytest.mark.parametrize(("column", "option"), [("label", {}), ("Label", {}), ("verdict", {"label_column": "verdict"})])
def test_labels_are_heeded_although_the_table_learned_from_had_none(
    column: str, option: dict[str, str], tmp_path: Path
) -> None:
    form = opened(tmp_path, "a,b\n1,2\n3,4\n").table
    (tmp_path / "test.csv").write_text(f"b,{column},a\n2,good,1\n9,bad,8\n")
    manifest = open_source(tmp_path / "test.csv", table=form, **option)
    assert [record.label for record in manifest.records] == [0, 1]
    assert manifest.arrays.tolist() == [[1, 2], [8, 9]]
    assert not any("left out" in note for note in manifest.notes)
    with pytest.raises(UsageError, match="no column 'verdikt'"):
        open_source(tmp_path / "test.csv", table=form, label_column="verdikt")


@pytest.mark.parametrize("column", ["y", "anomaly", "is_defect", "ground_truth"])
def test_later_columns_that_look_like_labels_are_taken_for_them(column: str, tmp_path: Path) -> None:
    form = opened(tmp_path, "a,b\n1,2\n3,4\n").table
    new = opened(tmp_path, f"a,b,{column}\n1,2,0\n8,9,1\n", table=form)
    assert [record.label for record in new.records] == [0, 1]
    assert new.notes == (f"column '{column}' is taken for labels (0, 1)",)
    for later in (f"a,b,{column}\n1,2,3\n8,9,7\n", f"a,b,{column}\n1,2,0.5\n8,9,1\n"):
        assert [record.label for record in opened(tmp_path, later, table=form).records] == [0, 0]
    left_out = opened(tmp_path, f"a,b,{column}\n1,2,0\n3,4,1\n", ignore=column).table
    known = opened(tmp_path, f"a,b,{column}\n1,2,0\n8,9,1\n", table=left_out)
    assert ([record.label for record in known.records], known.notes) == ([0, 0], ())


@pytest.mark.parametrize("column", ["is_defect", "isFraud", "anomalous", "FAULT", "machine failure", "ground_truth"])
def test_columns_named_for_what_is_bad_are_labels(column: str, tmp_path: Path) -> None:
    lines = [f"a,{column}", *(f"{row}.5,{int(row > 7)}" for row in range(10))]
    manifest = opened(tmp_path, "\n".join(lines))
    assert manifest.columns == ("a",)
    assert [record.label for record in manifest.records] == [0] * 8 + [1] * 2
    assert f"column '{column}' is taken for labels (0, 1); to learn from it" in " ".join(manifest.notes)


@pytest.mark.parametrize("column", ["quality", "c7"])
def test_columns_of_words_for_good_and_bad_are_labels(column: str, tmp_path: Path) -> None:
    lines = [f"a,{column}", *(f"{row}.5,{'NG' if row > 7 else 'ok'}" for row in range(10))]
    manifest = opened(tmp_path, "\n".join(lines))
    assert [(record.label, record.kind) for record in manifest.records] == [(0, "good")] * 8 + [(1, "NG")] * 2


@pytest.mark.parametrize(("column", "good"), [("status", 0), ("passed", 1), ("Normal/Attack", 1)])
def test_columns_that_may_be_labels_are_named(column: str, good: int, tmp_path: Path) -> None:
    lines = [f"a,{column}", *(f"{row}.5,{int(row > 7)}" for row in range(10))]
    manifest = opened(tmp_path, "\n".join(lines))
    assert manifest.columns == ("a", column)
    assert f"if it labels the rows, say --label-column {column} --good {good}" in " ".join(manifest.notes)


def test_a_measurement_called_y_is_learned_from(tmp_path: Path) -> None:
    manifest = opened(tmp_path, "\n".join(["x,y", *(f"{row % 3}.5,{row * row}" for row in range(12))]))
    assert manifest.columns == ("x", "y")


@pytest.mark.parametrize("value", ["-999", "9999", "-3.4e38"])
def test_numbers_that_may_stand_for_missing_ones_are_named(value: str, tmp_path: Path) -> None:
    lines = ["a,b", *(f"{value if row % 5 == 0 else row * 0.25},{row % 7}" for row in range(20))]
    notes = " ".join(opened(tmp_path, "\n".join(lines)).notes)
    assert f"column 'a' is {float(value):.10g} in 4 rows, far from all else" in notes
    assert "column 'b'" not in notes


def test_one_number_alone_may_stand_for_a_missing_one(tmp_path: Path) -> None:
    lines = ["a,b", *(f"{row % 9 * 0.25},{-9999 if row == 7 else row % 7}" for row in range(20))]
    notes = " ".join(opened(tmp_path, "\n".join(lines)).notes)
    assert (
        "column 'b' is -9999 in 1 row, far from all else; if that stands for a missing number, leave its cell" in notes
    )
    assert "column 'a'" not in notes


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("defect_code", ["0", "0", "3", "7"], "holds only 0, 3, 7 .* --label-column defect_code --good 0"),
        ("grade", ["2", "1", "1", "3"], "holds only 1, 2, 3 .* --label-column grade --good 1"),
        ("depth", ["0", "0", "3", "7"], "^$"),
    ],
)
def test_codes_that_may_be_labels_are_named(column: str, values: list[str], said: str, tmp_path: Path) -> None:
    lines = [f"a,{column}", *(f"{row % 3}.5,{value}" for row, value in enumerate(3 * values))]
    assert re.search(said, " ".join(opened(tmp_path, "\n".join(lines)).notes))


def test_what_a_column_of_words_may_be_is_said(tmp_path: Path) -> None:
    for column, words, said in (
        (
            "serial",
            [f"SN{row:03d}" for row in range(12)],
            r"is not a number; leave .*names the rows \(--id-column serial\)",
        ),
        ("mass", [f"{row}.5 g" for row in range(12)], r"write it without units .* \(--one-hot\)"),
        ("defect_type", ["", "", "", "dent"] * 3, r"labels the rows \(--label-column defect_type\)"),
    ):
        with pytest.raises(DataError, match=said):
            opened(tmp_path, "\n".join([f"a,{column}", *(f"{row % 3}.5,{word}" for row, word in enumerate(words))]))


def test_empty_cells_label_good_rows_where_that_is_said(tmp_path: Path) -> None:
    text = "\n".join(
        ["a,defect_type", *(f"{row % 3}.5,{('', 'dent', 'scratch')[max(0, row - 9)]}" for row in range(12))]
    )
    with pytest.raises(DataError, match='say which, as in --good "", or leave'):
        opened(tmp_path, text, label_column="defect_type")
    manifest = opened(tmp_path, text, label_column="defect_type", good="")
    assert [record.label for record in manifest.records] == [0] * 10 + [1] * 2
    with pytest.raises(DataError, match='where rows without a label are good, say --good ""'):
        split_for_fit(opened(tmp_path, text.replace("scratch", "dent"), label_column="defect_type"), 0.2, 0)


def test_later_labels_need_not_hold_a_good_one(tmp_path: Path) -> None:
    fitted = opened(tmp_path, "a,b,state\n1,2,fine1\n3,4,leak\n5,6,fine1\n", label_column="state", good="fine1")
    leaks = opened(tmp_path, "a,b,state\n1,2,leak\n3,4,\n", table=fitted.table)
    assert [record.label for record in leaks.records] == [1, None], "an empty label is none, and not good"
    other = opened(tmp_path, "a,b,state\n1,2,OK\n3,4,leak\n5,6,\n", table=fitted.table)
    assert [record.label for record in other.records] == [0, 1, None], "it says good in words of its own"
    both = opened(tmp_path, "a,b,state\n1,2,OK\n3,4,fine1\n", table=fitted.table)
    assert [record.label for record in both.records] == [1, 0], "what was said of good holds where it is there"


@pytest.mark.parametrize("column", ["label", "Label", "kind"])
@pytest.mark.parametrize("labels", [(0, 1, 2), (1, 2, 1), (1, -1, 1)])
def test_later_numbers_do_not_say_which_is_normal(labels: tuple[int, ...], column: str, tmp_path: Path) -> None:
    form = opened(tmp_path, "a,b\n1,2\n3,4\n").table
    later = f"a,b,{column}\n" + "".join(f"{place},2,{label}\n" for place, label in enumerate(labels))
    with pytest.raises(DataError, match=rf"column '{column}' labels rows as .*; say which is normal"):
        opened(tmp_path, later, table=form)
    known = opened(tmp_path, later, table=form, good="1")
    assert [record.label for record in known.records] == [int(label != 1) for label in labels]
    assert len(opened(tmp_path, later, table=form, layout="unlabelled")) == 3, "to be judged, they need no labels"


@pytest.mark.parametrize("line", ["[mm],[mm],-", "Länge,Breite,Masse"])
def test_a_second_heading_is_refused(line: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 2 holds words where the lines below it hold numbers"):
        opened(tmp_path, f"a,b,c\n{line}\n1,2,3\n4,5,6\n")
    assert len(opened(tmp_path, f"a,b,c\n#{line}\n1,2,3\n4,5,6\n")) == 2


def test_words_for_good_in_german_factories(tmp_path: Path) -> None:
    manifest = opened(tmp_path, "a,Befund\n1,i.O.\n2,n.i.O.\n3,i.O.\n4,i. O.\n")
    assert [record.label for record in manifest.records] == [0, 1, 0, 0]


def test_whole_numbers_that_lose_digits_are_named(tmp_path: Path) -> None:
    lines = ["a,b", *(f"{2**60 + row},{row % 7}" for row in range(20))]
    table = opened(tmp_path, "\n".join(lines))
    array = open_source(np.array([[2**60 + row, row % 7] for row in range(20)]))
    assert "column 'a' holds whole numbers beyond 2^53, whose last digits are lost" in " ".join(table.notes)
    assert "column 0 holds whole numbers beyond 2^53, whose last digits are lost" in " ".join(array.notes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('a,b\n1,2\n"3,4\n5,6\n', "a quotation mark is opened in it or before, and not closed"),
        (f"a,b\n1,2\n{'3' * 200_000},4\n", "look in it and before for a quotation mark"),
        (
            "Made by X\n\na,b\n1,2\n3,4\n5,6\n",
            "has 2 cells, the heading 1, as most lines have; begin what stands above",
        ),
        ("a,b\n1,text" + 999 * " and more" + "\n", "and mor...' is not a number"),
        ("a,b\n1%,2\n3%,4\n", "'1%' is not a number; write it without units and marks between digits"),
    ],
)
def test_why_a_table_cannot_be_read(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(said)):
        opened(tmp_path, text)


@pytest.mark.parametrize(
    ("heading", "encoding", "called"),
    [
        *((word, "cp1252", "Windows-1252") for word in ("Température", "Kälte", "Öl", "T (°C)", "µm", "m²", "écart")),
        *((word, "cp932", "Shift-JIS") for word in ("温度", "A相kW", "R相V", "X軸mm", "ｱﾅﾛｸﾞ1", "ﾓｰﾀｰA", "値")),
    ],
)
def test_an_encoding_is_told_by_what_it_gives_and_noted(
    heading: str, encoding: str, called: str, tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(f"{heading},b\n1,2\n3,4\n".encode(encoding))
    cells = read_cells(path)
    assert cells.names == (heading, "b")
    assert cells.notes == (f"is not UTF-8, and is read as {called}",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1,2\n".encode("utf-16-le"), "neither UTF-8 nor Shift-JIS text"),
        ("a,b\n1,2\n".encode("utf-32"), "neither UTF-8 nor Shift-JIS text"),
        (bz2.compress(b"a,b\n1,2\n"), "is compressed by bzip2, whatever its name says"),
        (b"PK\3\4" + bytes(40), "is a zip archive, as spreadsheets"),
    ],
)
def test_what_is_no_text_table_is_named(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=re.escape(said)):
        open_source(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.txt", b"a,b\n1,2\n", "cannot be opened; where it is a text table, call it .csv; else give an image"),
        (
            "t.xlsx",
            b"PK\3\4" + bytes(40),
            "cannot be opened, it is a zip archive, as spreadsheets (.xlsx) and .npz files",
        ),
        ("t.csv.bz2", bz2.compress(b"a,b\n1,2\n"), "cannot be opened, it is compressed by bzip2; unpack it"),
        ("t.zip", b"PK\3\4" + bytes(40), "(.xlsx) and .npz files are; unpack it, and name the folder or file"),
        ("t.h5", b"\x89HDF\r\n\x1a\n", "cannot be opened, it is an HDF5 file; give an image"),
    ],
)
def test_what_may_be_a_table_and_is_not_read_is_called_what_it_is(
    name: str, content: bytes, said: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=re.escape(said)):
        open_source(tmp_path / name)


def test_western_names_are_read_as_such(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("größe,b\n1,2.5\n3,4.5\n".encode("latin-1"))
    assert open_source(tmp_path / "t.csv").columns == ("größe", "b")
