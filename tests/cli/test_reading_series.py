"""How later recordings are to be read is said to `hizumi inspect`, to following, and to the runtime without torch."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.main import get_command

from hizumi.cli import app
from hizumi.runtime.command import main, parser

STEPS = 300


def table(path: Path, values: np.ndarray, times: Sequence[str], heading: str = "time,a") -> Path:
    rows = zip(times, values, strict=True)
    path.write_text(f"{heading}\n" + "".join(f"{time},{value:.5f}\n" for time, value in rows))
    return path


def stamps(steps: Sequence[int], form: str = "2026-02-01T%02d:%02d:%02d") -> list[str]:
    return [form % (step // 360, step // 6 % 60, 10 * step % 60) for step in steps]


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle that has learned a row every ten seconds, the same exported, and later recordings."""
    from hizumi import Inspector
    from hizumi.data.series.options import SeriesOptions
    from hizumi.export import export
    from hizumi.inspection import save

    folder = tmp_path_factory.mktemp("line")
    values = np.random.default_rng(0).normal(size=3 * STEPS)
    learned = table(folder / "learned.csv", values, stamps(range(3 * STEPS)))
    inspector = Inspector("mahalanobis", series=SeriesOptions(length=16), false_alarm_rate=0.2).fit(learned)
    save(inspector, folder / "line.hizumi")
    export(inspector, folder / "line.onnx.hizumi", data=learned)
    later = np.random.default_rng(1).normal(size=STEPS)
    table(folder / "whole.csv", later, stamps(range(STEPS)))
    table(folder / "words.csv", later, ["noon"] * STEPS)
    table(folder / "dates.csv", later, stamps(range(STEPS), "01/02/2026 %02d:%02d:%02d"))
    table(folder / "uneven.csv", later, stamps([step + 60 * (step // 10) for step in range(STEPS)]))
    turns = [f"{stamp},{'AB'[step % 2]}" for step, stamp in enumerate(stamps([step // 2 for step in range(STEPS)]))]
    table(folder / "turns.csv", later, turns, "time,machine,a")
    lacking = (folder / "whole.csv").read_text().splitlines()
    lacking[50] = lacking[50].partition(",")[0] + ","
    (folder / "lacking.csv").write_text("\n".join(lacking) + "\n")
    return folder


CASES = [
    ("words.csv", "--ignore time", "--ignore time"),
    ("dates.csv", "--date-order day or month", "--date-order day"),
    ("uneven.csv", "--ignore the column", "--ignore time"),
    ("turns.csv", "--ignore the column", "--group-column machine"),
    ("lacking.csv", "--missing interpolate", "--missing hold"),
]


@pytest.mark.parametrize(("name", "advice", "taken"), CASES)
def test_advice_on_a_recording_can_be_taken(
    name: str, advice: str, taken: str, line: Path, hizumi: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    refused = hizumi("inspect", line / "line.hizumi", line / name)
    assert refused.code == 2
    assert advice in refused.err
    done = hizumi("inspect", line / "line.hizumi", line / name, *taken.split(), "--csv", "-")
    assert done.code == 0, done.err
    exported, path = str(line / "line.onnx.hizumi"), str(line / name)
    assert main([exported, path]) == 2
    assert advice in capsys.readouterr().err
    assert main([exported, path, *taken.split(), "-o", "-"]) == 0
    by_runtime = capsys.readouterr().out.splitlines()
    assert [row.split(",")[:2] for row in by_runtime] == [row.split(",")[:2] for row in done.out.splitlines()]


def test_the_runtime_reads_by_the_options_of_inspect() -> None:
    command: Any = get_command(app.app)
    of_inspect = [each for each in command.commands["inspect"].params if each.rich_help_panel == "Time series"]
    reading = {each.opts[0] for each in of_inspect} - {"--follow", "--adaptive"} | {"--channels", "--no-recursive"}
    of_runtime = {option for action in parser()._actions for option in action.option_strings}
    assert len(reading) == 8
    assert reading <= of_runtime


def test_a_recording_that_is_followed_is_read_as_is_said(
    line: Path, hizumi: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hizumi.data.series import growing

    monkeypatch.setattr(growing, "growing_text", lambda path: iter([path.read_text()]))
    follow = ["inspect", line / "line.hizumi", "--follow"]
    unread = hizumi(*follow, line / "words.csv")
    assert "leave the column out (--ignore time)" in " ".join(unread.out.split())
    assert " 0 rows." in unread.out
    assert f" {STEPS} rows." in hizumi(*follow, line / "words.csv", "--ignore", "time").out
    for option, fault in (("--ignore=tine", "does not name tine once"), ("--ignore=a", "'a' was learned from")):
        wrong = hizumi(*follow, line / "words.csv", option)
        assert wrong.code == 2
        assert fault in wrong.err
    turns = hizumi(*follow, line / "turns.csv", "--group-column", "machine")
    assert "line 3 is of 'B', and those before it of 'A'" in " ".join(turns.out.split())


def test_what_is_for_series_is_refused_for_images(bundle: Path, hizumi: Callable[..., Any]) -> None:
    for option in ("--missing=hold", "--ignore=time", "--date-order=day"):
        refused = hizumi("inspect", bundle, bundle.parent, option)
        assert refused.code == 2
        assert f"{option.partition('=')[0]} is for time series; leave it out" in refused.err
