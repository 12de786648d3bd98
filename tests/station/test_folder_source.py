"""A watched folder: each file is taken once, when it is complete, and put away as asked."""

import asyncio
import errno
import os
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hizumi.errors import RunError
from hizumi.station.entry import Entry
from hizumi.station.sources import Arrival, source_from
from hizumi.station.sources.folder import FolderSource
from hizumi.station.sources.watching import Watch
from hizumi.storage.files import move_beside

LONGEST_SECONDS = 10.0


class Memory:
    """What the log knows of files: an independent and simple one."""

    def __init__(self) -> None:
        self.ids: dict[tuple[str, str], str] = {}

    def taken_for(self, source: str, key: str) -> str | None:
        return self.ids.get((source, key))


def entry_of(arrival: Arrival) -> Entry:
    return Entry("recipe", arrival.name, "0" * 64, "0" * 64, False, source=arrival.source)


def made(path: Path, memory: Memory, **keys: Any) -> FolderSource:
    table = {"kind": "folder", "path": str(path), "settle_seconds": 0.1, **keys}
    source = source_from(table, taken_for=memory.taken_for)
    assert isinstance(source, FolderSource)
    return source


async def judged(
    source: FolderSource, memory: Memory, count: int, meanwhile: Sequence[Callable[[], object]] = (), rest: float = 0.4
) -> list[Arrival]:
    """So many arrivals, each entered into the log, with something done after each; then none during a rest."""
    arrivals: list[Arrival] = []

    async def judge() -> None:
        async for arrival in source.arrivals():
            memory.ids[arrival.source, str(arrival.key)] = "id"
            await source.done(arrival, entry_of(arrival))
            arrivals.append(arrival)
            if len(arrivals) <= len(meanwhile):
                meanwhile[len(arrivals) - 1]()

    task = asyncio.create_task(judge())
    began = time.monotonic()
    while len(arrivals) < count and time.monotonic() - began < LONGEST_SECONDS and not task.done():
        await asyncio.sleep(0.01)
    await asyncio.sleep(rest)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(arrivals) == count, [arrival.name for arrival in arrivals]
    return arrivals


@pytest.mark.parametrize("poll", [False, True])
def test_files_there_and_files_to_come_arrive_once_each(tmp_path: Path, poll: bool) -> None:
    memory = Memory()
    (tmp_path / "inner").mkdir()
    (tmp_path / "old.PNG").write_bytes(b"old")
    os.utime(tmp_path / "old.PNG", (1000, 1000))
    (tmp_path / "inner" / "late.png").write_bytes(b"late")
    for name in (".hidden.png", "notes.txt", "inner/.late.png.part"):
        (tmp_path / name).write_bytes(b"no")
    meanwhile = [
        lambda: None,
        lambda: (tmp_path / "new.jpg").write_bytes(b"new"),
        lambda: (tmp_path / "old.PNG").write_bytes(b"other"),
    ]
    source = made(tmp_path, memory, poll=poll, poll_seconds=0.1, recipe="bricks")
    arrivals = asyncio.run(judged(source, memory, 4, meanwhile))
    assert [(each.name, each.content) for each in arrivals] == [
        ("old.PNG", b"old"),
        ("late.png", b"late"),
        ("new.jpg", b"new"),
        ("old.PNG", b"other"),  # the same name with another content is new
    ]
    assert {each.recipe for each in arrivals} == {"bricks"}
    again = made(tmp_path, memory, poll=poll, poll_seconds=0.1)
    assert asyncio.run(judged(again, memory, 0)) == []  # as after a restart


def test_without_recursion_inner_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "a.png").write_bytes(b"a")
    memory = Memory()
    meanwhile = [lambda: (tmp_path / "inner" / "b.png").write_bytes(b"b")]
    source = made(tmp_path, memory, recursive=False)
    assert [each.name for each in asyncio.run(judged(source, memory, 1, meanwhile))] == ["a.png"]


def test_a_file_is_settled_only_when_its_writer_is_done(tmp_path: Path) -> None:
    memory = Memory()
    source = made(tmp_path, memory, settle_seconds=0.9)

    async def write_slowly() -> list[Arrival]:
        task = asyncio.create_task(judged(source, memory, 1))
        with (tmp_path / "slow.png").open("wb") as file:
            for _ in range(8):
                await asyncio.sleep(0.15)  # less than settle_seconds, and eight times together far more
                file.write(b"12345678")
                file.flush()
        return await task

    [arrival] = asyncio.run(write_slowly())
    assert arrival.content == b"12345678" * 8


