"""What only a socket shows: slow and false clients, many connections, and an end that loses nothing."""

import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from hizumi.station.log import Log
from tests.serving.conftest import Process
from tests.serving.hostile import MEBIBYTE, ended_with_pictures_in_flight, harm_by_clients


def test_slow_and_false_clients_harm_nobody(start: Callable[[], Process]) -> None:
    harm = harm_by_clients(start())
    assert harm.seconds < 1
    assert all(400 <= status < 500 for status in harm.statuses), harm.statuses
    assert harm.statuses[-2:] == (413, 400)
    assert harm.grown_bytes <= 32 * MEBIBYTE


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_nothing_that_was_sent_before_the_end_is_lost(
    start: Callable[[], Process], tmp_path: Path, rounds: int, by: signal.Signals
) -> None:
    answered: list[str] = []
    for _ in range(rounds):
        lost, ids = ended_with_pictures_in_flight(start(), 30, by)
        assert lost == 0
        answered += ids
    with closing(Log.open(f"sqlite:///{tmp_path / 'st' / 'station.sqlite'}")) as log:
        assert all(log.entry(each) is not None for each in answered)
