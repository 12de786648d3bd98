"""What a user may say about data that are about to be opened."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hizumi.data.columns import TableForm
from hizumi.data.labels import NormalClass
from hizumi.errors import UsageError, refuse_repeated

Layout = Literal["auto", "flat", "kinds", "splits", "classes", "unlabelled"]
"""How folders are understood; see `hizumi.data.layouts`."""


@dataclass(frozen=True)
class SourceOptions:
    """How data are to be understood, beyond what they show themselves; see `open_source`."""

    normal_class: NormalClass = None
    motion: bool = False
    good: tuple[str, ...] = ()
    good_before: tuple[str, ...] = ()  # of the data that were learned from
    layout: Layout = "auto"
    recursive: bool = True
    label_column: str | None = None
    id_column: str | None = None
    ignore: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    one_hot: bool = False
    impute: bool = False
    table: TableForm | None = None
    channels: Literal["first", "last"] | None = None
    image_channels: int | None = None

    def __post_init__(self) -> None:
        refuse_contradiction(self.columns, self.ignore)


def refuse_contradiction(columns: Sequence[str], ignore: Sequence[str]) -> None:
    """Raise UsageError for a column that is to be measured and left out, or that is named twice."""
    refuse_repeated(columns, "--columns (`columns`)")
    refuse_repeated(ignore, "--ignore (`ignore`)")
    if both := [name for name in columns if name in ignore]:
        raise UsageError(f"--columns (`columns`) and --ignore (`ignore`) both name {both[0]!r}; name it in one of them")