def test_a_marker_must_be_there_and_not_older_than_the_picture(tmp_path: Path) -> None:
    memory = Memory()
    picture, marker = tmp_path / "a.png", tmp_path / "a.png.done"
    source = made(tmp_path, memory, complete="marker")
    marker.write_bytes(b"")
    os.utime(marker, (1000, 1000))
    picture.write_bytes(b"half")
    assert asyncio.run(judged(source, memory, 0)) == []
    picture.write_bytes(b"whole")
    marker.write_bytes(b"")
    assert [each.content for each in asyncio.run(judged(source, memory, 1))] == [b"whole"]


def test_a_renamed_file_arrives_at_once(tmp_path: Path) -> None:
    memory = Memory()
    (tmp_path / "a.png").write_bytes(b"a")
    (tmp_path / "b.png.tmp").write_bytes(b"b")
    meanwhile = [lambda: (tmp_path / "b.png.tmp").rename(tmp_path / "b.png")]
    source = made(tmp_path, memory, complete="renamed", settle_seconds=60.0)
    assert [each.content for each in asyncio.run(judged(source, memory, 2, meanwhile))] == [b"a", b"b"]


def test_moved_files_keep_their_folders_and_overwrite_none(tmp_path: Path) -> None:
    memory = Memory()
    new, old = tmp_path / "in", tmp_path / "in" / "out"
    (new / "inner").mkdir(parents=True)
    (new / "inner" / "a.png").write_bytes(b"a")
    (new / "inner" / "a.png.done").write_bytes(b"")

    def again() -> None:
        (new / "inner" / "a.png").write_bytes(b"again")
        (new / "inner" / "a.png.done").write_bytes(b"")

    source = made(new, memory, complete="marker", after="move", move_to=str(old))
    asyncio.run(judged(source, memory, 2, [again]))
    kept = {str(path.relative_to(new)): path.read_bytes() for path in new.rglob("*") if path.is_file()}
    assert kept == {
        "out/inner/a.png": b"a",
        "out/inner/a.png.done": b"",
        "out/inner/a-2.png": b"again",
        "out/inner/a.png-2.done": b"",
    }


def test_a_link_that_was_moved_and_leads_nowhere_now_is_overwritten_no_more_than_a_file(tmp_path: Path) -> None:
    memory, new, old = Memory(), tmp_path / "in", tmp_path / "out"
    new.mkdir()
    old.mkdir()
    (old / "a.png").symlink_to("gone.png")
    (new / "a.png").write_bytes(b"a")
    asyncio.run(judged(made(new, memory, after="move", move_to=str(old)), memory, 1))
    assert ((old / "a.png").readlink(), (old / "a-2.png").read_bytes()) == (Path("gone.png"), b"a")


def test_a_full_disk_gets_no_part_of_a_file_that_is_moved_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hizumi.station.sources.folder.LOOK_SECONDS", 0.1)
    memory, new, old = Memory(), tmp_path / "in", tmp_path / "out"
    new.mkdir()
    (new / "a.png").write_bytes(b"whole")
    others_device(monkeypatch, old)
    copied = shutil.copyfile

    def half(source: Path, target: Path, **keys: Any) -> None:
        Path(target).write_bytes(b"wh")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def free_space() -> None:
        source = made(new, memory, after="move", move_to=str(old))
        monkeypatch.setattr(shutil, "copyfile", half)
        task = asyncio.create_task(judged(source, memory, 1, rest=1.5))
        await asyncio.sleep(0.8)
        assert source.trouble == "a file cannot be put away (no space left on device)"
        assert list(old.iterdir()) == []
        monkeypatch.setattr(shutil, "copyfile", copied)
        await task

    asyncio.run(free_space())
    assert [(path.name, path.read_bytes()) for path in old.iterdir()] == [("a.png", b"whole")]
    assert list(new.iterdir()) == []


def test_a_file_that_can_be_copied_but_not_removed_is_not_copied_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, old = tmp_path / "a.png", tmp_path / "out"
    new.write_bytes(b"a")
    others_device(monkeypatch, old)
    unlink = Path.unlink

    def refuse(path: Path, *given: Any, **keys: Any) -> None:
        if path == new:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        unlink(path, *given, **keys)

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(PermissionError):
        move_beside(new, old / "a.png")
    assert (list(old.iterdir()), new.read_bytes()) == ([], b"a")


