"""Where the images of an archive may lie: all give the rows that the same files give in a folder."""

import csv
import io
import os
import shutil
import socket
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from hizumi.data.manifest import Unopened
from hizumi.errors import DataError, HizumiError, MissingExtraError, UsageError
from hizumi.scale.items import Contents, Item, rows_of
from hizumi.scale.sources import items_of
from tests.scale.archives import inspect_into, make_pictures, merged
from tests.scale.parts import command

COUNT = 75


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "new"
    make_pictures(folder, COUNT)
    return folder


@pytest.fixture(scope="module")
def expected(folder: Path, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, float]]:
    """Hash and score of each picture."""
    out = tmp_path_factory.mktemp("expected")
    inspect_into(out, bundle, folder)
    return _scores(out)


@pytest.fixture(scope="module")
def bucket(folder: Path) -> Iterator[str]:
    """The pictures in a bucket on a server on this machine."""
    server_module = pytest.importorskip("moto.server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        system = fsspec.filesystem("s3")
        system.mkdir("parts")
        for path in sorted(folder.iterdir()):
            system.pipe_file(f"parts/new/{path.name}", path.read_bytes())
        system.pipe_file("parts/new/note.txt", b"no picture")
        yield "s3://parts/new"
    server.stop()


def test_a_pattern(folder: Path, bundle: Path, expected: list[tuple[str, float]], tmp_path: Path) -> None:
    inspect_into(tmp_path / "out", bundle, f"{folder}/000*.png")
    assert _scores(tmp_path / "out") == expected


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_a_list_of_paths(
    suffix: str, folder: Path, bundle: Path, expected: list[tuple[str, float]], tmp_path: Path
) -> None:
    names = [path.name for path in sorted(folder.iterdir())]
    listed = folder.parent / f"list{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.table({"number": range(COUNT), "path": [f"new/{name}" for name in names]}), listed)
    else:
        with listed.open("w", newline="") as file:
            rows = csv.writer(file, delimiter="\t" if suffix == ".tsv" else ",")
            rows.writerows([("path", "number"), *((f"new\\{name}", number) for number, name in enumerate(names))])
    inspect_into(tmp_path / "out", bundle, listed)
    assert _scores(tmp_path / "out") == expected
    assert merged(tmp_path / "out")[0]["name"] == "new/00000.png"


@pytest.mark.parametrize("content", ["\ufeffPath;Grade\r\nnew/00000.png;1\r\n", " PATH \nnew/00000.png\n"])
def test_a_list_as_other_programs_write_it(content: str, folder: Path) -> None:
    listed = folder.parent / "other.csv"
    listed.write_text(content, encoding="utf-8", newline="")
    assert [item.name for item in items_of([str(listed)])] == ["new/00000.png"]
    pq.write_table(pa.table({"Path": ["new/00000.png"]}), listed.with_suffix(".parquet"))
    assert [item.name for item in items_of([str(listed.with_suffix(".parquet"))])] == ["new/00000.png"]


def test_a_name_that_is_no_text_hinders_no_other_image(
    folder: Path, bundle: Path, expected: list[tuple[str, float]], tmp_path: Path
) -> None:
    copied = shutil.copytree(folder, tmp_path / "data")
    (copied / "00000.png").rename(copied / os.fsdecode(b"00000\xe9.png"))
    inspect_into(tmp_path / "out", bundle, copied)
    inspect_into(tmp_path / "out", bundle, copied)  # listed again, and the same
    assert _scores(tmp_path / "out") == expected
    assert merged(tmp_path / "out")[0]["name"] == "00000\\xe9.png"


def test_a_path_that_leads_nowhere_is_a_row_with_its_reason(folder: Path, bundle: Path, tmp_path: Path) -> None:
    listed = folder.parent / "absent.csv"
    listed.write_text("path\nnew/00000.png\nnew/absent.png\n")
    inspect_into(tmp_path / "out", bundle, listed)
    assert [row["reason"] for row in merged(tmp_path / "out")] == [None, "there is no such file"]


def test_a_list_of_nothing_but_paths_that_lead_nowhere_is_completed(bundle: Path, tmp_path: Path) -> None:
    listed = tmp_path / "absent.csv"
    listed.write_text("path\n" + "".join(f"{number}.png\n" for number in range(9)))
    inspect_into(tmp_path / "out", bundle, listed)
    assert [row["reason"] for row in merged(tmp_path / "out")] == ["there is no such file"] * 9


@pytest.mark.parametrize("form", ["bytes", "hugging face", "of any name"])
def test_bytes_in_parquet(
    form: str, folder: Path, bundle: Path, expected: list[tuple[str, float]], tmp_path: Path
) -> None:
    paths = sorted(folder.iterdir())
    content: list[object] = [path.read_bytes() for path in paths]
    if form == "hugging face":
        content = [{"bytes": each, "path": path.name} for each, path in zip(content, paths, strict=True)]
    column = {"bytes": "bytes", "hugging face": "image", "of any name": "scan"}[form]
    table = pa.table({column: content} | ({"name": [path.name for path in paths]} if form == "bytes" else {}))
    pq.write_table(table, tmp_path / "shard.parquet", row_group_size=20)
    inspect_into(tmp_path / "out", bundle, tmp_path / "shard.parquet")
    assert _scores(tmp_path / "out") == expected
    names = [row["name"] for row in merged(tmp_path / "out")]
    assert names[1] == ("shard.parquet/00001.png" if form == "bytes" else "shard.parquet/1")


def test_shards_of_webdataset(folder: Path, bundle: Path, expected: list[tuple[str, float]], tmp_path: Path) -> None:
    for shard, paths in enumerate(np.array_split(np.array(sorted(folder.iterdir())), 2)):
        with tarfile.open(tmp_path / f"{shard}.tar", "w") as archive:
            for path in paths:
                archive.add(path, path.name)
                _add(archive, f"{path.stem}.json", b"{}")
    inspect_into(tmp_path / "out", bundle, f"{tmp_path}/*.tar")
    assert _scores(tmp_path / "out") == expected
    assert merged(tmp_path / "out")[0]["name"] == "0.tar/00000.png"


def test_object_storage(bucket: str, folder: Path, bundle: Path, expected: list[tuple[str, float]], tmp_path: Path):
    inspect_into(tmp_path / "out", bundle, bucket)
    assert _scores(tmp_path / "out") == expected
    assert "note.txt" in (tmp_path / "out" / "unopened.csv").read_text()
    inspect_into(tmp_path / "pattern", bundle, f"{bucket}/*.png")
    assert _scores(tmp_path / "pattern") == expected


def test_shards_in_object_storage(bucket: str, folder: Path, bundle: Path, expected: list[tuple[str, float]], tmp_path):
    place = bucket.removesuffix("/new")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, path.name)
    fsspec.filesystem("s3").pipe_file(f"{place}/shard.tar", packed.getvalue())
    table = io.BytesIO()
    pq.write_table(pa.table({"bytes": [path.read_bytes() for path in sorted(folder.iterdir())]}), table)
    fsspec.filesystem("s3").pipe_file(f"{place}/shard.parquet", table.getvalue())
    for name in ("shard.tar", "shard.parquet"):
        inspect_into(tmp_path / name, bundle, f"{place}/{name}")
        assert _scores(tmp_path / name) == expected


