"""Freed memory is kept: the system hands out few fresh pages after the first ones. What stays is collected no more."""

import gc
import mmap
import platform
import subprocess
import sys

import pytest

from hizumi.memory import forget_peak, leave_out_of_collections, peak_memory

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


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count from the start of the process alone")
def test_a_peak_is_forgotten() -> None:
    def held(mebibytes: int) -> mmap.mmap:
        pages = mmap.mmap(-1, mebibytes * 2**20)  # goes back to the system when it is closed, whatever the allocator
        for _ in range(mebibytes):
            pages.write(bytes(2**20))
        return pages

    held(200).close()
    before = peak_memory()
    forget_peak()
    after = peak_memory()
    assert after < before - 150 * 2**20
    with held(100):
        assert peak_memory() > after + 90 * 2**20
