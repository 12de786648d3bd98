"""Freed memory is kept: the system hands out few fresh pages after the first ones. What stays is collected no more."""

import gc
import platform
import subprocess
import sys

import pytest

from hizumi.memory import leave_out_of_collections

COUNT = """
import resource, sys
from hizumi.memory import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
size = 40_000_000
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    b'x' * size
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only the GNU C library can be asked")
def test_blocks_of_forty_megabytes_are_used_again() -> None:
    faults = {
        how: int(subprocess.run([sys.executable, "-c", COUNT, how], capture_output=True, text=True, check=True).stdout)
        for how in ("kept", "returned")
    }
    pages = 40_000_000 / 4096
    assert faults["kept"] < 5 * pages
    assert faults["returned"] > 15 * pages


def test_what_there_is_is_left_out_of_collections() -> None:
    try:
        leave_out_of_collections()
        assert len(gc.get_objects()) < gc.get_freeze_count() / 100
    finally:
        gc.unfreeze()
