"""What a user may say about data that are about to be opened."""

from dataclasses import dataclass
from typing import Literal

from hizumi.data.labels import NormalClass


@dataclass(frozen=True)
class SourceOptions:
    """How data are to be understood, beyond what they show themselves; see `open_source`."""

    normal_class: NormalClass = None
    motion: bool = False
    channels: Literal["first", "last"] | None = None
