"""In which language the service answers."""

from collections.abc import Iterable
from typing import Annotated

from fastapi import Depends, Header

from hizumi.calibration import Statement
from hizumi.serving.schemas import Sentence
from hizumi.station.languages import Wording, language_of


async def _wording(  # else FastAPI would have each request wait for a thread
    accept_language: Annotated[str, Header(max_length=1000, description="Of sentences: en or ja.")] = "en",
) -> Wording:
    return Wording(language_of(accept_language))


Asked = Annotated[Wording, Depends(_wording)]
"""The words of the language that a request asks for."""


def sentences(said: Iterable[Statement], wording: Wording) -> list[Sentence]:
    """Statements as JSON has them."""
    return [Sentence(code=each.code, figures=dict(each.figures), words=wording.statement(each)) for each in said]
