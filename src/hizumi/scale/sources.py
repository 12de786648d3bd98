"""What an archive holds, image by image: folders, patterns, lists, Parquet, tar shards, here or in object storage."""

import csv
import glob
import io
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from hizumi.data.decoding import IMAGE_SUFFIXES
from hizumi.data.files import by_folder, no_picture
from hizumi.data.image_lists import PATH_COLUMNS
from hizumi.data.manifest import Unopened
from hizumi.data.masks import is_mask_folder, without_masks
from hizumi.errors import DataError, HizumiError, UsageError
from hizumi.scale.items import ABSENT, Item, bytes_column, file_system, is_url, opened_parquet
from hizumi.storage.files import first_line, printable, with_home

Found = Iterator[Item | Unopened]
NAME_COLUMNS = ("name", "filename", "file_name", "key", "id")
PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
LISTS = (".csv", ".tsv")
SEPARATORS = ",;\t"
ROWS_OF_LIST = 8192


def items_of(data: Sequence[str], *, recursive: bool = True) -> Found:
    """Every image of the data in a fixed order, and what was found and is none; nothing is decoded.

    Names are as `hizumi inspect` gives them: relative to the one folder, or beginning with the folder of several.
    Raises DataError and UsageError in one line for data that cannot be listed.
    """
    places = [place for given in data for place in _expanded(given)]
    _refuse_within(places)
    for place in places:
        try:
            yield from _items(place, "" if len(places) == 1 else f"{printable(place)}/", recursive)
        except HizumiError:
            raise
        except Exception as error:  # of any file system, and of damaged files
            raise _unlistable(place, error) from error


def _expanded(given: str) -> list[str]:
    """A pattern's matches in order, and anything else as it is."""
    if not any(sign in given for sign in "*?[") or (not is_url(given) and Path(given).exists()):
        return [given]
    if is_url(given):
        try:
            system, path = file_system(given)
            found = [system.unstrip_protocol(each) for each in system.glob(path)]
        except HizumiError:
            raise
        except Exception as error:
            raise _unlistable(given, error) from error
    else:
        found = glob.glob(str(with_home(given)), recursive=True)  # noqa: PTH207 - of whole paths
    if not found:
        raise UsageError(f"{printable(given)}: no file or folder is called so; put patterns in quotes")
    return sorted(found)


def _refuse_within(places: Sequence[str]) -> None:
    """Raise UsageError where one of several is another, or lies in it: its images would be there twice."""
    whole = [place if is_url(place) else str(with_home(place).resolve()) for place in places]
    whole.sort(key=lambda place: place.split("/"))  # what lies in `new` comes before `new-2`
    for first, second in pairwise(whole):
        if second == first or second.startswith(f"{first.rstrip('/')}/"):
            raise UsageError(
                f"{printable(second)} is named twice, or lies in {printable(first)}; leave one of them out"
            )


def _items(place: str, before: str, recursive: bool) -> Found:
    """Of one place; names begin with what comes before them where it is a folder."""
    name = place.lower()
    if name.endswith(PACKED):
        raise DataError(
            f"{printable(place)}: is compressed, and images in it cannot be found one by one; unpack to .tar"
        )
    if is_url(place):
        system, path = file_system(place)
        if not name.endswith((".tar", ".parquet", *LISTS)) and system.isdir(path):
            return _in_storage(system, path, before, recursive)
    elif (folder := with_home(place)).is_dir():
        return _in_folder(folder, before, recursive)
    if name.endswith(".tar"):
        return _in_tar(place)
    if name.endswith(".parquet"):
        return _in_parquet(place)
    if name.endswith(LISTS):
        return _listed(place, _rows_of_csv(place))
    return iter([Item(printable(place if before else Path(place).name), _absolute(place), _stamp_of(place))])


def _in_folder(root: Path, before: str, recursive: bool) -> Found:
    """Images of a folder without their masks, as `hizumi.data.folders` tells them."""
    for found in by_folder(root, recursive=recursive):
        images, masks = without_masks(found.images)
        beside = {mask for own in masks.values() for mask in own}
        of_masks = {path for path in images if any(map(is_mask_folder, path.relative_to(root).parts[:-1]))}
        for path in found.images:
            name = before + printable(path.relative_to(root))
            if path in beside or path in of_masks:
                yield Unopened(name, "is a mask, by its name or that of its folder", may_be_part=False)
            else:
                stated = path.stat()
                yield Item(name, str(path.absolute()), f"{stated.st_size}:{stated.st_mtime_ns}")
        yield from (Unopened(before + printable(path.relative_to(root)), "is a video") for path in found.videos)
        yield from (each._replace(name=before + each.name) for each in found.unopened)


def _in_storage(system: Any, root: str, before: str, recursive: bool) -> Found:
    """Images beneath a folder of object storage, a folder at a time."""
    for folder, _, files in system.walk(root, detail=True, maxdepth=None if recursive else 1):
        for file_name, info in sorted(files.items()):
            path = f"{folder.rstrip('/')}/{file_name}"
            name = printable(path.removeprefix(root).lstrip("/"))
            passed_over = _no_image(before + name, file_name, name.split("/")[:-1])
            yield passed_over or Item(before + name, system.unstrip_protocol(path), _stamp(info))


