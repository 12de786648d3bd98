"""What a user may say about time series that are about to be opened."""

from dataclasses import dataclass
from typing import Any, Literal, Self

from hizumi.data.options import Layout, refuse_contradiction
from hizumi.data.series.form import DateOrder
from hizumi.errors import UsageError

NO_SERIES_LEARNED = "leave it out, since the bundle has learned from none"
Missing = Literal["refuse", "interpolate", "hold"]
"""What becomes of missing values: an error, a straight line between their neighbours, or the value before them."""


@dataclass(frozen=True)
class SeriesOptions:
    """How recordings are to be understood, beyond what they show themselves; see `open_recordings`.

    A window has `length` steps, and the next one shares the part `overlap` of it, from 0 up to but not 1; None chooses
    both by the autocorrelation. `columns`, or all but those to `ignore`, are measured; `label_column` labels steps, the
    words in `good` being normal, and `time_column` holds their time stamps, with dates in the `date_order` where these
    do not show it. `group_column` tells apart the recordings in one table. Steps become `resample_seconds` long; None
    leaves them. Without `recursive`, folders in a folder are left out; `good` and `layout` also say what folders mean.
    """

    length: int | None = None
    overlap: float | None = None
    label_column: str | None = None
    time_column: str | None = None
    date_order: DateOrder | None = None
    group_column: str | None = None
    ignore: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    resample_seconds: float | None = None
    missing: Missing = "refuse"
    good: tuple[str, ...] = ()
    layout: Layout = "auto"
    recursive: bool = True

    def __post_init__(self) -> None:
        refuse_contradiction(self.columns, self.ignore)

    @classmethod
    def as_typed(cls, *, is_series: bool, remedy: str, **given: Any) -> Self | None:
        """From options of a command line, by their names there; None of what is no series.

        Raises UsageError where anything is said of what is none, with the remedy.
        """
        said = {name: value for name, value in given.items() if value is not None}
        if not is_series:
            if said:
                raise UsageError(f"--{next(iter(said)).replace('_', '-')} is for time series; {remedy}")
            return None
        if isinstance(names := said.get("ignore"), str):
            said["ignore"] = tuple(name.strip() for name in names.split(","))
        return cls(**{{"resample": "resample_seconds"}.get(name, name): value for name, value in said.items()})