def test_files_of_one_name_that_are_moved_at_once_are_all_kept(tmp_path: Path) -> None:
    new, old = tmp_path / "in", tmp_path / "out"
    paths = [new / str(number) / "a.png" for number in range(200)]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.write_bytes(path.parent.name.encode())
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda path: move_beside(path, old / "a.png"), paths))
    assert sorted(int(path.read_bytes()) for path in old.iterdir()) == list(range(200))


def others_device(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Have a folder be as on another file system, into which nothing from elsewhere can be renamed."""
    replace = Path.replace

    def refuse(path: Path, target: Path) -> Path:
        if target.parent == folder != path.parent:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", refuse)


def test_a_file_that_the_log_has_is_put_away_after_a_crash_without_a_second_entry(tmp_path: Path) -> None:
    memory = Memory()
    (tmp_path / "a.png").write_bytes(b"a")
    asyncio.run(judged(made(tmp_path, memory), memory, 1))  # left, as if killed before it could be deleted
    assert asyncio.run(judged(made(tmp_path, memory, after="delete"), memory, 0)) == []
    assert not (tmp_path / "a.png").exists()


def test_one_picture_written_again_and_again_is_judged_each_time(tmp_path: Path) -> None:
    memory = Memory()
    (tmp_path / "a.png").write_bytes(b"dark")
    meanwhile = [lambda: (tmp_path / "a.png").write_bytes(b"dark")]
    assert len(asyncio.run(judged(made(tmp_path, memory, after="delete"), memory, 2, meanwhile))) == 2


def test_what_is_written_over_a_judged_file_is_not_deleted_unseen(tmp_path: Path) -> None:
    memory = Memory()
    path = tmp_path / "a.png"
    path.write_bytes(b"first")
    source = made(tmp_path, memory, after="delete")

    async def overwrite() -> list[bytes]:
        contents = []
        async for arrival in source.arrivals():
            contents.append(arrival.content)
            if len(contents) == 1:
                path.write_bytes(b"second")
            await source.done(arrival, entry_of(arrival))
            if len(contents) == 2:
                break
        return contents

    assert asyncio.run(asyncio.wait_for(overwrite(), LONGEST_SECONDS)) == [b"first", b"second"]
    assert not path.exists()


def test_what_is_written_over_a_file_that_waits_for_its_turn_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"a")
    (tmp_path / "b.png").write_bytes(b"b")
    os.utime(tmp_path / "a.png", (1000, 1000))
    source = made(tmp_path, Memory(), settle_seconds=0.4)

    async def write_slowly() -> list[bytes]:
        contents = []
        async for arrival in source.arrivals():
            contents.append(arrival.content)
            if len(contents) == 2:
                break
            (tmp_path / "b.png").write_bytes(b"half")
            asyncio.get_running_loop().call_later(0.1, (tmp_path / "b.png").write_bytes, b"half and half")
        return contents

    assert asyncio.run(asyncio.wait_for(write_slowly(), LONGEST_SECONDS)) == [b"a", b"half and half"]


def test_a_file_that_cannot_be_put_away_is_put_away_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hizumi.station.sources.folder.LOOK_SECONDS", 0.1)
    memory, folder, done = Memory(), tmp_path / "in", tmp_path / "in" / "done"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"a")
    done.write_text("a file, and no folder")
    (tmp_path / "link").symlink_to(folder)  # by another name, it is the same folder still
    source = made(folder, memory, after="move", move_to=str(tmp_path / "x" / ".." / "link" / "done"))

    async def mend() -> None:
        task = asyncio.create_task(judged(source, memory, 1, rest=1.5))
        async with asyncio.timeout(LONGEST_SECONDS):
            while not source.trouble:
                await asyncio.sleep(0.01)
            assert source.trouble == "a file cannot be put away (file exists)"
            done.unlink()
            while not (done / "a.png").exists():
                await asyncio.sleep(0.01)
        await task  # one arrival: what lies in done is not judged again

    asyncio.run(mend())


@pytest.mark.parametrize("complete", ["settled", "renamed"])
def test_what_the_log_could_not_keep_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, complete: str
) -> None:
    monkeypatch.setattr("hizumi.station.sources.folder.UNKEPT_SECONDS", 0.3)
    memory = Memory()
    (tmp_path / "a.png").write_bytes(b"a")
    (tmp_path / "b.png").write_bytes(b"b")
    os.utime(tmp_path / "a.png", (1000, 1000))
    source = made(tmp_path, memory, complete=complete, after="delete")

    async def judge() -> list[str]:
        names = []
        async for arrival in source.arrivals():
            names.append(arrival.name)
            if len(names) > 2:  # the log is locked for the first two
                memory.ids[arrival.source, str(arrival.key)] = "id"
                await source.done(arrival, entry_of(arrival))
            if len(names) == 4:
                break
        return names

    assert asyncio.run(asyncio.wait_for(judge(), LONGEST_SECONDS)) == ["a.png", "b.png", "a.png", "b.png"]
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_read_arrives_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hizumi.station.sources.folder.UNREADABLE_SECONDS", 0.2)
    monkeypatch.setattr("hizumi.station.sources.files.LARGEST_BYTES", 2**20)
    memory = Memory()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "large.png").write_bytes(bytes(2**20 + 1))
    (tmp_path / "link.png").symlink_to(__file__)  # it would show any file of this machine
    (tmp_path / "well.png").write_bytes(b"well")
    arrivals = asyncio.run(judged(made(tmp_path, memory), memory, 4))
    assert {each.name: each.content for each in arrivals if each.content} == {"well.png": b"well"}
    assert {each.name: each.error for each in arrivals} == {
        "link.png": "is a link, and links are not followed",
        "pipe.png": "could not be read (is not a regular file)",
        "large.png": "is larger than 1 MiB",
        "well.png": "",
    }
    assert asyncio.run(judged(made(tmp_path, memory), memory, 0)) == []


def test_names_give_part_and_view_and_say_when_they_do_not(tmp_path: Path) -> None:
    memory = Memory()
    for name in (b"A12_top.png", b"stray.png", b"B7_\xff.png"):
        Path(os.fsdecode(bytes(tmp_path) + b"/" + name)).write_bytes(b"x")
    source = made(tmp_path, memory, name_pattern=r"^(?P<part>[A-Z]\d+)_(?P<view>.+)\.")
    arrivals = asyncio.run(judged(source, memory, 3))
    assert {each.name: (each.part, each.view, len(each.notes)) for each in arrivals} == {
        "A12_top.png": ("A12", "top", 0),
        "stray.png": ("", "", 1),
        "B7_\\xff.png": ("B7", "\\xff", 0),
    }


def test_a_missing_folder_and_a_failing_log_are_waited_for(tmp_path: Path) -> None:
    memory = Memory()
    failures = iter([True, True])

    def taken_for(source: str, key: str) -> str | None:
        if next(failures, False):
            raise RunError("the log is locked")
        return memory.taken_for(source, key)

    folder = tmp_path / "later"
    table = {"kind": "folder", "path": str(folder), "settle_seconds": 0.1, "poll": True, "poll_seconds": 0.1}
    source = source_from(table, taken_for=taken_for)
    assert isinstance(source, FolderSource)

    async def appear() -> list[Arrival]:
        task = asyncio.create_task(judged(source, memory, 1))
        await asyncio.sleep(0.3)
        assert source.trouble == "the folder cannot be listed in full (no such file or directory)"
        folder.mkdir()
        (folder / "a.png").write_bytes(b"a")
        return await task

    assert [each.name for each in asyncio.run(appear())] == ["a.png"]
    assert source.trouble == ""


def test_a_folder_that_was_exchanged_is_watched_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hizumi.station.sources.folder.LOOK_SECONDS", 0.5)
    memory, folder = Memory(), tmp_path / "in"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"a")
    source = made(folder, memory, settle_seconds=0.01)

    def exchange() -> None:
        folder.rename(tmp_path / "old")
        folder.mkdir()
        monkeypatch.setattr("hizumi.station.sources.watching.Watch.is_look_due", lambda watch: look(watch))

    looks: list[float] = []

    def look(watch: Watch) -> bool:
        due = is_look_due(watch) and len(looks) < 2  # two more looks; then only the system can tell
        if due:
            looks.append(time.monotonic())
        return due

    is_look_due = Watch.is_look_due

    async def tell() -> list[Arrival]:
        task = asyncio.create_task(judged(source, memory, 2, [exchange]))
        while len(looks) < 2:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)
        (folder / "b.png").write_bytes(b"b")
        return await task

    assert [each.name for each in asyncio.run(tell())] == ["a.png", "b.png"]
