"""Archives without a cluster: one row an image, whoever dies, and never two archives in one folder."""

import json
import multiprocessing
import os
import signal
import threading
import time
from itertools import repeat
from pathlib import Path

import numpy as np
import pytest

from hizumi.errors import RunError, SaveError, UsageError
from hizumi.export import export
from hizumi.inspection import load
from hizumi.scale.archive import Shard, open_archive
from hizumi.scale.attempts import DEATHS, WHOLE_TRIES
from hizumi.scale.items import Contents, Item
from hizumi.scale.listing import LARGEST, SHARE, SMALLEST, in_blocks, read_block
from hizumi.scale.merging import prove
from hizumi.scale.parts import path_of
from hizumi.scale.running import score_shard
from hizumi.scale.scoring import BlockScorer
from tests.hard.conftest import stripes
from tests.scale.archives import SIDE, inspect_into, make_bundle, make_pictures, merged, refuse_other_rows

IMAGES = 121  # of the pictures, with the damaged one


def test_rows_are_the_verdicts_of_inspect(pictures: Path, bundle: Path, tmp_path: Path) -> None:
    inspect_into(tmp_path / "out", bundle, pictures)
    rows = merged(tmp_path / "out")
    assert len(rows) == IMAGES
    refuse_other_rows(rows, bundle, pictures)
    (damaged,) = [row for row in rows if row["reason"]]
    assert damaged["name"] == "b/damaged.png"
    assert "is not an image" in damaged["reason"]
    assert len({row["sha256"] for row in rows}) == IMAGES
    unopened = (tmp_path / "out" / "unopened.csv").read_text()
    assert "readme.txt,is no image by its name" in unopened
    assert 'ground_truth/00000.png,"is a mask' in unopened


def test_rows_of_an_exported_bundle(pictures: Path, bundle: Path, tmp_path: Path) -> None:
    exported = tmp_path / "parts.onnx.hizumi"
    export(load(bundle), exported, stripes(np.random.default_rng(0), 60, SIDE)[..., np.newaxis])
    inspect_into(tmp_path / "out", exported, pictures)
    refuse_other_rows(merged(tmp_path / "out"), exported, pictures)


def test_images_scored_one_by_one_have_a_map_each(bundle: Path, tmp_path: Path) -> None:
    make_pictures(tmp_path / "data", 2, defective=2)
    (tmp_path / "data" / "00001.png").rename(tmp_path / "data" / "PART.png")
    (tmp_path / "data" / "00000.png").rename(tmp_path / "data" / "part.png")  # alike on some file systems
    for out, begun in (("whole", 0), ("singly", WHOLE_TRIES)):
        open_archive(tmp_path / out, bundle, [str(tmp_path / "data")], maps=tmp_path / f"{out}-maps")
        (tmp_path / out / "at-work").mkdir()
        (tmp_path / out / "at-work" / "00000000.json").write_text(json.dumps({"begun": begun}))
        score_shard(BlockScorer(tmp_path / out), Shard())
    whole, singly = (
        {path.name: path.read_bytes() for path in (tmp_path / f"{out}-maps").rglob("*.png")}
        for out in ("whole", "singly")
    )
    assert len(set(whole.values())) == 2
    assert singly == whole


def test_shards_make_one_archive_in_any_order(pictures: Path, bundle: Path, tmp_path: Path) -> None:
    for shard in ("2/3", "0/3", "1/3"):
        inspect_into(tmp_path / "shards", bundle, pictures, shard=shard, trust_listing=True)
    inspect_into(tmp_path / "whole", bundle, pictures)
    assert merged(tmp_path / "shards") == merged(tmp_path / "whole")