def test_a_bucket_that_cannot_be_read_is_one_line(bucket: str) -> None:
    with pytest.raises(DataError, match=r"s3://absent/new: cannot be listed \(.*\); is it there, and may this account"):
        list(items_of(["s3://absent/new"]))


def test_memory_and_file_urls(folder: Path, bundle: Path, expected: list[tuple[str, float]], tmp_path: Path) -> None:
    system = fsspec.filesystem("memory")
    for path in folder.iterdir():
        system.pipe_file(f"/new/{path.name}", path.read_bytes())
    for number, url in enumerate(("memory://new", f"file://{folder}")):
        inspect_into(tmp_path / str(number), bundle, url)
        assert _scores(tmp_path / str(number)) == expected


def test_what_could_not_be_fetched_is_tried_again_and_what_is_damaged_is_not(
    folder: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cat_file, out_of_reach, fetched = MemoryFileSystem.cat_file, {"00003.png", "00040.png"}, list[str]()

    def failing(self: MemoryFileSystem, path: str, **part: object) -> bytes:
        name = path.rpartition("/")[2]
        fetched.append(name)
        if name in out_of_reach:
            raise ConnectionResetError("the storage hung up")
        return cat_file(self, path, **part)

    monkeypatch.setattr(MemoryFileSystem, "cat_file", failing)
    system = fsspec.filesystem("memory")
    for path in folder.iterdir():
        system.pipe_file(f"/flaky/{path.name}", path.read_bytes())
    system.pipe_file("/flaky/damaged.png", b"no picture")
    inspect = ("inspect", bundle, "memory://flaky", "-o", tmp_path / "out")
    begun = command(*inspect)
    assert "3 without a verdict" in begun.out
    assert "2 could not be fetched; to try these again: hizumi inspect" in begun.out
    proved = command("merge", tmp_path / "out", "--json", "-")  # a row an image is there all the same
    assert (proved.code, proved.json["failures"], proved.json["unreached"]) == (0, 3, 2)
    before = {row["name"]: row for row in merged(tmp_path / "out")}
    assert sorted(name for name, row in before.items() if row["sha256"] is None) == sorted(out_of_reach)
    assert "hung up" in before["00003.png"]["reason"]

    out_of_reach.remove("00003.png")
    again = command(*inspect)
    assert "2 images scored" in again.out
    assert "1 could not be fetched" in again.out
    out_of_reach.clear()
    fetched.clear()
    inspect_into(tmp_path / "out", bundle, "memory://flaky")
    assert fetched == ["00040.png"]
    rows = merged(tmp_path / "out")
    assert [row["name"] for row in rows if row["reason"]] == ["damaged.png"]
    inspect_into(tmp_path / "whole", bundle, "memory://flaky")
    whole = merged(tmp_path / "whole")
    assert [(row["name"], row["sha256"]) for row in rows] == [(row["name"], row["sha256"]) for row in whole]
    for row, undisturbed in zip(rows, whole, strict=True):  # in other batches, whose last digits differ
        expected = undisturbed["score"]
        assert row["score"] == (None if expected is None else pytest.approx(expected, rel=1e-5))
    assert "all had been done before" in command(*inspect).out


def test_rows_after_one_that_could_not_be_fetched(
    folder: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = [path.read_bytes() for path in sorted(folder.iterdir())]
    pq.write_table(pa.table({"bytes": [*contents[:9], None, *contents[9:]]}), tmp_path / "data.parquet")

    def failing(place: str, first: int) -> Iterator[bytes | None]:
        for row, content in enumerate(rows_of(place, first), first):
            if row == 5:
                raise ConnectionResetError("the storage hung up")
            yield content

    with monkeypatch.context() as patch:
        patch.setattr("hizumi.scale.items.rows_of", failing)
        inspect_into(tmp_path / "out", bundle, tmp_path / "data.parquet")
    reasons = {row["name"]: row["reason"] for row in merged(tmp_path / "out") if row["reason"]}
    assert list(reasons) == ["data.parquet/5", "data.parquet/9"]
    inspect_into(tmp_path / "out", bundle, tmp_path / "data.parquet")
    (empty,) = [row for row in merged(tmp_path / "out") if row["reason"]]
    assert empty["name"] == "data.parquet/9"
    assert "holds no bytes" in empty["reason"]


def test_the_same_twice_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is named twice, or lies in"):
        list(items_of([str(folder.parent), str(folder / "00000.png")]))


def test_a_folder_within_another_is_refused_whatever_comes_between_their_names(tmp_path: Path) -> None:
    for name in ("new", "new-2", "new/late"):
        (tmp_path / name).mkdir()
    with pytest.raises(UsageError, match=r"new/late is named twice, or lies in .*/new;"):
        list(items_of([str(tmp_path / name) for name in ("new", "new-2", "new/late")]))


def test_a_name_that_a_list_has_twice_is_refused(folder: Path, bundle: Path, tmp_path: Path) -> None:
    (folder.parent / "twice.csv").write_text("path\nnew/00000.png\nnew/00001.png\nnew/00000.png\n")
    with pytest.raises(DataError, match=r"new/00000.png is listed twice"):
        inspect_into(tmp_path / "out", bundle, folder.parent / "twice.csv")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"x,y\n1,2\n", "has no column `path`"),
        ("a.csv", b"path\n\n,\n", "row 1 has no path"),
        ("a.tar.gz", b"", "is compressed"),
        ("a.tar", b"no tar file", "cannot be listed"),
        ("a.parquet", b"no parquet file", "cannot be listed"),
        ("a/*.png", None, "no file or folder is called so"),
        ("a/absent.png", None, r"cannot be listed \(there is no such file or folder\)"),
        ("nowhere://a", None, "nowhere"),
    ],
)
def test_what_cannot_be_listed_is_one_line(name: str, content: bytes | None, said: str, tmp_path: Path) -> None:
    place = name if "://" in name else str(tmp_path / name)
    if content is not None:
        Path(place).write_bytes(content)
    with pytest.raises(HizumiError, match=said) as caught:
        list(items_of([place]))
    assert "\n" not in str(caught.value)


def test_a_storage_without_its_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(MissingExtraError, match=r"gs:// needs a package of fsspec.s: .*gcsfs"):
        list(items_of(["gs://parts"]))


def test_rows_are_fetched_in_any_order(folder: Path, tmp_path: Path) -> None:
    content = [path.read_bytes() for path in sorted(folder.iterdir())]
    pq.write_table(pa.table({"bytes": content}), tmp_path / "a.parquet", row_group_size=7)
    items = [each for each in items_of([str(tmp_path / "a.parquet")]) if isinstance(each, Item)]
    contents = Contents(items)
    for row in (0, 1, 20, 21, 5, 74, 0):
        assert contents.fetch(row) == content[row]


def test_folders_only_to_the_depth_asked_for(folder: Path) -> None:
    found = list(items_of([str(folder.parent)], recursive=False))
    assert not [each for each in found if isinstance(each, Item) and "/" in each.name]
    assert [each.name for each in found if isinstance(each, Unopened)][-1:] == ["new/"]


def _scores(out: Path) -> list[tuple[str, float]]:
    return [(row["sha256"], pytest.approx(row["score"], rel=1e-5)) for row in merged(out)]


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
