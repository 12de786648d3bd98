"""The watches over what recipes see, which survive restarts and changes of the threshold."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from threading import Lock
from typing import Any, final

from hizumi.data.appearance import Look
from hizumi.errors import BundleError, UsageError
from hizumi.inspection.verdicts import InspectorBase
from hizumi.monitoring import Baseline, DriftAlarm, DriftWatch, News, WatchSettings
from hizumi.station.entry import Entry
from hizumi.station.log import Alarm, Log
from hizumi.station.recipe import Recipe

STATE = "drift watch of {}"
OF_CALIBRATION = {"rule", "false_alarm_rate", "calibration_images", "known_defects", "recalibrated"}
KEPT_AFTER = 200  # pictures, and at the end; a crash loses what the watch learned from those since


@final
class Drift:
    """One watch for each recipe; safe to use from several threads."""

    def __init__(self, log: Log, recipes: Mapping[str, Recipe], settings: WatchSettings, *, learns_here: bool) -> None:
        self._log = log
        self._recipes = recipes
        self._settings = settings
        self._learns_here = learns_here
        self._lock = Lock()
        self._judges = {name: recipe.judge for name, recipe in recipes.items()}
        self._fits = {name: fit_of(judge.inspector) for name, judge in self._judges.items()}
        self._left: dict[str, tuple[DriftAlarm, ...]] = {}  # alarms of watches that are at work no longer
        self._watches = {name: self._watch(name) for name in recipes}

    @property
    def recipes(self) -> tuple[str, ...]:
        """Names of those watched."""
        return tuple(self._watches)

    def watch(self, recipe: str) -> DriftWatch:
        """The watch of a recipe; it is another one once another detector is loaded."""
        judge = self._recipes[recipe].judge
        with self._lock:
            if judge is not self._judges[recipe]:
                self._judges[recipe] = judge
                if (fit := fit_of(judge.inspector)) != self._fits[recipe]:
                    self._fits[recipe] = fit
                    self._left[recipe] = self._left.get(recipe, ()) + self._watches[recipe].end()
                    self._watches[recipe] = self._new(recipe)
            return self._watches[recipe]

    def observe(self, entry: Entry, look: Look | None) -> News:
        """Take in one inspection; gives what that does to alarms."""
        if entry.recipe not in self._recipes:
            return News()
        news = self.watch(entry.recipe).observe(entry.inspected_at, entry.score, entry.p_value, look)
        left = self._left.pop(entry.recipe, ())
        return news._replace(changed=left + news.changed)

    def holds(self) -> bool:
        """Whether any alarm does, acknowledged or not."""
        return any(alarm.ended_at is None for name in self.recipes for alarm in self.watch(name).alarms)

    def known(self) -> list[Alarm]:
        """The last alarms of all watches."""
        return [alarm_record(name, alarm) for name in self.recipes for alarm in self.watch(name).alarms]

    def left(self, at: datetime) -> list[Alarm]:
        """Alarms that hold by the log and that nobody watches now, of other detectors, settings and recipes: over."""
        watched = {alarm.id for alarm in self.known() if alarm.ended_at is None}
        holding = [alarm for alarm in self._log.alarms(since=at) if alarm.ended_at is None]
        return [_ended(alarm, at) for alarm in holding if alarm.id not in watched]

    def is_to_be_kept(self, recipe: str) -> bool:
        """Whether enough has been seen since the watch was last kept."""
        return recipe in self._recipes and self._watches[recipe].pictures % KEPT_AFTER == 0

    def state(self, recipe: str) -> dict[str, Any]:
        """The watch of a recipe as the log keeps it, under its key."""
        with self._lock:
            fit, watch = self._fits[recipe], self._watches[recipe]
        return {STATE.format(recipe): {"fit": fit, "watch": watch.to_dict()}}

    def keep(self, recipe: str) -> None:
        """Write the watch of a recipe into the log; raises LogError."""
        self._log.add((), states=self.state(recipe))

    def _new(self, recipe: str) -> DriftWatch:
        inspector = self._recipes[recipe].judge.inspector
        known = Baseline.of(inspector.calibration_, inspector.preprocessing_.appearance)
        baseline = Baseline() if self._learns_here else known
        return DriftWatch(baseline, self._settings)

    def _watch(self, recipe: str) -> DriftWatch:
        """As it was at the last stop, where the detector and the settings are the same."""
        kept = self._log.state(STATE.format(recipe))
        if kept is not None and kept["fit"] == self._fits[recipe]:
            try:
                watch = DriftWatch.from_dict(kept["watch"])
            except (BundleError, UsageError):
                return self._new(recipe)
            if watch.settings == self._settings:
                return watch
        return self._new(recipe)


def alarm_record(recipe: str, alarm: DriftAlarm) -> Alarm:
    """An alarm as the log keeps it."""
    told, over = alarm.raised_at, alarm.ended_at
    return Alarm(recipe, alarm.words, details=alarm.to_dict(), raised_at=told, ended_at=over, id=alarm.id)


def _ended(alarm: Alarm, at: datetime) -> Alarm:
    """An alarm of the log, over since then."""
    seen = alarm.acknowledged_at
    known = None if seen is None else {"who": alarm.acknowledged_by, "note": alarm.note, "at": seen.isoformat()}
    details = alarm.details | {"acknowledged": known, "ended_at": at.isoformat()}
    return replace(alarm, ended_at=at, details=details)


def fit_of(inspector: InspectorBase) -> str:
    """What tells fits apart: SHA-256 of the record of the fit, without what a calibration writes into it."""
    record = {name: value for name, value in inspector.options_.items() if name not in OF_CALIBRATION}
    return hashlib.sha256(json.dumps(record, sort_keys=True, default=str).encode()).hexdigest()
