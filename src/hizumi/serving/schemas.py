"""What the service takes and gives, as its OpenAPI document describes it."""

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

Text = Annotated[str, StringConstraints(max_length=2000)]
Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
RecipeName = Annotated[str, StringConstraints(max_length=64)]
LARGEST_COORDINATE = 1_000_000


def _of_digits(given: object) -> object:
    """A number in an address as it came; pydantic alone reads 1.000, a thousand to many people, as 1, and 1_0 as 10."""
    if isinstance(given, str) and not re.fullmatch("-?[0-9]+", given):
        raise PydanticCustomError("whole_number", "is no whole number; write digits alone, such as 50")
    return given


AskedNumber = Annotated[int, BeforeValidator(_of_digits)]
"""A whole number in an address."""


class Problem(BaseModel):
    """Why a request was not done."""

    model_config = ConfigDict(json_schema_extra={"example": {"error": "there is no recipe 'nuts'; there are bolts"}})

    error: str


class RegionBox(BaseModel):
    """The frame around one region of an alarm's map, in pixels of the picture."""

    left: int
    top: int
    width: int
    height: int
    area: int
    peak: float | None


class InspectionRecord(BaseModel):
    """One inspected picture. `anomalous` is null where it could not be judged, and `reason` says why."""

    id: str
    inspected_at: datetime
    station: str
    recipe: str
    source: str
    part: str
    view: str
    name: str
    picture_sha256: str
    bundle_sha256: str
    anomalous: bool | None
    reason: str
    score: float | None
    p_value: float | None
    threshold: float | None
    rule: str
    terms: dict[str, float | None]
    boxes: list[RegionBox]
    notes: list[str]
    latency_ms: float
    map_key: str | None
    normal_key: str | None
    map_peak: float | None
    sampled: bool
    pruned_at: datetime | None


class Inspected(InspectionRecord):
    """An inspection as it is answered; `kept` is false where the log could not take it."""

    kept: bool


class Inspections(BaseModel):
    """The answer to one request, in the order of its pictures."""

    inspections: list[Inspected]


class Counts(BaseModel):
    """Inspections by their verdict; `newest` are ids of the newest that were counted."""

    normal: int
    anomalous: int
    unjudged: int
    newest: list[str]


class ReviewRecord(BaseModel):
    """A person's word on an inspection; label null took earlier words back."""

    inspection_id: str
    label: Literal["good", "defect", "unsure"] | None
    who: str
    kind: str
    note: str
    regions: list[list[tuple[float, float]]] | None
    made_at: datetime


class InspectionPage(BaseModel):
    """Some inspections, newest first, each with the review that counts; `next` leads to the page after."""

    inspections: list[InspectionRecord]
    reviews: dict[str, ReviewRecord]
    next: str | None


class InspectionDetail(BaseModel):
    """One inspection, and all that was said of it, the newest last."""

    inspection: InspectionRecord
    reviews: list[ReviewRecord]


Coordinate = Annotated[float, Field(strict=True, ge=-LARGEST_COORDINATE, le=LARGEST_COORDINATE, allow_inf_nan=False)]
Corner = tuple[Coordinate, Coordinate]
Polygon = Annotated[list[Corner], Field(min_length=3, max_length=1000)]


class NewReview(BaseModel):
    """A word on an inspection; label null takes earlier words back."""

    model_config = ConfigDict(extra="forbid")

    inspection_id: Id
    label: Literal["good", "defect", "unsure"] | None
    kind: Annotated[str, StringConstraints(max_length=100)] = ""
    note: Text = ""
    regions: (
        Annotated[list[Annotated[list[Corner], Field(min_length=3, max_length=1000)]], Field(max_length=100)] | None
    ) = None
    who: Annotated[str, StringConstraints(max_length=100)] = ""


class Sentence(BaseModel):
    """One thing that is said, and what it is made of; `words` are in the language that was asked for."""

    code: str
    figures: dict[str, float]
    words: str


class RecipeRecord(BaseModel):
    """A recipe and what it judges by; null are a rate where its rule asks for none, and a bundle that never was."""

    name: str
    bundle_sha256: str
    detector: str
    parts: list[str]
    views: list[str]
    threshold: float
    rule: str
    false_alarm_rate: float | None
    promise: list[Sentence]
    held_out_images: int
    bundle_before: str | None
    has_region: bool
    is_aligned: bool


class Health(BaseModel):
    """That the service answers."""

    status: Literal["ok"] = "ok"
    version: str


Backlog = Annotated[list[int], Field(min_length=2, max_length=2, description="Messages that wait, and abandoned ones.")]


class Readiness(BaseModel):
    """Whether pictures are taken now, and what could not be kept since the start."""

    ready: bool
    in_flight: int
    waiting_limit: int
    entries_not_kept: int
    pictures_not_kept: int
    reason: str
    deliveries: dict[str, Backlog]
    delivery_troubles: Annotated[
        dict[str, str], Field(description="Why the last delivery failed, of sinks whose last one did.")
    ]
    sources: dict[str, str]


class SystemState(BaseModel):
    """What the station is and how it does."""

    station: str
    version: str
    you: str
    role: Literal["read", "review", "admin"]
    readiness: Readiness
    recipes: list[RecipeRecord]


class QueuedInspection(BaseModel):
    """An inspection that waits for a person, and what speaks for looking at it, the most first."""

    inspection: InspectionRecord
    reasons: list[Literal["sampled", "unjudged", "doubt", "disagreement", "novelty"]]
    doubt: float
    disagreement: float
    novelty: float


class ReviewQueue(BaseModel):
    """What is to be reviewed next, the first first."""

    items: list[QueuedInspection]