def _no_image(name: str, file_name: str, folders: Iterable[str]) -> Unopened | None:
    if any(map(is_mask_folder, folders)):
        return Unopened(name, "is a mask, by the name of its folder", may_be_part=False)
    passed_over = no_picture(name, file_name)
    if passed_over is None and Path(file_name).suffix.lower() not in IMAGE_SUFFIXES:
        return Unopened(name, "is a video")
    return passed_over


def _in_tar(place: str) -> Found:
    """Images of a tar file, such as a shard of WebDataset: members whose names are those of images."""
    stamp, where = _stamp_of(place), printable(Path(place).name)
    with _opened(place) as raw, tarfile.open(fileobj=raw, mode="r:") as archive:
        while (member := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined]  # which else keeps all of them
            name = f"{where}/{printable(member.name)}"
            if not member.isfile():
                continue
            file_name = member.name.rpartition("/")[2]
            passed_over = _no_image(name, file_name, member.name.split("/")[:-1])
            yield passed_over or Item(name, _absolute(place), stamp, member.offset_data, member.size)


def _in_parquet(place: str) -> Found:
    """A row an image: its bytes, or else its path."""
    stamp, where = _stamp_of(place), printable(Path(place).name)
    with opened_parquet(place) as file:
        schema = file.schema_arrow
        column = bytes_column(schema)
        if column is None:
            yield from _listed(place, _rows_of_parquet(file, place))
            return
        named = next((name for name in (*NAME_COLUMNS, *PATH_COLUMNS) if name in schema.names and name != column), None)
        row = 0
        for batch in file.iter_batches(ROWS_OF_LIST, columns=[named] if named else []):
            names = batch.column(0).to_pylist() if named else [None] * batch.num_rows
            for name in names:
                shown = f"{where}/{printable(name)}" if name is not None else f"{where}/{row}"
                yield Item(shown, _absolute(place), stamp, row=row)
                row += 1


def _rows_of_parquet(file: Any, place: str) -> Iterator[str]:
    names = file.schema_arrow.names
    column = _path_column(names)
    if column is None:
        raise DataError(f"{printable(place)}: has neither a column `path` nor one of images' bytes")
    for batch in file.iter_batches(ROWS_OF_LIST, columns=[names[column]]):
        yield from (str(value or "") for value in batch.column(0).to_pylist())


def _rows_of_csv(place: str) -> Iterator[str]:
    with _opened(place) as raw, io.TextIOWrapper(raw, "utf-8-sig", newline="") as text:
        heading = text.readline()
        separator = max(SEPARATORS, key=heading.count)
        column = _path_column(next(csv.reader([heading], delimiter=separator), []))
        if column is None:
            raise DataError(f"{printable(place)}: has no column `path`")
        yield from ("".join(cells[column : column + 1]) for cells in csv.reader(text, delimiter=separator) if cells)


def _path_column(names: Sequence[str]) -> int | None:
    """The place of the column that says where images lie, in whatever letters; or None."""
    plain = [name.strip().lower() for name in names]
    return next((plain.index(name) for name in PATH_COLUMNS if name in plain), None)


def _listed(place: str, paths: Iterable[str]) -> Found:
    """Files and URLs by their paths, which are relative to the folder that the list lies in."""
    base = place.rpartition("/")[0] if is_url(place) else str(with_home(place).absolute().parent)
    for number, path in enumerate(paths, start=1):
        if not path.strip():
            raise DataError(f"{printable(place)}: row {number} has no path")
        slashed = path.strip().replace("\\", "/")
        whole = slashed if is_url(slashed) or slashed.startswith("/") else f"{base}/{slashed}"
        yield Item(printable(slashed), whole, _stamp_if_there(whole))


def _stamp_if_there(place: str) -> str:
    """That a listed file is not there is found when it is read, and said in its row."""
    try:
        return _stamp_of(place)
    except FileNotFoundError:
        return ABSENT


def _stamp_of(place: str) -> str:
    if is_url(place):
        system, path = file_system(place)
        return _stamp(system.info(path))
    stated = with_home(place).stat()
    return f"{stated.st_size}:{stated.st_mtime_ns}"


def _stamp(info: Any) -> str:
    """Of object storage: the size, and what else it tells a new version by."""
    version = next((info[key] for key in ("ETag", "etag", "LastModified", "mtime", "created") if info.get(key)), "")
    return f"{info.get('size')}:{version}"


def _absolute(place: str) -> str:
    return place if is_url(place) else str(with_home(place).absolute())


def _opened(place: str) -> Any:
    if not is_url(place):
        return with_home(place).open("rb")
    system, path = file_system(place)
    return system.open(path, "rb")


def _unlistable(place: str, error: Exception) -> DataError:
    reason = getattr(error, "strerror", None) or first_line(error)
    if isinstance(error, FileNotFoundError):
        reason = "there is no such file or folder"
    hint = (
        "is it there, and may this account read it" if is_url(place) else "look at its access rights, or copy it again"
    )
    return DataError(
        f"{printable(place)}: cannot be listed ({printable(reason)}); {hint}{'?' if is_url(place) else ''}"
    )
