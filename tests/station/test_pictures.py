"""Pictures lie under their hashes, nothing leaves their folder, and retention removes what it should and no more."""

import errno
import hashlib
import os
import shutil
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from hizumi.errors import DataError, SaveError, UsageError
from hizumi.station import Entry
from hizumi.station.log import Log, Review
from hizumi.station.pictures import Pictures
from hizumi.station.retention import Retention, prune
from tests.station.entries import START, entry

NOW = START + timedelta(days=10)


def test_a_content_lies_once_under_its_hash(tmp_path: Path) -> None:
    pictures = Pictures(tmp_path / "pictures")
    key = pictures.keep(b"abc")
    assert key == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-4
    assert pictures.keep(b"abc") == key
    assert (tmp_path / "pictures" / "ba" / "78" / key).read_bytes() == b"abc"
    assert pictures.keep(b"abc", ".png") == f"{key}.png"
    assert sorted(pictures.keys()) == [key, f"{key}.png"]
    assert pictures.read("0" * 64) is None


def test_no_key_leaves_the_folder(tmp_path: Path) -> None:
    root = tmp_path / "pictures"
    pictures = Pictures(root)
    key = pictures.keep(b"abc")
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    os.utime(secret, (0, 0))
    hostile = [
        "../secret", "..", "", "/", str(secret), f"../../../{secret.name}", f"{key}/../../../../secret", f"{key}\0",
        f"{key}\n", f"{key}./../x", f"{key}.png/..", "ba/78/../../../secret", "%2e%2e/secret", key.upper(), key[:63],
        f"{key}.PNG", f"{key}..", "٠" * 64, f"{key}.png\n", "a" * 64 + "/" + "b" * 10,
    ]  # fmt: skip
    for each in hostile:
        assert pictures.read(each) is None
        assert pictures.size_bytes(each) == 0
        assert pictures.remove([each], NOW) == (0, 0)
    for suffix in ("/../../x", ".p/g", "..", ".png.png"):
        with pytest.raises(DataError, match="suffixes"):
            pictures.keep(b"abc", suffix)
    assert secret.read_bytes() == b"secret"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pictures", "secret"]


