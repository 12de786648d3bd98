"""Tables in terminals of any width."""

import io

import pytest
from rich.console import Console

from hizumi.cli.console import print_table

LONG = "a_kind_of_defect_that_was_named_by_a_database_and_that_nobody_will_ever_shorten_because_reports_go_by_it"
COLUMNS = ["Kind", ">Count", ">Defects found", ">AUROC", "Remark"]
ROWS = [["crack", 5, "100.0%", "0.940", "95%: 0.834 - 0.998; chance 0.500"], [LONG, 12345, "33.3%", "0.967", ""]]


def printed(width: int, rows: list[list[object]]) -> list[str]:
    file = io.StringIO()
    print_table(Console(file=file, width=width, force_terminal=False), COLUMNS, rows, "title")
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, 200])
def test_no_number_is_broken_however_narrow_the_terminal(width: int) -> None:
    text = [line.split() for line in printed(width, ROWS)]
    for numbers in (["5", "100.0%", "0.940"], ["12345", "33.3%", "0.967"]):
        assert any(" ".join(numbers) in " ".join(words) for words in text)
    assert LONG.startswith(next(words[0] for words in text if "12345" in words)), "names are folded, and none is cut"


def test_what_fits_stays_in_one_line_and_within_the_terminal() -> None:
    assert [line.split() for line in printed(80, ROWS[:1]) if "crack" in line] == [
        ["crack", "5", "100.0%", "0.940", "95%:", "0.834", "-", "0.998;", "chance", "0.500"]
    ]
    for width in (60, 80, 120):
        assert max(map(len, printed(width, ROWS))) <= width
    narrow = printed(50, [["crack", 5, "100.0%", "0.940", ""]])
    assert any("Defects found" in line for line in narrow), "headings, too, break for want of room alone"
