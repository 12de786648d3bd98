"""Stations killed at any moment: files that come get one entry each, and deliveries are repeated by one key."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from hizumi.station.log import Log
from tests.station.test_folder_crash import killed_while_files_come
from tests.station.test_outbox import killed_before_marks
from tests.station.test_views_crash import VIEWS, killed_while_views_come

KILLS = 20


@pytest.mark.parametrize("after", ["move", "leave", "delete"])
def test_files_of_a_watched_folder(after: str, tmp_path: Path, catalogue: Callable[..., None]) -> None:
    written, found, left = killed_while_files_come(tmp_path, KILLS, after)
    lost, doubled = len(set(written) - set(found)), sum(count - 1 for count in found.values())
    astray = len(left ^ set(written)) if after == "leave" else len(left)
    catalogue(
        f"kill -9 of a station {KILLS} times while {len(written)} files come into its watched folder: {after}",
        f"{lost} lost, {doubled} with a second entry, {astray} not where they belong",
        mark="0, 0, 0",
        holds=lost == doubled == astray == 0,
    )


def test_parts_that_wait_for_views(tmp_path: Path, catalogue: Callable[..., None]) -> None:
    parts, told = killed_while_views_come(tmp_path, KILLS)
    verdicts = Counter(each["part"] for each in told)
    whole = sum({view["view"] for view in each["views"]} == set(VIEWS) for each in told)
    lost, doubled = len(set(parts) - set(verdicts)), sum(count - 1 for count in verdicts.values())
    catalogue(
        f"kill -9 of a station {KILLS} times while the views of {len(parts)} parts come in any order",
        f"{lost} parts without a verdict, {doubled} with a second one, {whole} of all views",
        mark=f"0, 0, {len(parts)}",
        holds=lost == doubled == 0 and whole == len(parts),
    )


def test_deliveries_of_the_outbox(tmp_path: Path, catalogue: Callable[..., None]) -> None:
    log = Log.open(f"sqlite:///{tmp_path / 'log.db'}")
    fatal = set(range(1, 3 * KILLS, 3))
    arrived = killed_before_marks(log, tmp_path, 3 * KILLS, fatal)
    log.close()
    expected = Counter({number: 1 + (number in fatal) for number in range(3 * KILLS)})
    catalogue(
        f"kill -9 of a station's outbox {KILLS} times between delivery and mark, {3 * KILLS} deliveries to a webhook",
        f"{len(set(expected) - set(arrived))} lost, {sum(count == 2 for count in arrived.values())} twice with one key",
        mark=f"0, {KILLS}",
        holds=arrived == expected,
    )
