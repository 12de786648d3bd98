import importlib.metadata
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from hizumi import cli, errors
from hizumi.cli import app as app_module

COMMANDS = ["demo", "fit", "inspect", "evaluate", "compare", "calibrate", "info", "list", "doctor"]


def cpu_seconds(*arguments: str) -> float:
    """CPU time of one child process. Other children of this process must not run meanwhile."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "hizumi", *arguments], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("arguments", [["--help"], ["fit", "--help"], ["--version"]])
def test_help_is_fast(arguments):
    assert min(cpu_seconds(*arguments) for _ in range(2)) < 0.5


def test_help_names_every_command(hizumi):
    for arguments in [["--help"], []]:
        outcome = hizumi(*arguments)
        assert outcome.code == 0
        assert set(COMMANDS) <= set(outcome.out.split("Commands:")[1].split())


@pytest.mark.parametrize("group", [[], ["model"], ["station"]])
def test_what_commands_do_is_said_in_a_line(hizumi, group):
    listed = hizumi(*group, "--help").out.split("Commands:")[1]
    assert "..." not in listed
    assert len(listed.splitlines()) == len(set(listed.splitlines()))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_help(command, hizumi):
    outcome = hizumi(command, "--help")
    assert outcome.code == 0
    descriptions = re.split(r"\n  -", outcome.out)[1:]
    assert all(len(text.split()) > 3 for text in descriptions), descriptions


def test_help_puts_options_under_headings(hizumi):
    sections = dict(re.findall(r"^([A-Z][\w ]+):\n((?:  .*\n|\n(?=  ))+)", hizumi("fit", "--help").out, re.MULTILINE))
    assert list(sections)[:3] == ["Arguments", "Options", "Images"]
    for heading, option in [
        ("Options", "--preset"),
        ("Images", "--align"),
        ("Threshold", "--false-alarm-rate"),
        ("Data", "--good"),
        ("Tables", "--one-hot"),
        ("Time series", "--missing"),
        ("Run", "--strict"),
    ]:
        assert [name for name, text in sections.items() if f"  {option}" in text] == [heading]
    assert "\nArchives:\n" in hizumi("inspect", "--help").out


@pytest.mark.parametrize("command", [*COMMANDS, "station token"])
def test_arguments_are_shown_without_names_of_types(command, hizumi):
    usage, _, rest = hizumi(*command.split(), "--help").out.partition("\n\n")
    arguments = rest.partition("Arguments:\n")[2].partition("\n\n")[0]
    assert "<" not in arguments
    assert "[[" not in usage
    assert all(word.isupper() for word in re.findall(r"{(.*?)}", usage))


def test_version(hizumi):
    assert hizumi("--version").out == f"hizumi {importlib.metadata.version('hizumi')}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["inspct"], "Did you mean 'inspect'"),
        (["doctor", "--jsn"], "Possible options: --json"),
        (["fit"], "Missing argument"),
        (["fit", "digits", "--seed", "many"], "--seed"),
        (["doctor", "more"], "unexpected extra argument"),
    ],
)
def test_misuse_is_one_line_and_code_2(arguments, said, hizumi):
    outcome = hizumi(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert said in outcome.err
    assert outcome.err.count("\n") == 1
    assert "hizumi" in outcome.err.split("(see ")[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["compare", "digits", "-d", "pca", "--detectors", "mahalanobis"], "--detectors/-d was given 2 times"),
        (["compare", "digits", "-d", "pca", "-d", "mahalanobis"], "give it once, with commas"),
        (["inspect", "a.hizumi", "b", "--recursive", "--no-recursive"], "--recursive/--no-recursive"),
        (["model", "sample", "a.hizumi", "b", "--count", "2", "--count", "3"], "--count"),
        (["station", "export", "a", "-o", "b", "-o", "c"], "-o"),
    ],
)
def test_an_option_given_twice_is_refused(arguments, said, hizumi):
    outcome = hizumi(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert said in outcome.err
    assert "of which only the last would count" in outcome.err
    assert outcome.err.count("\n") == 1


def test_one_that_may_be_repeated_is_not(hizumi):
    assert "may be repeated" in hizumi("model", "sample", "--help").out.replace("\n", " ")
    outcome = hizumi("model", "sample", "absent.hizumi", "out", "--kind", "a", "--kind", "b")
    assert "absent.hizumi" in outcome.err


def failing(monkeypatch, error):
    probe = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)

    @probe.callback()
    def root():
        pass

    @probe.command()
    def fail():
        raise error

    monkeypatch.setattr(app_module, "app", probe)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError("no detector is called 'x'"), 2),
        (errors.DataError("the folder is empty"), 2),
        (errors.BundleError("parts.hizumi is\ndamaged"), 2),
        (errors.NotFittedError("fit first"), 2),
        (errors.DivergedError("loss is nan"), 1),
        (errors.SaveError("no space left"), 1),
    ],
)
def test_errors_are_one_line_with_their_code(error, code, hizumi, monkeypatch):
    failing(monkeypatch, error)
    outcome = hizumi("fail")
    assert (outcome.code, outcome.out) == (code, "")
    assert outcome.err == f"Error: {str(error).replace(chr(10), ' ')}\n"


def test_errors_of_the_system_are_one_line_too(hizumi, monkeypatch):
    failing(monkeypatch, OSError(28, "No space left on device", "/cache/pixels"))
    outcome = hizumi("fail")
    assert outcome.code == 1
    assert outcome.err == "Error: No space left on device (/cache/pixels)\n"


def test_a_folder_in_place_of_a_bundle_is_told_the_order(hizumi, tmp_path):
    for arguments in (["inspect", tmp_path, "a.hizumi"], ["info", tmp_path], ["model", "sample", tmp_path, "out"]):
        outcome = hizumi(*map(str, arguments))
        assert outcome.code == 2
        assert outcome.err == f"Error: {tmp_path}: is a folder; the .hizumi file comes first, then the data\n"


def test_a_folder_that_was_deleted_around_a_command_is_said(tmp_path):
    gone = tmp_path / "gone"
    for command in ("fit digits -d pca", "list"):
        gone.mkdir()
        script = f"cd {gone} && rmdir {gone} && {sys.executable} -m hizumi {command}"
        ended = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=100)
        assert ended.returncode == 1
        assert ended.stderr == "Error: the folder in which this was started is gone; change to another one\n"


def test_interrupt(hizumi, monkeypatch):
    failing(monkeypatch, KeyboardInterrupt())
    outcome = hizumi("fail")
    assert outcome.code == 130
    assert outcome.err == "Interrupted.\n"


def test_a_bug_keeps_its_traceback(hizumi, monkeypatch):
    failing(monkeypatch, ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError, match="a bug"):
        app_module.main(["fail"])


@pytest.mark.parametrize("arguments", [["list", "--json", "-"], ["--help"]])
def test_a_reader_who_leaves_is_no_error(arguments):
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "hizumi", *arguments], stdout=write_end, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write_end)
    assert "Traceback" not in done.stderr
    assert "Broken pipe" not in done.stderr
    assert "Error" not in done.stderr


@pytest.mark.parametrize("arguments", [["list", "--json", "-"], ["list"], ["--help"]])
def test_closed_streams_are_no_error(arguments):
    command = [sys.executable, "-m", "hizumi", *arguments]
    done = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *command], stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_names_that_no_terminal_shows_do_not_stop_the_error(tmp_path):
    name = os.fsencode(tmp_path) + b"/\xff\xe3\x81\x82.hizumi"
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [os.fsencode(sys.executable), b"-m", b"hizumi", b"info", name],
        capture_output=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert done.stderr.startswith(b"Error: ")


def test_console_script_is_main():
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name="hizumi")
    assert entry.load() is cli.main


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_command_in_one_line_with_its_status(number: int, status: int):
    """Through typer, which makes one of both; in a process of its own, as its handlers are the system's."""
    waiting = (
        "import signal, sys, threading, typer\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from hizumi.cli import app, main\n"
        "app.app = typer.Typer()\n"
        "@app.app.command()\n"
        "def wait():\n"
        "    print('there', flush=True)\n"
        "    threading.Event().wait(20)\n"
        "main(['--'])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", waiting], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == "there\n"
        process.send_signal(number)
        assert (process.wait(20), process.stderr.read()) == (status, "Interrupted.\n")


