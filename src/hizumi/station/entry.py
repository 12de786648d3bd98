"""One inspection as a station remembers it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

from hizumi.calibration import Box, Verdict
from hizumi.station.ids import new_id


@dataclass(frozen=True)
class Entry:
    """What is kept of one inspected picture; times are UTC.

    Attributes:
        inspected_at: When the verdict was given.
        name: As the source calls the picture: a file's name, never its folder.
        picture_sha256: Of the bytes as they came.
        bundle_sha256: Of the bundle that judged.
        anomalous: None where the picture could not be judged; `reason` then says why, and the numbers are None.
        latency_ms: From the picture's arrival to its verdict.
        map_key, normal_key: Where the anomaly map and the expected picture are kept, as content hashes; None: not kept.
        view: Which of several pictures of one part it is, "" where a part has one; `part` is theirs in common.
        map_peak: The anomaly map's largest value, None where there is no map.
        sampled: Whether it is of the random audit sample, and has to be reviewed whatever its score.
        pruned_at: When retention removed its pictures, or they could not be kept at all; None while they are kept.
    """

    recipe: str
    name: str
    picture_sha256: str
    bundle_sha256: str
    anomalous: bool | None
    score: float | None = None
    p_value: float | None = None
    threshold: float | None = None
    rule: str = ""
    terms: dict[str, float] = field(default_factory=dict)
    boxes: tuple[Box, ...] = ()
    notes: tuple[str, ...] = ()
    reason: str = ""
    station: str = "station"
    source: str = "http"
    part: str = ""
    view: str = ""
    latency_ms: float = 0.0
    map_key: str | None = None
    normal_key: str | None = None
    map_peak: float | None = None
    sampled: bool = False
    pruned_at: datetime | None = None
    inspected_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    id: str = field(default_factory=new_id)

    @classmethod
    def of(cls, verdict: Verdict, **known: object) -> Self:
        """Of a verdict, with what only the station knows."""
        return cls(
            name=verdict.name,
            anomalous=verdict.anomalous,
            score=verdict.score,
            p_value=verdict.p_value,
            threshold=verdict.threshold,
            rule=verdict.rule,
            terms=dict(verdict.terms),
            boxes=verdict.boxes,
            notes=verdict.notes,
            map_peak=None if verdict.map is None else float(verdict.map.max()),
            **known,  # type: ignore[arg-type]  # checked where it is called
        )
