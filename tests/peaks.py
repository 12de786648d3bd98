"""How much memory a command takes, whatever the process that starts it takes itself."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

# What `wait4` says of a process is at least what its starter held, which may be a test run of many tests.
PROGRAM = """
import runpy, sys
from pathlib import Path
from hizumi.memory import peak_memory
told = Path(sys.argv.pop(1))
try:
    runpy.run_module("hizumi", run_name="__main__", alter_sys=True)
finally:
    told.write_text(str(peak_memory()))
"""


def output_and_peak(*arguments: object) -> tuple[str, float]:
    """What a command that ends well prints, and the most memory that it held at once, in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "bytes"
        words = [sys.executable, "-c", PROGRAM, str(told), *map(str, arguments)]
        settings = os.environ | {"NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(words, env=settings, stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout, int(told.read_text()) / 2**20
