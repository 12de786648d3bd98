"""How much memory there is, and what the C library and Python's garbage collector do with it."""

import ctypes
import gc
import math
import os
import sys
from contextlib import suppress
from pathlib import Path

from hizumi.errors import ShortageError

LARGEST_KEPT = 256 * 2**20  # bytes of a block that is taken from the heap; larger ones go back to the system
KEPT_IN_ALL = 2**30  # bytes, free at the heap's end
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # mallopt(3)


def keep_freed_memory() -> bool:
    """Let the process keep up to a gigabyte of freed memory instead of returning it; False where it cannot be asked to.

    Of the GNU C library, large blocks are otherwise fresh pages from the system each time, which it fills with zeros
    first: a third of the time that a batch of images takes. The command line asks for this. In Python it is yours to
    call, once and early, as it concerns everything else in the process.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries of Linux have none
    return bool(mallopt and mallopt(_M_MMAP_THRESHOLD, LARGEST_KEPT) and mallopt(_M_TRIM_THRESHOLD, KEPT_IN_ALL))


def leave_out_of_collections() -> None:
    """Have Python's garbage collector never again look at what there is now.

    Looking through all modules stops every thread for a tenth of a second, every few hundred pictures of a service. To
    be called once what stays has been loaded; of it, what later dies in a cycle is never freed.
    """
    gc.collect()
    gc.freeze()


def free_bytes() -> float:
    """Bytes that this process may still take, by the system, its control group and its own limits; else infinity."""
    free = [math.inf]
    with suppress(OSError, ValueError, StopIteration):
        free.append(_stated_bytes("/proc/meminfo", "MemAvailable"))
    with suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        free.append(int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    return min(*free, free_addresses())


def free_addresses() -> float:
    """Bytes that this process may still map, by the limit of its address space (`ulimit -v`); infinity without one."""
    with suppress(ImportError, OSError):
        import resource  # which Windows has not

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY:
            return limit - int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    return math.inf


def refuse_beyond_free(needed: int, what: str, advice: str) -> None:
    """Raise ShortageError for what needs more bytes than are free, before anything asks for them."""
    if needed > free_bytes():
        gibibytes = -(-needed // 2**30)
        raise ShortageError(f"{what} takes {gibibytes:,} GiB of memory, more than is free; {advice}")


def peak_memory() -> int:
    """Bytes that this process has held at once; where only `getrusage` says it, at least those of its starter."""
    with suppress(OSError, StopIteration):
        return _stated_bytes("/proc/self/status", "VmHWM")
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def forget_peak() -> None:
    """Count the most that this process holds at once from here on, where the system lets it."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def resident_bytes() -> int:
    """Bytes that this process holds now; where the system does not say, the most that it has held."""
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return peak_memory()


def _stated_bytes(path: str, name: str) -> int:
    lines = Path(path).read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(name)).split()[1])
