"""What must fail does so before torch is imported, which takes seconds."""

import os
import signal
import subprocess
import sys

import pytest

from hizumi.cli import app

RUN = """
import sys
from hizumi.cli import main
try:
    main(sys.argv[1:])
finally:
    print(sorted({"torch", "sklearn", "scipy"} & set(sys.modules)))
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate", "missing.hizumi", "data"],
        ["inspect", "missing.hizumi", "data"],
        ["calibrate", "missing.hizumi", "--rule", "quantile"],
        ["export", "missing.hizumi"],
        ["info", "missing.hizumi"],
        ["model", "sample", "missing.hizumi"],
    ],
    ids=" ".join,
)
def test_a_missing_bundle_is_named_before_torch_is_imported(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "Error: missing.hizumi: cannot be read: No such file or directory\n"
    assert done.stdout == "[]\n"


def test_sigterm_ends_as_ctrl_c_does_with_a_status_of_its_own(hizumi, monkeypatch):
    monkeypatch.setattr(app, "app", lambda **_: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    outcome = hizumi("info", "any")
    assert (outcome.code, outcome.err) == (143, "Interrupted.\n")
    assert signal.getsignal(signal.SIGTERM) is before
