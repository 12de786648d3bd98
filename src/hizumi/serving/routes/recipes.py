"""`/recipes`: what the station judges by, and another bundle in its place."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Request

from hizumi.serving.context import must_be, of
from hizumi.serving.language import Asked, sentences
from hizumi.serving.schemas import RecipeRecord
from hizumi.station.languages import Wording
from hizumi.station.recipe import Recipe, bundle_before
from hizumi.station.station import Station

router = APIRouter()

Name = Annotated[str, Path(max_length=64)]


@router.get("/recipes", summary="What the station judges by")
def recipes(request: Request, wording: Asked) -> list[RecipeRecord]:
    """All recipes, in the order of the station file."""
    station = of(request).station
    return [recipe_record(station, recipe, wording) for recipe in station.recipes.values()]


@router.post("/recipes/{name}/reload", summary="Load the bundle's file anew")
async def reload(request: Request, name: Name, wording: Asked) -> RecipeRecord:
    """Judge by the file as it is now; where it cannot be used, by the former bundle as before. No request is lost."""
    caller, station = must_be(request, "admin"), of(request).station
    recipe = station.recipe(name)
    await station.exchange.reload(recipe, caller.name)
    return await asyncio.to_thread(recipe_record, station, recipe, wording)


@router.post("/recipes/{name}/rollback", summary="Go back to the bundle before")
async def roll_back(request: Request, name: Name, wording: Asked) -> RecipeRecord:
    """Judge by the bundle that was in use before the present one."""
    caller, station = must_be(request, "admin"), of(request).station
    recipe = station.recipe(name)
    await station.exchange.roll_back(recipe, caller.name)
    return await asyncio.to_thread(recipe_record, station, recipe, wording)


def recipe_record(station: Station, recipe: Recipe, wording: Wording) -> RecipeRecord:
    """A recipe as JSON has it."""
    inspector = recipe.judge.inspector
    calibration = inspector.calibration_
    return RecipeRecord(
        name=recipe.name,
        bundle_sha256=recipe.judge.sha256,
        detector=str(inspector.options_["detector"]["name"]),
        parts=list(recipe.settings.parts),
        views=list(recipe.settings.views),
        threshold=calibration.threshold.value,
        rule=calibration.rule,
        false_alarm_rate=calibration.followed_rate,
        promise=sentences(calibration.statements(), wording),
        held_out_images=len(calibration.scores),
        bundle_before=bundle_before(station.log, recipe.settings),
        has_region=inspector.preprocessing_.region is not None,
        is_aligned=inspector.preprocessing_.alignment is not None,
    )
