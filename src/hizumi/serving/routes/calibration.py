"""`/calibration`: where the limit lies, what another would do, and who moved it."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hizumi.calibration import Costs
from hizumi.calibration.rules import LEAST_RATE
from hizumi.errors import UsageError
from hizumi.serving.context import must_be, of
from hizumi.serving.language import Asked, sentences
from hizumi.serving.schemas import RecipeName, Sentence
from hizumi.station.evidence import RECALIBRATED, UNDONE, Evidence
from hizumi.station.guarantee import promised
from hizumi.station.recalibration import Choice, State, apply, preview, undo
from hizumi.station.recipe import Recipe
from hizumi.station.station import Station

router = APIRouter()

DRAWN = 2000  # scores at most in one histogram; more are thinned evenly
SHOWN_CHANGES = 50
Positive = Annotated[float, Field(gt=0, lt=1e12, allow_inf_nan=False)]
Proper = Annotated[float, Field(ge=LEAST_RATE, lt=1)]


class Wish(BaseModel):
    """Which limit is wished for, by one of: a threshold, a rate of false alarms, the costs that it follows from."""

    model_config = ConfigDict(extra="forbid", strict=True)

    recipe: RecipeName
    join: Literal["sample", "reviewed", "none", "keep"] = "sample"
    threshold: Annotated[float, Field(allow_inf_nan=False)] | None = None
    false_alarm_rate: Proper | None = None
    cost_miss: Positive | None = None
    cost_alarm: Positive | None = None
    defect_share: Proper | None = None

    def choice(self) -> Choice:
        """As recalibration takes it; raises UsageError where costs are not complete, or two set it."""
        costs = (self.cost_miss, self.cost_alarm, self.defect_share)
        if any(each is not None for each in costs) and None in costs:
            raise UsageError("costs take all three of cost_miss, cost_alarm and defect_share")
        if sum(each is not None for each in (self.threshold, self.false_alarm_rate, self.cost_miss)) > 1:
            raise UsageError("threshold, false_alarm_rate and costs each set the limit; give one of them")
        return Choice(
            join=self.join,
            false_alarm_rate=self.false_alarm_rate,
            threshold=self.threshold,
            costs=None if None in costs else Costs(*costs),  # type: ignore[arg-type]  # none is None
        )


class Signed(BaseModel):
    """Why something is done, and who does it where no token says so."""

    model_config = ConfigDict(extra="forbid", strict=True)

    why: Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"\S")]
    who: Annotated[str, StringConstraints(max_length=100)] = ""


class SignedWish(Wish, Signed):
    """A limit that is to be applied."""


class SignedRecipe(Signed):
    """A recipe whose last change is to be undone."""

    recipe: RecipeName


class SignedShare(SignedRecipe):
    """The share of inspections that chance is to choose for review."""

    share: Annotated[float, Field(ge=0, le=1)]


class CalibrationState(BaseModel):
    """The limit in use, the scores around it, and what was changed, newest first."""

    recipe: str
    bundle_sha256: str
    parent_sha256: str | None
    threshold: float
    rule: str
    false_alarm_rate: float | None
    promise: list[Sentence]
    held_out_images: int
    scores: list[float]
    good: list[float]
    defects: list[float]
    sample_share: float
    changes: list[dict[str, Any]]


class NowInUse(BaseModel):
    """The state that the recipe judges by from now on."""

    recipe: str
    bundle_sha256: str
    threshold: float


@router.get("/calibration", summary="The limit in use")
def state(
    request: Request, wording: Asked, recipe: Annotated[str | None, Query(max_length=64)] = None
) -> CalibrationState:
    """With the held-out scores it follows from, those of reviewed parts, and the audit trail of its changes."""
    station = of(request).station
    found = station.recipe(recipe)
    calibration = found.judge.inspector.calibration_
    recalibrated = found.judge.inspector.options_.get("recalibrated")
    reviewed = Evidence.gathered(station.log, found.name, found.judge.sha256, None, None).reviewed
    return CalibrationState(
        recipe=found.name,
        bundle_sha256=found.judge.sha256,
        parent_sha256=None if recalibrated is None else recalibrated["parent"],
        threshold=calibration.threshold.value,
        rule=calibration.rule,
        false_alarm_rate=calibration.followed_rate,
        promise=sentences(promised(calibration, "image", len(found.settings.views)), wording),
        held_out_images=len(calibration.scores),
        scores=calibration.scores[:: -(-len(calibration.scores) // DRAWN)].tolist(),
        good=[each.score for each in reviewed if each.label == "good"][:DRAWN],
        defects=[each.score for each in reviewed if each.label == "defect"][:DRAWN],
        sample_share=station.sample_share(found.name),
        changes=_changes(station, found.name),
    )


@router.post("/calibration/preview", summary="What another limit would do")
def previewed(request: Request, wish: Wish, wording: Asked) -> dict[str, Any]:
    """Which past verdicts would change, what becomes of reviewed parts, and what the new limit promises."""
    must_be(request, "read")
    station = of(request).station
    recipe = station.recipe(wish.recipe)
    views = len(recipe.settings.views)
    found = preview(station.log, recipe.judge.path, wish.choice(), recipe=recipe.name, views=views)
    return found.to_dict() | {"guarantee": sentences(found.guarantee, wording)}


@router.post("/calibration/apply", summary="Move the limit")
async def applied(request: Request, wish: SignedWish) -> NowInUse:
    """Make a bundle with the new limit, which names the one before, and judge by it from now on."""
    caller, station, choice = must_be(request, "admin"), of(request).station, wish.choice()
    recipe = station.recipe(wish.recipe)
    who = caller.signs_as(wish.who)

    def make(bundle: Path) -> State:
        return apply(station.log, station.shelf, bundle, choice, recipe=recipe.name, who=who, why=wish.why)

    return await _changed(station, recipe, make)


@router.post("/calibration/undo", summary="Take the last change back")
async def undone(request: Request, asked: SignedRecipe) -> NowInUse:
    """Judge by the bundle before from now on."""
    caller, station = must_be(request, "admin"), of(request).station
    recipe = station.recipe(asked.recipe)
    who = caller.signs_as(asked.who)

    def make(bundle: Path) -> State:
        return undo(station.shelf, bundle, recipe=recipe.name, who=who, why=asked.why)

    return await _changed(station, recipe, make)


@router.post("/calibration/sample", summary="Have chance choose what is reviewed")
def sampled(request: Request, asked: SignedShare) -> dict[str, float]:
    """From now on that share of inspections has to be reviewed whatever their scores; its good parts may calibrate."""
    caller, station = must_be(request, "admin"), of(request).station
    recipe = station.recipe(asked.recipe)
    station.set_audit_sample(recipe.name, asked.share, who=caller.signs_as(asked.who), why=asked.why)
    return {"share": station.sample_share(recipe.name)}


async def _changed(station: Station, recipe: Recipe, make: Callable[[Path], State]) -> NowInUse:
    judge = await station.exchange.recalibrate(recipe, make)
    threshold = judge.inspector.calibration_.threshold.value
    return NowInUse(recipe=recipe.name, bundle_sha256=judge.sha256, threshold=threshold)


def _changes(station: Station, recipe: str) -> list[dict[str, Any]]:
    events = [event for what in (RECALIBRATED, UNDONE) for event in station.log.audit(what=what)]
    own = sorted((event for event in events if event.details.get("recipe") == recipe), key=lambda e: e.happened_at)
    return [
        {
            "who": event.who,
            "what": event.what,
            "why": event.why,
            "details": event.details,
            "happened_at": event.happened_at.isoformat(),
        }
        for event in reversed(own[-SHOWN_CHANGES:])
    ]
