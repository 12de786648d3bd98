"""Which inspections are meant."""

from datetime import datetime
from typing import TypedDict

from sqlalchemy import ColumnElement, Select, func, or_, select

from hizumi.errors import UsageError
from hizumi.station.log.columns import storable
from hizumi.station.log.records import Label
from hizumi.station.log.tables import inspections, reviews

SEARCHED = (inspections.c.name, inspections.c.part, inspections.c.recipe)


class Filter(TypedDict, total=False):
    """Conditions that all have to hold; one that is left out, or None, always does.

    `judged` is False for pictures that could not be read. `label` is of the newest review, and `reviewed` whether there
    is one that was not taken back. `since` is included, `until` is not. `text` occurs in name, part or recipe, in any
    case. `kept` is whether retention has left the pictures.
    """

    recipe: str | None
    part: str | None
    bundles: tuple[str, ...] | None
    anomalous: bool | None
    judged: bool | None
    reviewed: bool | None
    label: Label | None
    sampled: bool | None
    kept: bool | None
    since: datetime | None
    until: datetime | None
    text: str | None


def conditions(filters: Filter) -> list[ColumnElement[bool]]:
    """The filters in SQL; raises UsageError for one that there is not."""
    return [_condition(name, value) for name, value in filters.items() if value is not None]


def newest_reviews() -> Select[tuple[int]]:
    """The number of each inspection's newest review."""
    return select(func.max(reviews.c.number)).group_by(reviews.c.inspection_id)


def may_lose_pictures() -> list[ColumnElement[bool]]:
    """Inspections that have pictures, were not reviewed, and need not be."""
    return conditions({"kept": True, "reviewed": False, "sampled": False})


def between(
    column: ColumnElement[datetime], since: datetime | None, until: datetime | None
) -> list[ColumnElement[bool]]:
    """From `since`, which is included, to `until`, which is not."""
    after = [] if since is None else [column >= since]
    return after if until is None else [*after, column < until]


def _condition(name: str, value: object) -> ColumnElement[bool]:
    rows = inspections.c
    match name, value:
        case "recipe" | "part" | "sampled" | "anomalous", _:
            return rows[name] == value
        case "bundles", tuple():
            return rows.bundle_sha256.in_(value)
        case "judged", bool():
            return rows.anomalous.is_not(None) if value else rows.anomalous.is_(None)
        case "kept", bool():
            return rows.pruned_at.is_(None) if value else rows.pruned_at.is_not(None)
        case "reviewed", bool():
            known = _labelled(reviews.c.label.is_not(None))
            return rows.id.in_(known) if value else rows.id.not_in(known)
        case "label", _:
            return rows.id.in_(_labelled(reviews.c.label == value))
        case "since", datetime():
            return rows.inspected_at >= value
        case "until", datetime():
            return rows.inspected_at < value
        case "text", str():
            return or_(*(column.icontains(storable(value), autoescape=True) for column in SEARCHED))
    raise UsageError(f"inspections cannot be filtered by {name}; {', '.join(Filter.__annotations__)} are possible")


def _labelled(condition: ColumnElement[bool]) -> Select[tuple[str]]:
    return select(reviews.c.inspection_id).where(reviews.c.number.in_(newest_reviews()), condition)
