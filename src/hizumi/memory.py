"""What the C library does with memory that was freed, and what Python's garbage collector looks at."""

import ctypes
import gc
import sys

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
