"""`/recipes`: what the station judges by, and another bundle in its place."""

from typing import Annotated

from fastapi import APIRouter, Path, Request

from hizumi.serving.context import must_be, of
from hizumi.serving.schemas import RecipeRecord
from hizumi.station.recipe import Recipe

router = APIRouter()

Name = Annotated[str, Path(max_length=64)]


@router.get("/recipes", summary="What the station judges by")
async def recipes(request: Request) -> list[RecipeRecord]:
    """All recipes, in the order of the station file."""
    return [recipe_record(recipe) for recipe in of(request).station.recipes.values()]


@router.post("/recipes/{name}/reload", summary="Load the bundle's file anew")
async def reload(request: Request, name: Name) -> RecipeRecord:
    """Judge by the file as it is now; where it cannot be used, by the former bundle as before. No request is lost."""
    caller, station = must_be(request, "admin"), of(request).station
    recipe = station.recipe(name)
    await station.reload(recipe, caller.name)
    return recipe_record(recipe)


@router.post("/recipes/{name}/rollback", summary="Go back to the bundle before")
async def roll_back(request: Request, name: Name) -> RecipeRecord:
    """Judge by the bundle that was in use before the present one."""
    caller, station = must_be(request, "admin"), of(request).station
    recipe = station.recipe(name)
    await station.roll_back(recipe, caller.name)
    return recipe_record(recipe)


def recipe_record(recipe: Recipe) -> RecipeRecord:
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
        false_alarm_rate=calibration.false_alarm_rate,
        promise=calibration.promise(),
        held_out_images=len(calibration.scores),
    )
