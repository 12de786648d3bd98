"""Which programs can be told of runs, and how they are named."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from hizumi.errors import UsageError
from hizumi.storage.files import printable

if TYPE_CHECKING:
    from hizumi.runs.tracking.writer import Writer


def _to_mlflow(address: str) -> "Writer":
    from hizumi.runs.tracking.to_mlflow import MLflowWriter

    return MLflowWriter(address)


def _to_tensorboard(address: str) -> "Writer":
    from hizumi.runs.tracking.to_tensorboard import TensorBoardWriter

    return TensorBoardWriter(address)


WRITERS: dict[str, Callable[[str], "Writer"]] = {"mlflow": _to_mlflow, "tensorboard": _to_tensorboard}


def split_target(target: str) -> tuple[str, str]:
    """The program and the address of `mlflow:URI` or `tensorboard:FOLDER`; raises UsageError for anything else."""
    program, _, address = target.partition(":")
    if program not in WRITERS or not address:
        raise UsageError(
            f"--track {printable(target)}: give mlflow:URI, such as mlflow:sqlite:///runs.db, or tensorboard:FOLDER"
        )
    return program, address
