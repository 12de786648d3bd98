"""Runs in TensorBoard: the journal as curves, options and the bundle's hash as text."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from hizumi.errors import MissingExtraError
from hizumi.runs.tracking.writer import Made, Metric, Outcome, Writer


class TensorBoardWriter(Writer):
    """Writes event files into a folder of its own below the one given, which `tensorboard --logdir` shows."""

    def __init__(self, address: str) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtraError(
                "--track tensorboard needs more packages: pip install 'hizumi[tensorboard]'"
            ) from error
        self.folder = Path(address)
        self.make = SummaryWriter
        self.writer: Any = None

    def begin(self, name: str, options: Mapping[str, str], earlier: str | None) -> str:
        """Begin a folder, or add to the earlier one."""
        now = datetime.now().astimezone()
        folder = self.folder / f"{name}-{now:%Y%m%d-%H%M%S-%f}" if earlier is None else Path(earlier)
        self.writer = self.make(str(folder))
        if earlier is None:
            self.writer.add_text("options", "\n".join(f"    {key}: {value}" for key, value in options.items()))
        return str(folder.resolve())

    def write(self, metrics: Sequence[Metric]) -> None:
        """Add points to curves."""
        for metric in metrics:
            self.writer.add_scalar(metric.name, metric.value, metric.step)
        self.writer.flush()

    def keep(self, made: Made) -> None:
        """Add where the bundle lies, and its hash."""
        for name, value in made.numbers.items():
            self.writer.add_scalar(name, value)
        self.writer.add_text("bundle", f"{made.path.resolve()}, sha256 {made.sha256}")

    def end(self, outcome: Outcome) -> None:
        """Close the event file."""
        self.writer.add_text("outcome", outcome)
        self.writer.close()
