"""The command line as a whole: its commands, its exit codes, and one line for whatever goes wrong."""

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from hizumi.cli import (
    archive,
    bundle,
    catalogue,
    compare,
    demo,
    doctor,
    evaluate,
    export,
    figure,
    fit,
    inspect,
    model,
    reproduce,
    serve,
    station,
    tune,
)
from hizumi.cli.strict import Application
from hizumi.errors import HizumiError, ShortageError, amount_wanted, is_shortage
from hizumi.memory import keep_freed_memory
from hizumi.storage.files import printable
from hizumi.storage.streams import leave_quietly, prepare_streams

INTERRUPTED, TERMINATED = 130, 143  # what shells report after Ctrl-C, and after SIGTERM

app = Application(
    name="hizumi",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help takes a third of the time
)
for command in (
    demo.demo,
    fit.fit,
    inspect.inspect,
    archive.merge,
    evaluate.evaluate,
    compare.compare,
    tune.tune,
    bundle.calibrate,
    export.export,
    bundle.info,
):
    app.command()(command)
app.add_typer(model.app, name="model")
app.command()(serve.serve)
app.add_typer(station.app, name="station")
app.command("list")(catalogue.list_methods)
app.command()(reproduce.reproduce)
app.command()(figure.figure)
app.command()(doctor.doctor)
GROUPS = [[group.name] for group in app.registered_groups]  # which without a command of theirs show their help


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit: 0 done, 1 a failed run, 2 bad usage or input, 130 or 143 interrupted."""
    keep_freed_memory()
    prepare_streams()
    try:
        with _ended_cleanly_by_sigterm() as received:
            code = _run(arguments)
            if received and code == INTERRUPTED:  # as typer calls it, whichever signal it was
                code = TERMINATED
        sys.stdout.flush()
    except BrokenPipeError:
        code = leave_quietly()
    except Exception as error:
        if not is_shortage(error):
            raise
        code = _say_shortage(error)
        if arguments is None:  # the process is ours
            _leave_at_once(code)
    sys.exit(code)


@contextmanager
def _ended_cleanly_by_sigterm() -> Iterator[list[int]]:
    """SIGTERM cleans up as Ctrl-C does; gives the signals of its kind that have come."""
    received: list[int] = []

    def terminate(number: int, *_: object) -> NoReturn:
        received.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # which alone may set handlers
        yield received
        return
    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield received
    finally:
        signal.signal(signal.SIGTERM, before)


def _show_version(asked: bool) -> bool:
    if asked:
        from hizumi.version import __version__

        typer.echo(f"hizumi {__version__}")
        raise typer.Exit
    return asked


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Learn what normal looks like, then find, locate and show what is not.

    Start with `hizumi demo`, or with a folder of images of good parts:
    `hizumi fit FOLDER -o parts.hizumi`, then `hizumi inspect parts.hizumi NEW_IMAGES`.
    """


def _run(arguments: Sequence[str] | None) -> int:
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments in GROUPS:
        arguments.append("--help")
    try:
        Path.cwd()  # libraries crash where there is none
    except FileNotFoundError:
        return _say_error("the folder in which this was started is gone; change to another one", 1)
    try:
        code = app(args=arguments, prog_name="hizumi", standalone_mode=False)
    except ShortageError:
        raise
    except HizumiError as error:
        if isinstance(error.__cause__, BrokenPipeError):
            return leave_quietly()
        return _say_error(str(error), error.exit_code)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        advice = f" (see {context.command_path} --help)" if context else ""
        return _say_error(error.format_message().rstrip(".") + advice, error.exit_code)
    except OSError as error:  # the disk is full, a folder is not ours: not what hizumi can help, and not its bug
        if isinstance(error, BrokenPipeError) or is_shortage(error):
            raise
        place = f" ({error.filename})" if error.filename else ""
        return _say_error(f"{error.strerror or error}{place}", 1)
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    if code == INTERRUPTED:
        typer.echo("Interrupted.", err=True)
    return code if isinstance(code, int) else 0


def _say_error(message: str, code: int) -> int:
    label = typer.style("Error:", fg="red", bold=True)
    typer.echo(f"{label} {printable(' '.join(message.split()))}", err=True)
    return code


def _say_shortage(error: Exception) -> int:
    if isinstance(error, ShortageError):
        return _say_error(str(error), error.exit_code)
    advice = "use smaller images or batches (--image-size, --batch-size), or free some"
    return _say_error(f"there is not enough memory{amount_wanted(error)}; {advice}", ShortageError.exit_code)


def _leave_at_once(code: int) -> NoReturn:
    # What libraries do at the end of a process takes memory too, and some crash where they get none.
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)
