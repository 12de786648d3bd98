"""The log: every inspection, what people said of it, and what is still to be told to others."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any, Self, Unpack

import numpy as np
from sqlalchemy import Connection, Engine, Select, func, null, or_, select, union_all, update

from hizumi.errors import LogError, UsageError
from hizumi.shapes import Float
from hizumi.station.entry import Entry
from hizumi.station.log import tables
from hizumi.station.log.claiming import claim_of
from hizumi.station.log.connecting import close_given_back, connected, explained, file_of, parsed, use_write_ahead_log
from hizumi.station.log.filters import Filter, between, conditions, may_lose_pictures, newest_reviews
from hizumi.station.log.migrating import migrate
from hizumi.station.log.records import LONGEST_REST, Alarm, AuditEvent, Counts, Delivery, Page, Review, Taken, now
from hizumi.station.log.rows import entry_of_row, record, review_of, row_of
from hizumi.station.log.writing import hashed, insert, keep_alarms, keep_state, take

PATIENCE_SECONDS = 10.0


class Log:
    """A database that several threads, programs and one station may use at once; each method is one transaction.

    All methods raise LogError in one line, and leave the database as it was, where it is locked, full or gone.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writer = engine.execution_options(writes=True)
        self._claim = claim_of(engine)
        self._file = file_of(engine)

    @classmethod
    def open(cls, url: str, *, patience_seconds: float = PATIENCE_SECONDS) -> Self:
        """Open "sqlite:///station.db" or "postgresql://host/name", and bring its tables to the newest version.

        `patience_seconds` is how long to wait for others' locks. Raises UsageError for another kind of URL, and
        LogError for a log that cannot be opened or was written by a newer version.
        """
        place = parsed(url)
        engine = connected(place, patience_seconds)
        try:
            with explained("opened"):
                if place.get_backend_name() == "sqlite":
                    use_write_ahead_log(engine, patience_seconds)
                migrate(engine)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine)

    def claim(self) -> None:
        """Be the one station that works with this database, until the close; again where the server was away meanwhile.

        Raises UsageError where another one does.
        """
        self._claim.hold()

    def close(self) -> None:
        """Close all connections: those in use, by answers under way, as soon as they are given back."""
        self._claim.let_go()
        close_given_back(self.engine.pool)
        self.engine.dispose()

    def add(
        self,
        entries: Sequence[Entry],
        deliveries: Sequence[Delivery] = (),
        taken: Sequence[Taken] = (),
        *,
        alarms: Sequence[Alarm] = (),
        notes: Sequence[AuditEvent] = (),
        states: Mapping[str, Any] | None = None,
    ) -> tuple[str, ...]:
        """Keep inspections, with what is to be delivered of them and the files that they were made of; all or nothing.

        So with drift alarms, notes for the audit trail, and states by their keys. Gives the ids of those that are new.
        An inspection or message that the log has is passed over, and so is an inspection whose file was taken for
        another one, with its deliveries. An alarm that it has gets its details and end anew, and stays acknowledged.
        """
        with self._writing() as connection:
            doubled = {file.inspection_id for file in taken if not take(connection, file)}
            rows = [row_of(entry) for entry in entries if entry.id not in doubled]
            added = insert(connection, tables.inspections, rows)
            passed_over = {entry.id for entry in entries} - added
            messages = [asdict(message) for message in deliveries if message.inspection_id not in passed_over]
            insert(connection, tables.deliveries, messages)
            keep_alarms(connection, alarms)
            if notes:
                connection.execute(tables.audit.insert(), [asdict(note) for note in notes])
            for key, value in (states or {}).items():
                keep_state(connection, key, value)
        return tuple(entry.id for entry in entries if entry.id in added)

    def entry(self, id: str) -> Entry | None:  # noqa: A002 - it is one
        """An inspection, None where the log has none of that id."""
        rows = self._rows(select(tables.inspections).where(tables.inspections.c.id == id))
        return entry_of_row(rows[0]) if rows else None

    def newest_id(self) -> str | None:
        """The id that sorts after all others of inspections and messages; None where there are none."""
        newest = [select(func.max(table.c.id)) for table in (tables.inspections, tables.deliveries)]
        with self._reading() as connection:
            return max(filter(None, connection.execute(union_all(*newest)).scalars()), default=None)

    def find(self, *, limit: int = 50, before: str | None = None, **filters: Unpack[Filter]) -> Page:
        """Some inspections, newest first, at most `limit`; `before` is the `next` of the page before."""
        if limit < 1:
            raise UsageError(f"a page of {limit} inspections was asked for; ask for 1 or more")
        own = tables.inspections.c.id
        query = select(tables.inspections).where(*conditions(filters)).order_by(own.desc()).limit(limit + 1)
        if before is not None:
            query = query.where(own < before)
        found = [entry_of_row(row) for row in self._rows(query)]
        return Page(tuple(found[:limit]), found[limit - 1].id if len(found) > limit else None)

    def every(self, *, chunk: int = 1000, **filters: Unpack[Filter]) -> Iterator[Entry]:
        """All inspections, newest first, of which `chunk` lie in memory at a time."""
        before: str | None = None
        while True:
            page = self.find(limit=chunk, before=before, **filters)
            yield from page.entries
            if page.next is None:
                return
            before = page.next

    def judged_scores(self, **filters: Unpack[Filter]) -> tuple[tuple[str, ...], Float[np.ndarray, "n"]]:
        """Ids and scores of all inspections that have a verdict, newest first; they take little memory."""
        rows = tables.inspections.c
        query = select(rows.id, rows.score).where(*conditions(filters), rows.anomalous.is_not(None))
        with self._reading() as connection:
            found = connection.execute(query.order_by(rows.id.desc())).all()
        return tuple(row.id for row in found), np.array([row.score for row in found], dtype=np.float64)

    def count(self, **filters: Unpack[Filter]) -> int:
        """How many inspections there are."""
        with self._reading() as connection:
            query = select(func.count()).select_from(tables.inspections).where(*conditions(filters))
            return connection.execute(query).scalar_one()

    def counts(self, *, newest: int, **filters: Unpack[Filter]) -> Counts:
        """How many inspections ended in which verdict, and the ids of `newest` of them, of one moment."""
        rows, chosen = tables.inspections.c, conditions(filters)
        last = select(rows.id).where(*chosen).order_by(rows.id.desc()).limit(newest).subquery()
        by_verdict = select(rows.anomalous, func.count(), null()).where(*chosen).group_by(rows.anomalous)
        with self._reading() as connection:
            # One statement: PostgreSQL shows each statement of a reader what has been written until then.
            found = connection.execute(union_all(by_verdict, select(null(), null(), last.c.id))).all()
        counted = {anomalous: count for anomalous, count, own in found if own is None}
        ids = sorted((own for _, _, own in found if own is not None), reverse=True)
        return Counts(counted.get(False, 0), counted.get(True, 0), counted.get(None, 0), tuple(ids))

    def oldest_with_pictures(self, anomalous: bool | None, *, until: datetime, limit: int) -> tuple[Entry, ...]:
        """Inspections of one verdict (None: unjudged) whose pictures may go, the oldest first.

        Those that were reviewed, or are of the audit sample, keep theirs.
        """
        rows = tables.inspections.c
        of_verdict = rows.anomalous.is_(None) if anomalous is None else rows.anomalous == anomalous
        chosen = (of_verdict, *conditions({"until": until}), *may_lose_pictures())
        query = select(tables.inspections).where(*chosen).order_by(rows.inspected_at, rows.id).limit(limit)
        return tuple(entry_of_row(row) for row in self._rows(query))

    def count_with_pictures(self) -> int:
        """How many inspections have their pictures, and may lose them."""
        with self._reading() as connection:
            query = select(func.count()).select_from(tables.inspections).where(*may_lose_pictures())
            return connection.execute(query).scalar_one()

    def mark_pruned(self, ids: Sequence[str], moment: datetime) -> int:
        """Say that the pictures of inspections are gone; those reviewed meanwhile keep theirs. Gives the count."""
        chosen = (tables.inspections.c.id.in_(ids), *may_lose_pictures())
        with self._writing() as connection:
            return connection.execute(update(tables.inspections).where(*chosen).values(pruned_at=moment)).rowcount

    def keys_in_use(self, keys: Sequence[str]) -> set[str]:
        """Which of these keys of pictures, at most 1,000, belong to an inspection that still has its own."""
        rows, found = tables.inspections.c, set()
        with self._reading() as connection:
            for column in (rows.picture_sha256, rows.map_key, rows.normal_key):
                query = select(column).distinct().where(column.in_(keys), rows.pruned_at.is_(None))
                found |= set(connection.execute(query).scalars())
        return found

    def review(self, review: Review) -> None:
        """Append a person's word; raises UsageError where there is no such inspection."""
        with self._writing() as connection:
            known = select(tables.inspections.c.id).where(tables.inspections.c.id == review.inspection_id)
            if connection.execute(known).first() is None:
                raise UsageError("there is no such inspection in the log; look its id up there")
            connection.execute(tables.reviews.insert(), asdict(review))

    def reviews(self, id: str) -> tuple[Review, ...]:  # noqa: A002 - it is one
        """All that was said of an inspection, the newest, which counts, last."""
        query = select(tables.reviews).where(tables.reviews.c.inspection_id == id).order_by(tables.reviews.c.number)
        return tuple(review_of(row) for row in self._rows(query))

    def newest_reviews(self, ids: Sequence[str]) -> dict[str, Review]:
        """The word that counts on each of these inspections, where there is one that was not taken back."""
        rows = tables.reviews.c
        newest = newest_reviews().where(rows.inspection_id.in_(ids))
        query = select(tables.reviews).where(rows.number.in_(newest), rows.label.is_not(None))
        return {row["inspection_id"]: review_of(row) for row in self._rows(query)}

    def note(self, event: AuditEvent) -> None:
        """Append to the audit trail."""
        with self._writing() as connection:
            connection.execute(tables.audit.insert(), asdict(event))

    def audit(
        self, *, since: datetime | None = None, until: datetime | None = None, what: str | None = None, limit: int = 100
    ) -> tuple[AuditEvent, ...]:
        """The newest events of the audit trail, the newest first; `since` is included, `until` is not."""
        rows = tables.audit.c
        query = select(tables.audit).where(*between(rows.happened_at, since, until))
        query = query if what is None else query.where(rows.what == what)
        query = query.order_by(rows.number.desc()).limit(limit)
        return tuple(record(AuditEvent, row) for row in self._rows(query))

    def due(self, sink: str, now: datetime, limit: int = 100) -> tuple[Delivery, ...]:
        """Messages that a sink has to deliver by now, the oldest first.

        New ones always, and those put off beyond what any is: the clock has been set back since.
        """
        rows = tables.deliveries.c
        due = or_(rows.retry_at <= now, rows.attempts == 0, rows.retry_at > now + LONGEST_REST)
        waiting = (rows.sink == sink, rows.abandoned_at.is_(None), due)
        query = select(tables.deliveries).where(*waiting).order_by(rows.id).limit(limit)
        return tuple(record(Delivery, row) for row in self._rows(query))

    def backlog(self) -> dict[str, tuple[int, int]]:
        """For each sink that has any: how many messages wait, and how many were abandoned."""
        rows = tables.deliveries.c
        abandoned = func.count(rows.abandoned_at)
        query = select(rows.sink, func.count() - abandoned, abandoned).group_by(rows.sink)
        with self._reading() as connection:
            return {sink: (waiting, lost) for sink, waiting, lost in connection.execute(query)}

    def send(self, messages: Sequence[Delivery]) -> None:
        """Keep messages that are about no inspection until they are delivered."""
        self.add((), messages)

    def delivered(self, ids: Sequence[str]) -> None:
        """Forget messages that have been delivered."""
        with self._writing() as connection:
            connection.execute(tables.deliveries.delete().where(tables.deliveries.c.id.in_(ids)))

    def failed(self, id: str, error: str, retry_at: datetime) -> None:  # noqa: A002 - it is one
        """Count a failed attempt, and say when to try again."""
        self._attempted(id, error=error, retry_at=retry_at)

    def abandoned(self, id: str, error: str) -> None:  # noqa: A002 - it is one
        """Count the last attempt of a message that is kept, but will not be tried again."""
        self._attempted(id, error=error, abandoned_at=now())

    def take(self, source: str, key: str, inspection_id: str) -> bool:
        """Take a file for an inspection; False where it was taken for another one."""
        with self._writing() as connection:
            return take(connection, Taken(source, key, inspection_id))

    def taken_for(self, source: str, key: str) -> str | None:
        """The id of the inspection that a file was taken for, None where it was not."""
        rows = tables.taken.c
        query = select(rows.inspection_id).where(rows.source == source, rows.key == hashed(key))
        with self._reading() as connection:
            return connection.execute(query).scalar_one_or_none()

    def alarm(self, alarm: Alarm) -> None:
        """Keep a drift alarm; one that the log has gets its details and end anew, and stays acknowledged."""
        with self._writing() as connection:
            keep_alarms(connection, [alarm])

    def alarms(
        self,
        *,
        recipe: str | None = None,
        acknowledged: bool | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> tuple[Alarm, ...]:
        """Drift alarms that held at some time from `since` until before `until`, the newest first."""
        rows = tables.alarms.c
        chosen = between(rows.raised_at, None, until)
        if since is not None:
            chosen.append(or_(rows.ended_at.is_(None), rows.ended_at >= since))
        if recipe is not None:
            chosen.append(rows.recipe == recipe)
        if acknowledged is not None:
            chosen.append(rows.acknowledged_at.is_not(None) == acknowledged)
        query = select(tables.alarms).where(*chosen).order_by(rows.raised_at.desc(), rows.id.desc())
        return tuple(record(Alarm, row) for row in self._rows(query))

    def acknowledge(self, alarm_id: str, who: str, note: str = "") -> bool:
        """Say that somebody has seen an alarm; False where there is none, or it was acknowledged before."""
        values = {"acknowledged_at": now(), "acknowledged_by": who, "note": note}
        waiting = (tables.alarms.c.id == alarm_id, tables.alarms.c.acknowledged_at.is_(None))
        with self._writing() as connection:
            return connection.execute(update(tables.alarms).where(*waiting).values(values)).rowcount > 0

    def state(self, key: str) -> Any:
        """What was kept under a key; None where nothing was."""
        with self._reading() as connection:
            query = select(tables.states.c.value).where(tables.states.c.key == key)
            return connection.execute(query).scalar_one_or_none()

    def _attempted(self, id: str, **values: Any) -> None:  # noqa: A002 - it is one
        query = update(tables.deliveries).where(tables.deliveries.c.id == id)
        with self._writing() as connection:
            connection.execute(query.values(attempts=tables.deliveries.c.attempts + 1, **values))

    def _rows(self, query: Select[Any]) -> list[dict[str, Any]]:
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with explained("read"), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        if file_of(self.engine) != self._file:  # SQLite would write on, where nobody looks for it after the next start
            raise LogError(
                "the log could not be written: its file was moved or deleted; put it back, or start the station again"
            )
        with explained("written"), self._writer.begin() as connection:
            yield connection
