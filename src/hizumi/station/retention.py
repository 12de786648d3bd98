"""Which pictures are kept, and for how long; their entries stay in the log, and say when the pictures went."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hizumi.errors import UsageError
from hizumi.station.batches import BATCH, batches
from hizumi.station.entry import Entry
from hizumi.station.log import AuditEvent, Log
from hizumi.station.pictures import Pictures, Removed

GRACE = timedelta(minutes=2)  # a picture is written before its entry: one that no entry names may still get it
FIRST_TO_GO = (False, None, True)  # verdicts: good pictures tell the least


@dataclass(frozen=True)
class Retention:
    """Limits on pictures; None: no limit. Those of reviewed inspections and of the audit sample are always kept.

    Where there are too many, or too many bytes, the oldest of good parts go first, then those that could not be
    judged, then those of anomalous parts. Raises UsageError for a limit that is negative.
    """

    good_days: float | None = None
    unjudged_days: float | None = None
    anomalous_days: float | None = None
    most_pictures: int | None = None
    most_bytes: int | None = 20 * 2**30

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not value >= 0:
                raise UsageError(f"retention: {name} is {value}; give 0 or more, or leave it out")

    def days(self, anomalous: bool | None) -> float | None:
        """The limit on the age of pictures with that verdict."""
        return {False: self.good_days, None: self.unjudged_days, True: self.anomalous_days}[anomalous]


@dataclass(frozen=True)
class Pruned:
    """How many inspections lost their pictures, how many files were removed, and how many bytes are left."""

    inspections: int
    files: int
    bytes_left: int


def prune(log: Log, pictures: Pictures, retention: Retention, now: datetime) -> Pruned:
    """Remove pictures beyond the limits, and files that no inspection names; those of the last minutes stay.

    The log says first that pictures are gone, and then they go: whatever happens in between, it never names one that is
    not there. What was done goes into the audit trail.
    """
    until = now - GRACE
    marked = _mark_too_old(log, retention, now, until) + _mark_too_many(log, retention, now, until)
    files, left = 0, 0
    for keys in batches(pictures.keys()):
        total = sum(map(pictures.size_bytes, keys))
        removed = _remove_unused(log, pictures, keys, until)
        files, left = files + removed.files, left + total - removed.freed_bytes
    while retention.most_bytes is not None and left > retention.most_bytes:
        chosen = _freeing(log, pictures, until, left - retention.most_bytes)
        if not (newly := log.mark_pruned([each.id for each in chosen], now)):
            break
        marked += newly
        for keys in batches(key for each in chosen for key in _keys(each)):
            removed = _remove_unused(log, pictures, keys, until)
            files, left = files + removed.files, left - removed.freed_bytes
    if marked or files:
        details = {"inspections": marked, "files": files, "bytes_left": left}
        log.note(AuditEvent("station", "pictures pruned", "retention", details, now))
    return Pruned(marked, files, left)


def _mark_too_old(log: Log, retention: Retention, now: datetime, until: datetime) -> int:
    marked = 0
    for anomalous in FIRST_TO_GO:
        if (days := retention.days(anomalous)) is None:
            continue
        before = min(until, now - timedelta(days=days))
        while chosen := log.oldest_with_pictures(anomalous, until=before, limit=BATCH):
            marked += log.mark_pruned([each.id for each in chosen], now)
    return marked


def _mark_too_many(log: Log, retention: Retention, now: datetime, until: datetime) -> int:
    if retention.most_pictures is None:
        return 0
    marked, excess = 0, log.count_with_pictures() - retention.most_pictures
    while marked < excess and (chosen := _first_to_go(log, until, min(BATCH, excess - marked))):
        marked += log.mark_pruned([each.id for each in chosen], now)
    return marked


def _first_to_go(log: Log, until: datetime, count: int) -> list[Entry]:
    found: list[Entry] = []
    for anomalous in FIRST_TO_GO:
        if len(found) < count:
            found += log.oldest_with_pictures(anomalous, until=until, limit=count - len(found))
    return found


def _freeing(log: Log, pictures: Pictures, until: datetime, wanted_bytes: int) -> list[Entry]:
    """The first to go whose pictures have that many bytes together; others may share some, so that less comes free."""
    chosen, total = [], 0
    for entry in _first_to_go(log, until, BATCH):
        chosen.append(entry)
        total += sum(map(pictures.size_bytes, _keys(entry)))
        if total >= wanted_bytes:
            break
    return chosen


def _remove_unused(log: Log, pictures: Pictures, keys: Sequence[str], until: datetime) -> Removed:
    return pictures.remove(set(keys) - log.keys_in_use(keys), until)


def _keys(entry: Entry) -> list[str]:
    return [key for key in (entry.picture_sha256, entry.map_key, entry.normal_key) if key is not None]