def test_a_signal_while_the_command_line_is_imported_ends_it_in_one_line():
    early = (
        "import builtins, sys\n"
        "from hizumi.cli import main\n"
        "plain = builtins.__import__\n"
        "def interrupted(name, *others):\n"
        "    if name == 'typer':\n"
        "        raise KeyboardInterrupt\n"
        "    return plain(name, *others)\n"
        "builtins.__import__ = interrupted\n"
        "main(['--version'])\n"
    )
    done = subprocess.run([sys.executable, "-c", early], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Interrupted.\n")


def test_each_command_is_in_a_file_of_its_own():
    assert len(list(Path(app_module.__file__).parent.glob("*.py"))) > 5


@pytest.mark.parametrize(
    "shortage",
    [MemoryError("Unable to allocate 3 GiB"), RuntimeError("DefaultCPUAllocator: not enough memory: 9 bytes\nat 0x1")],
)
def test_a_shortage_of_memory_ends_in_one_line(shortage, monkeypatch, capsys):
    def exhausted(**_):
        raise shortage

    monkeypatch.setattr(app_module, "app", exhausted)
    with pytest.raises(SystemExit) as ended:
        app_module.main(["fit"])
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "there is not enough memory (" in line


@pytest.mark.parametrize("shortage", ["MemoryError()", "ShortageError('a fit needs more memory than there is')"])
def test_after_a_shortage_of_memory_nothing_is_done_that_could_crash(shortage):
    crash = (
        "import atexit, os, signal\n"
        "from hizumi.cli import app\n"
        "from hizumi.errors import ShortageError\n"
        "def exhausted(**_):\n"
        f"    raise {shortage}\n"
        "app.app = exhausted\n"
        "atexit.register(os.kill, os.getpid(), signal.SIGSEGV)\n"  # as libraries do that get no memory then
        "app.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", crash, "fit"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "memory" in done.stderr