def test_what_is_missing_is_named_with_the_command_that_completes_it(
    pictures: Path, bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    inspect_into(out, bundle, pictures, shard="1/2")
    with pytest.raises(RunError, match=r"is not complete: 64 of 121 images .* 2 of 4 blocks") as caught:
        prove(out)
    assert str(caught.value).endswith(f"complete it: hizumi inspect {bundle} {pictures} -o {out}")
    inspect_into(out, bundle, pictures)
    assert len(merged(out)) == IMAGES


def test_what_is_done_is_not_done_again(pictures: Path, bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    inspect_into(out, bundle, pictures)
    before = {path: path.stat().st_mtime_ns for path in (out / "parts").iterdir()}
    path_of(out, 2).unlink()
    inspect_into(out, bundle, pictures)
    changed = [path for path in (out / "parts").iterdir() if before[path] != path.stat().st_mtime_ns]
    assert changed == [path_of(out, 2)]


@pytest.mark.parametrize("damage", ["end", "middle", "empty", "other rows"])
def test_a_damaged_part_is_found_set_aside_and_made_anew(
    damage: str, pictures: Path, bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    inspect_into(out, bundle, pictures)
    expected, part = merged(out), path_of(out, 1)
    content = bytearray(part.read_bytes())
    if damage == "middle":
        content[60] ^= 1
    part.write_bytes(
        {"end": content[:-20], "middle": content, "empty": b"", "other rows": path_of(out, 0).read_bytes()}[damage]
    )
    with pytest.raises(RunError, match=r"is not complete.*1 parts were damaged and have been set aside"):
        prove(out)
    inspect_into(out, bundle, pictures)
    assert merged(out) == expected


def test_other_data_and_bundles_are_refused_with_the_difference(bundle: Path, tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    make_pictures(data, 40)
    inspect_into(out, bundle, data)
    with pytest.raises(UsageError, match="the archive of other data: "):
        inspect_into(out, bundle, data, tmp_path)
    other = make_bundle(tmp_path / "other.hizumi")
    other.write_bytes(other.read_bytes() + b"0")
    with pytest.raises(UsageError, match=r"the archive of another bundle: parts.hizumi \(\w{12}\) then, other.hizumi"):
        inspect_into(out, other, data)
    for change, said in (
        (lambda: make_pictures(data / "more", 1), r"more/00000.png has been added"),
        (lambda: (data / "more" / "00000.png").unlink(), None),
        (lambda: os.utime(data / "00033.png", (1, 1)), r"00033.png has changed"),
        (lambda: (data / "00033.png").unlink(), r"00033.png is gone"),
    ):
        change()
        if said is None:
            continue
        with pytest.raises(UsageError, match=said):
            open_archive(out, bundle, [str(data)])


def test_killed_at_any_moment_and_gone_on_with(bundle: Path, tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    make_pictures(data, 400)
    forks = multiprocessing.get_context("fork")
    kills = 0
    for parts in (0, 4):
        process = forks.Process(target=inspect_into, args=(out, bundle, data))
        process.start()
        while process.is_alive() and len(list((out / "parts").glob("*.parquet"))) <= parts:
            time.sleep(0.002)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        kills += process.exitcode == -signal.SIGKILL
    assert kills
    inspect_into(out, bundle, data)
    rows = merged(out)
    assert [row["name"] for row in rows] == [f"{number:05d}.png" for number in range(400)]
    refuse_other_rows(rows, bundle, data)


def test_an_image_that_ends_processes_is_one_row(
    pictures: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, fetch = tmp_path / "out", Contents.fetch
    open_archive(out, bundle, [str(pictures)])
    scorer = BlockScorer(out)

    def deadly(contents: Contents, row: int) -> bytes:
        if contents.items[row].name == "a/00040.png":
            os.kill(os.getpid(), signal.SIGKILL)
        return fetch(contents, row)

    monkeypatch.setattr(Contents, "fetch", deadly)
    forks = multiprocessing.get_context("fork")
    died = 0
    for _ in range(6):
        process = forks.Process(target=score_shard, args=(scorer, Shard()))
        process.start()
        process.join()
        died += process.exitcode == -signal.SIGKILL
    assert died == WHOLE_TRIES + DEATHS
    rows = merged(out)
    assert [row["name"] for row in rows if row["reason"] and "died" in row["reason"]] == ["a/00040.png"]
    assert len(rows) == IMAGES
    assert not list((out / "at-work").glob("*.json"))


def test_a_disk_that_is_full_ends_in_one_line_and_loses_nothing(
    pictures: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, flush, room = tmp_path / "out", os.fsync, 3
    open_archive(out, bundle, [str(pictures)])

    def full(descriptor: int) -> None:
        nonlocal room
        room -= 1
        if room < 0:
            raise OSError(28, "No space left on device")
        flush(descriptor)

    scorer = BlockScorer(out)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SaveError, match="no space left on device"):
        score_shard(scorer, Shard())
    monkeypatch.undo()
    assert not list(out.rglob("*.tmp"))
    inspect_into(out, bundle, pictures)
    assert len(merged(out)) == IMAGES


def test_storage_that_is_gone_makes_no_rows(bundle: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    make_pictures(data, 60)
    open_archive(tmp_path / "out", bundle, [str(data)])
    data.rename(tmp_path / "away")
    scorer = BlockScorer(tmp_path / "out")
    with pytest.raises(RunError, match=r"none of 32 images from 00000.png on can be fetched \(there is no such file\)"):
        score_shard(scorer, Shard())
    (tmp_path / "away").rename(data)
    score_shard(scorer, Shard())
    assert all(row["reason"] is None for row in merged(tmp_path / "out"))


def test_shards_that_begin_together_wait_for_one_listing(pictures: Path, bundle: Path, tmp_path: Path) -> None:
    waited: list[str] = []

    def opened() -> None:
        open_archive(tmp_path / "out", bundle, [str(pictures)], trust_listing=True, on_wait=waited.append)

    threads = [threading.Thread(target=opened) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written = json.loads((tmp_path / "out" / "archive.json").read_bytes())
    assert written["listed"]["images"] == IMAGES


def test_one_shard_is_held_by_one_process(pictures: Path, bundle: Path, tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "out", bundle, [str(pictures)])
    with (
        archive.held(Shard(0, 2)),
        archive.held(Shard(1, 2)),
        pytest.raises(UsageError, match="in use by"),
        archive.held(Shard(0, 2)),
    ):
        pass


@pytest.mark.parametrize("text", ["2/2", "1", "a/b", "-1/2", "0/0"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--shard"):
        Shard.parse(text)


def test_blocks_grow_with_what_comes_before_them() -> None:
    blocks = [len(block) for block in in_blocks(repeat(Item("0.png", "/0.png", "1:1"), 1_000_000))]
    assert sum(blocks) == 1_000_000
    assert blocks[0] == SMALLEST
    assert blocks[-2] == LARGEST
    before = np.cumsum([0, *blocks])
    assert all(SMALLEST <= size <= max(SMALLEST, start // SHARE) for size, start in zip(blocks, before, strict=False))


def test_a_listing_is_read_as_it_was_written(pictures: Path, bundle: Path, tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "out", bundle, [str(pictures)])
    names = [item.name for block in range(archive.listed.blocks) for item in read_block(tmp_path / "out", block)]
    assert names == [str(path.relative_to(pictures)) for path in _in_order(pictures)]


def _in_order(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.suffix == ".png")
    inner = sorted(path for path in folder.iterdir() if path.is_dir() and path.name != "ground_truth")
    return [*found, *(path for each in inner for path in _in_order(each))]
