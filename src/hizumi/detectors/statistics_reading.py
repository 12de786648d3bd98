"""Estimating statistics from batches that become smaller where memory runs out."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from hizumi.data.stream import BATCH_SIZE, Batches, at_once
from hizumi.errors import ShortageError, is_shortage

if TYPE_CHECKING:
    from lightning_fabric import Fabric

ITEMS_AT_ONCE = (BATCH_SIZE, 8, 1)


def estimated(estimate: Callable[[], None], name: str, source: Batches, fabric: "Fabric") -> None:
    """Call what reads a source in order; where memory runs out, anew with fewer items at a time, down to one.

    Then ShortageError is raised, as it is at once where several processes estimate together: the others wait for this
    one's part.
    """
    sizes = ITEMS_AT_ONCE if fabric.world_size == 1 else ITEMS_AT_ONCE[:1]
    for items in sizes:
        try:
            with at_once(items):
                estimate()
            return
        except Exception as error:  # libraries raise their own types where memory runs out
            if not is_shortage(error):
                raise
            if items == sizes[-1]:
                what = f"fitting the statistics of {name} on {len(source)} items of {'x'.join(map(str, source.shape))}"
                raise ShortageError.of(error, what, "fit on fewer or smaller items") from error