def test_a_picture_of_another_user_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = Pictures(tmp_path)
    key = pictures.keep(b"abc")

    def not_ours(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    before = (tmp_path / "ba" / "78" / key).stat().st_ino
    with monkeypatch.context() as patched:
        patched.setattr(os, "utime", not_ours)
        assert pictures.keep(b"abc") == key
    assert (tmp_path / "ba" / "78" / key).stat().st_ino != before
    assert pictures.read(key) == b"abc"
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", not_ours)
        with pytest.raises(SaveError, match="could not be removed: operation not permitted"):
            pictures.remove([key], datetime.now(UTC) + timedelta(days=1))


def test_a_damaged_picture_is_not_shown(tmp_path: Path) -> None:
    pictures = Pictures(tmp_path)
    key = pictures.keep(b"abc")
    (tmp_path / key[:2] / key[2:4] / key).write_bytes(b"abd")
    with pytest.raises(DataError, match=f"{key[:12]} was damaged") as caught:
        pictures.read(key)
    assert str(tmp_path) not in str(caught.value)


def test_a_full_disk_is_one_line_without_a_path_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    pictures = Pictures(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(SaveError) as caught:
            pictures.keep(b"abc")
    assert str(caught.value) == "a picture could not be kept: no space left on device; free space for pictures"
    assert list(pictures.keys()) == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert pictures.read(pictures.keep(b"abc")) == b"abc"


def test_a_folder_that_cannot_be_looked_into_is_as_one_that_cannot_be_written(tmp_path: Path) -> None:
    pictures = Pictures(tmp_path)
    key = pictures.keep(b"abc")
    shutil.rmtree(tmp_path / key[:2])
    (tmp_path / key[:2]).write_bytes(b"")  # a file where the folder was
    with pytest.raises(SaveError, match="a picture could not be kept"):
        pictures.keep(b"abc")


class Yard:
    """A log and a folder of pictures in step."""

    def __init__(self, log: Log, root: Path) -> None:
        self.log, self.pictures = log, Pictures(root)

    def fill(self, count: int, seed: int = 0) -> list[Entry]:
        """Some share their picture; each tenth is reviewed, and each eleventh is of the audit sample."""
        random = np.random.default_rng(seed)
        made = []
        for number in range(count):
            picture = bytes([int(random.integers(count // 2))]) * 100
            made.append(
                entry(
                    number,
                    inspected_at=START + timedelta(hours=number),
                    anomalous=[False, False, True, None][int(random.integers(4))],
                    picture_sha256=self.pictures.keep(picture),
                    map_key=self.pictures.keep(bytes(number + 1), ".png") if number % 2 else None,
                    sampled=number % 11 == 0,
                )
            )
        self.log.add(made)
        for each in made[::10]:
            self.log.review(Review(each.id, "good", "ann"))
        for path in self.pictures.root.rglob("*"):
            os.utime(path, (START.timestamp(), START.timestamp()))
        return made

    def check(self) -> list[Entry]:
        """Exactly the pictures of entries that are not pruned are there; gives these entries."""
        entries = list(self.log.every())
        kept = [each for each in entries if each.pruned_at is None]
        named = {key for each in kept for key in (each.picture_sha256, each.map_key) if key}
        assert set(self.pictures.keys()) == named
        return kept


@pytest.fixture
def yard(lite: Log, tmp_path: Path) -> Yard:
    return Yard(lite, tmp_path / "pictures")


def protected(entries: list[Entry]) -> set[str]:
    return {each.id for number, each in enumerate(entries) if number % 10 == 0 or number % 11 == 0}


def test_age_by_verdict(yard: Yard) -> None:
    made = yard.fill(60)
    now = START + timedelta(hours=60)
    pruned = prune(yard.log, yard.pictures, Retention(good_days=1, anomalous_days=2), now)
    limits = {False: timedelta(days=1), True: timedelta(days=2), None: timedelta(days=99)}
    expected = {e.id for e in made if now - e.inspected_at <= limits[e.anomalous]} | protected(made)
    kept = yard.check()
    assert {each.id for each in kept} == expected
    assert pruned.inspections == len(made) - len(expected) > 0
    assert yard.log.count() == len(made), "entries stay"
    gone = yard.log.find(kept=False).entries[0]
    assert gone == replace(next(each for each in made if each.id == gone.id), pruned_at=now)
    (event,) = yard.log.audit()
    assert (event.what, event.details["inspections"]) == ("pictures pruned", pruned.inspections)
    assert prune(yard.log, yard.pictures, Retention(good_days=1, anomalous_days=2), now).inspections == 0


def test_pictures_of_the_last_minutes_stay_however_short_they_are_to_be_kept(yard: Yard) -> None:
    made = yard.fill(60)
    now = max(each.inspected_at for each in made) + timedelta(minutes=1)
    prune(yard.log, yard.pictures, Retention(good_days=0, unjudged_days=0, anomalous_days=0), now)
    fresh = {each.id for each in made if each.inspected_at > now - timedelta(minutes=2)}
    assert fresh
    assert {each.id for each in yard.check()} == fresh | protected(made)


@pytest.mark.parametrize("most", [0, 7, 40])
def test_count_takes_the_oldest_good_ones_first(yard: Yard, most: int) -> None:
    made = yard.fill(60, seed=most)
    prune(yard.log, yard.pictures, Retention(most_pictures=most), NOW)
    free = [each for each in made if each.id not in protected(made)]
    order = sorted(free, key=lambda each: ([False, None, True].index(each.anomalous), each.inspected_at))
    expected = {each.id for each in order[max(0, len(free) - most) :]} | protected(made)
    assert {each.id for each in yard.check()} == expected


@pytest.mark.parametrize("most_bytes", [0, 900, 2500])
def test_bytes_are_kept_to_with_as_few_going_as_need_to(yard: Yard, most_bytes: int) -> None:
    made = yard.fill(60, seed=most_bytes)
    pruned = prune(yard.log, yard.pictures, Retention(most_bytes=most_bytes), NOW)
    kept = yard.check()
    left = sum(map(yard.pictures.size_bytes, yard.pictures.keys()))
    assert pruned.bytes_left == left
    free = [each for each in made if each.id not in protected(made)]
    order = sorted(free, key=lambda each: ([False, None, True].index(each.anomalous), each.inspected_at))
    gone = [each for each in order if each.id not in {other.id for other in kept}]
    assert gone == order[: len(gone)], "out of order"
    assert left <= most_bytes or len(gone) == len(free)
    # Without the last one that went, or any after it, the limit would not have been kept.
    still = Counter(key for each in made if each not in gone[:-1] for key in (each.picture_sha256, each.map_key) if key)
    sizes = {hashlib.sha256(content).hexdigest(): len(content) for content in map(bytes, range(1, 61))}
    total = sum(sizes.get(key[:64], 100) for key in still)
    assert not gone or total > most_bytes


def test_what_no_entry_names_goes_unless_it_is_fresh(yard: Yard) -> None:
    old, fresh = yard.pictures.keep(b"old"), yard.pictures.keep(b"fresh")
    root = yard.pictures.root
    os.utime(root / old[:2] / old[2:4] / old, (NOW.timestamp() - 600,) * 2)
    os.utime(root / fresh[:2] / fresh[2:4] / fresh, (NOW.timestamp() - 10,) * 2)
    prune(yard.log, yard.pictures, Retention(), NOW)
    assert list(yard.pictures.keys()) == [fresh]


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(UsageError, match="good_days is -1"):
        Retention(good_days=-1)
    with pytest.raises(UsageError, match="good_days is nan"):
        Retention(good_days=float("nan"))
