"""How often a watch may give false alarm, and how it goes about one."""

from dataclasses import asdict, dataclass
from typing import Any

from hizumi.calibration.spread import FEWEST_GROUPS, SUBGROUP
from hizumi.errors import UsageError


@dataclass(frozen=True)
class WatchSettings:
    """Settings of a watch.

    Attributes:
        run_length: Good pictures between two false alarms of the charts, on average, of all of them together.
        ever: Probability, at most, that the test of p-values ever gives false alarm between two starts.
        quiet_minutes: After an alarm, and after its acknowledgement while it holds, in which none is raised. Until it
            is acknowledged, it is told again after each such time.
        learning_pictures: From which a baseline is learned at the station, where the bundle has none.
        seed: Of the random ranks of equal scores.
    """

    run_length: float = 50_000.0
    ever: float = 0.001
    quiet_minutes: float = 30.0
    learning_pictures: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        fewest = FEWEST_GROUPS * SUBGROUP
        if not 100 <= self.run_length <= 1e7:
            raise UsageError(
                f"a run length of {self.run_length:g} pictures is out of reach; it must be 100 to 10 million"
            )
        if not 0 < self.ever < 1:
            raise UsageError(f"ever is {self.ever:g}, but is a probability; give a number between 0 and 1")
        if not 0 <= self.quiet_minutes <= 1e6:
            raise UsageError(f"quiet_minutes is {self.quiet_minutes:g}; it must be 0 to a million")
        if not fewest <= self.learning_pictures <= 10_000:
            raise UsageError(f"learning_pictures is {self.learning_pictures}; it must be {fewest} to 10,000")

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return asdict(self)
