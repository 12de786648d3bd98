"""Ids sort in the order in which they were made."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from hizumi.station.ids import Ids


def test_ids_are_uuids_of_version_7_that_say_when_they_were_made() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(Ids().new())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000


def test_ids_of_several_threads_are_all_different_and_in_the_order_of_each() -> None:
    ids = Ids()
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: [ids.new() for _ in range(2000)], range(4)))
    assert all(each == sorted(each) for each in made)
    assert len({one for each in made for one in each}) == 8000


def test_a_clock_that_is_set_back_changes_no_order(monkeypatch: pytest.MonkeyPatch) -> None:
    ids, started = Ids(), Ids()
    moments = iter([5_000_000_000, 5_000_000_000, 1_000_000_000, 2_000_000_000, 9_000_000_000])
    monkeypatch.setattr(time, "time_ns", lambda: next(moments, 3_000_000_000))
    made = [ids.new() for _ in range(5)]
    assert made == sorted(made)
    assert [int(each[:12], 16) for each in made] == [5000, 5000, 5000, 5000, 9000]
    started.follow(made[-1])
    assert started.new() > made[-1]
