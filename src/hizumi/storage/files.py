"""Regular files opened for reading, atomic file writes, and text made safe for terminals and for UTF-8."""

import errno
import os
import re
import shutil
import stat
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import BinaryIO

from hizumi.errors import SaveError, UsageError

_SURROGATES = re.compile("[\ud800-\udfff]")
_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

LOOKED_AT = 4096  # bytes of a file, by which text is told from all else
RUN_SUFFIX, REQUEST = ".run", "request.json"  # a run's folder, and what in it says what was asked for

BinaryFile = BinaryIO | BytesIO
"""A file to read bytes from; one in memory has neither name nor mode, and is no BinaryIO to checks at run time."""


class NotRegularError(OSError):
    """A pipe, a device or a socket was to be opened for reading."""


def with_home(path: str | Path) -> Path:
    """The path with the home folder for ~; as it is where there is no such user."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - that of pathlib raises RuntimeError


def is_run_folder(folder: Path) -> bool:
    """Whether this is where a run keeps its checkpoints and pictures."""
    return folder.suffix == RUN_SUFFIX and (folder / REQUEST).is_file()


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading; raises OSError at once for a folder, pipe, device or socket.

    The kind is that of the open descriptor, so a file cannot be exchanged between the check and the opening.
    """
    try:
        file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115 - the caller closes it
    except OSError as error:
        if error.errno == errno.ENXIO:  # what opening a socket gives
            raise _not_regular(path) from error
        raise
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise _not_regular(path)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a temporary file, flush it to disk and rename it to `path`, which keeps its old content until then."""
    with atomic_file(path) as file:
        file.write(content)


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A file to be written piece by piece; it becomes `path` at the end, and is removed after any error."""
    given, path = path, path.resolve()  # a link is kept: the file that it points to is replaced
    temporary = path.with_name(_temporary_name())
    try:
        # A pipe or a device is written to, never replaced; links to pipes, such as /dev/stdout, lead to no name.
        if given.exists() and not given.is_file():
            with given.open("wb") as special:
                yield special
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _flush_folder(path.parent)
    except SaveError:  # of another file, which is written meanwhile
        raise
    except OSError as error:
        raise save_error(str(path), error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def move_beside(path: Path, target: Path) -> None:
    """Move a file, or a link as it is, to `target`, or where there is something to a name with a number in it.

    Nothing is overwritten, whoever else moves files there meanwhile. Raises OSError; then the file lies where it was,
    and nothing of it at the target.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        _renamed(path, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _carry_over(path, target)


def refuse_unwritable(path: Path) -> None:
    """Raise SaveError where no file can be written to `path`: before the work, not after it. Leaves nothing behind."""
    try:
        is_folder, is_special = path.is_dir(), path.exists() and not path.is_file()
    except OSError as error:  # such as a name that is too long
        raise _unwritable(path, error) from error
    if is_folder:
        raise SaveError(f"cannot write {printable(path)}: that is a folder; name a file in it")
    if not is_special:  # a pipe or a device is written to as it is
        refuse_unwritable_folder(path.resolve().parent)


def refuse_unwritable_folder(folder: Path) -> None:
    """Raise SaveError where no file can be written into a folder, which may be missing yet. Leaves nothing behind."""
    try:
        folder = folder.resolve()
        trial = next(place for place in (folder, *folder.parents) if place.exists()) / _temporary_name()
        trial.mkdir()
        trial.rmdir()
    except OSError as error:
        raise _unwritable(folder, error) from error


def refuse_over_inputs(inputs: Iterable[str | Path], **results: str | Path | None) -> None:
    """Make sure that no result, by the name of its option, takes the place of what is read, or comes to lie among it.

    A folder of results is refused where it is a folder that is read: its pictures would be read next time.
    """
    read = {with_home(given).resolve() for given in inputs}
    for option, place in results.items():
        if place is not None and place != "-" and Path(place).resolve() in read:
            what = "where images are read from" if Path(place).is_dir() else "what is read, and would be lost"
            raise UsageError(f"--{option} {printable(place)} is {what}; name another place")


def refuse_unwritable_text(file: str | Path) -> None:
    """Make sure that text can be written to a file, or standard output (-), over nothing that holds other than text."""
    if str(file) == "-":
        return
    path = Path(file)
    refuse_unwritable(path)
    if path.is_file():
        with open_regular(path) as already_there:
            if b"\0" in already_there.read(LOOKED_AT):
                raise UsageError(f"{printable(file)} holds an image, a bundle or the like, not text; name another file")


def save_error(where: str, error: OSError) -> SaveError:
    """A SaveError that says why `where` could not be written, and what to do."""
    reason = (error.strerror or str(error)).lower()
    return SaveError(f"could not write {printable(where)}: {reason}; free space there, or choose another place")


def printable(text: object) -> str:
    r"""Text that any screen can show: bytes of a name that are not UTF-8 become \xff, control characters \x0a."""
    return _INVISIBLE.sub(_escape, str(text))


def first_line(error: BaseException) -> str:
    """What an error says first, printable; its type where it says nothing."""
    lines = (line.strip() for line in str(error).splitlines())
    return printable(next(filter(None, lines), type(error).__name__))


def few(texts: Sequence[object], most: int) -> str:
    """Texts for a message, printable: the first few of many, and how many more there are."""
    shown = ", ".join(map(printable, texts[:most]))
    return shown if len(texts) <= most else f"{shown} and {len(texts) - most} more"


def encodable(text: str) -> str:
    """Escape the surrogates in a text, which UTF-8 cannot encode."""
    return _SURROGATES.sub(_escape, text)


def _open_at_once(path: str, flags: int) -> int:
    # Without O_NONBLOCK, opening a pipe waits for whoever writes to it, perhaps for ever.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _not_regular(path: Path) -> NotRegularError:
    return NotRegularError(errno.EINVAL, "is a pipe, device or socket, not a regular file", str(path))


def _temporary_name() -> str:
    return f".hizumi-{uuid.uuid4().hex}.tmp"


def _carry_over(path: Path, target: Path) -> None:
    """Move to another file system, where the file gets its name once it is there in whole."""
    temporary = target.with_name(_temporary_name())
    try:
        shutil.copy2(path, temporary, follow_symlinks=False)
        if not temporary.is_symlink():
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        copy = _renamed(temporary, target)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    _flush_folder(target.parent)
    try:
        path.unlink()
    except OSError:
        copy.unlink()  # or each attempt would leave one more
        raise


def _renamed(path: Path, target: Path) -> Path:
    """The name that the file got."""
    name = _reserved(target)
    try:
        return path.replace(name)
    except BaseException:
        name.unlink()
        raise


def _reserved(target: Path) -> Path:
    """An empty file of that name, or of one with a number before the suffix."""
    number, name = 1, target
    while True:
        try:
            name.touch(exist_ok=False)
        except FileExistsError:
            number += 1
            name = target.with_stem(f"{target.stem}-{number}")
        else:
            return name


def _unwritable(path: Path, error: OSError) -> SaveError:
    reason = (error.strerror or str(error)).lower()
    return SaveError(f"cannot write {printable(path)}: {reason}; name another place")


def _flush_folder(folder: Path) -> None:
    # The rename itself must survive a power cut; not every system lets a folder be opened.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # surrogateescape: a byte of a file name that is not UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
