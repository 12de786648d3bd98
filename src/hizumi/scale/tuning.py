"""A search for a detector's settings: trials of several fits each, and a last fit with the best of them.

The normal data that train and those that calibrate are parted once, before the first trial. A trial fits on the former
alone, round by round, each time without another part of them, and is judged on that part, or on labelled records.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import numpy as np

from hizumi.arguments import Searched, clone
from hizumi.data import Manifest, deal_folds
from hizumi.data.progress import Observer
from hizumi.data.splitting import count_different
from hizumi.detectors import Detector
from hizumi.errors import DataError, HizumiError, UsageError
from hizumi.evaluation.metrics import auroc
from hizumi.inspection import Inspector
from hizumi.inspection.drawn_defects import WORDS as DRAWN, drawn_auroc, refuse_undrawable
from hizumi.inspection.scoring import Scored
from hizumi.inspection.seen import contents
from hizumi.registry.searching import values_of
from hizumi.runs.study import Settings, Study
from hizumi.scale.fits import bundle_bytes, bytes_planned, request_of
from hizumi.scale.jobs import Done, Job, Workplace
from hizumi.scale.studies import REASON, ROUNDS, explained, next_trial, open_study, read_study, unfinished_trials

Objective = Literal["drawn", "labelled"]
VALIDATED = "AUROC on a labelled validation split, half of each kind of what the data call test"
WORDS: Mapping[Objective, str] = {"drawn": DRAWN, "labelled": VALIDATED}


@dataclass(frozen=True, eq=False)
class TuningData:
    """The records that trials train on, dealt for the rounds; those that judge, where they are labelled; and all."""

    whole: Manifest
    folds: list[list[int]]  # places among the training records
    validation: Manifest | None

    @property
    def training(self) -> Manifest:
        """What trials fit on, and draw defects on."""
        return self.whole.select(split="train")

    @classmethod
    def dealt(cls, split: Manifest, rounds: int, objective: Objective, seed: int) -> "TuningData":
        """From data whose records have their splits; raises DataError where they do not suffice."""
        if split.series is not None:
            raise UsageError(f"{split.name} holds series, and settings are tuned on images or rows: leave --series out")
        if objective == "drawn":
            refuse_undrawable(split)
        training = split.select(split="train")
        if count_different(training) <= rounds:
            raise DataError(
                f"{split.name}: {count_different(training)} different good {split.noun}s train, too few for {rounds} "
                "rounds; give more, or fewer --rounds"
            )
        folds = deal_folds(training, max(2, rounds), seed=seed)[:rounds]
        return cls(split, folds, _validation(split, seed) if objective == "labelled" else None)

    def round(self, number: int) -> Manifest:
        """The training records, of which one part is held out, as if it were to calibrate."""
        training, held_out = self.training, set(self.folds[number])
        records = tuple(
            replace(record, split="calibration" if place in held_out else "train")
            for place, record in enumerate(training.records)
        )
        return replace(training, records=records)


@dataclass
class _Running:
    """A trial with the values of its rounds so far."""

    trial: Any
    settings: Settings
    values: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Tuning:
    """What is searched, by what, and how long. `inspector` makes an unfitted one around a detector."""

    detector: Detector
    called: str
    spaces: Mapping[str, Searched]
    inspector: Callable[[Detector], Inspector]
    data: TuningData
    objective: Objective
    trials: int
    rounds: int
    seed: int
    storage: str
    name: str

    def searched(self, workplace: Workplace) -> Study:
        """Make the trials that the study lacks; raises the first error where no trial comes to its end."""
        workplace.refuse_unseen(self.data.whole)
        with explained(self.storage):
            study = open_study(self.storage, self.name, self._request(), self._begun)
            waiting = [_Running(*each) for each in unfinished_trials(study)]
            errors: list[HizumiError] = []
            out: set[int] = set()
            for done in workplace.do(self._jobs(study, waiting, out)):
                running: _Running = done.job.of
                out.discard(running.trial.number)
                if done.error is not None:
                    errors.append(done.error)
                if self._told(study, running, done):
                    waiting.append(running)
            found = self.so_far(study)
        if found.best is None:
            raise errors[0] if errors else DataError(f"{self.called}: no trial has come to its end; give more --trials")
        return found

    def so_far(self, study: Any) -> Study:
        """The study as plain data."""
        return read_study(study, self.called, self.data.whole.name, WORDS[self.objective], self.rounds, self.spaces)

    def best_bundle(self, study: Study, workplace: Workplace) -> bytes:
        """Fit with the best settings, on all that trains, and calibrate on what no trial has seen."""
        best = study.best
        assert best is not None, "a search ends with a best trial"
        tuned = {
            "objective": study.objective,
            "trials": len(study.trials),
            "value": best.value,
            "begun": study.begun.value,
            "changed": study.changed,
        }
        inspector = self.inspector(clone(self.detector, **best.settings))
        job = Job("best settings", partial(_fitted_bundle, inspector, tuned), self.data)
        (done,) = workplace.do([job])
        if done.error is not None:
            raise done.error
        content: bytes = done.result
        return content

    def _jobs(self, study: Any, waiting: list[_Running], out: set[int]) -> Iterator[Job | None]:
        """Rounds of trials that go on, then of new ones; None where all depends on results that are still to come."""
        while True:
            if waiting:
                running = waiting.pop(0)
            elif len(study.get_trials(deepcopy=False, states=None)) - self._queued(study) < self.trials:
                running = _Running(*next_trial(study, self.spaces, self._begun, self.seed))
            elif out:
                yield None
                continue
            else:
                return
            out.add(running.trial.number)
            yield self._job(running)

    def _job(self, running: _Running) -> Job:
        number = len(running.values)
        inspector = self.inspector(clone(self.detector, **running.settings))
        return Job(
            f"trial {running.trial.number}, round {number + 1} of {self.rounds}",
            partial(_round, inspector, number, self.seed),
            self.data,
            kind=self.called,
            memory=partial(_bytes_of_round, self.inspector(clone(self.detector))),
            of=running,
        )

    def _told(self, study: Any, running: _Running, done: Done) -> bool:
        """Tell Optuna what came of a round; whether the trial goes on."""
        from optuna.trial import TrialState

        trial = running.trial
        if done.error is not None:
            trial.set_user_attr(REASON, str(done.error))
            study.tell(trial, state=TrialState.FAIL)
            return False
        running.values.append(done.result)
        trial.set_user_attr(ROUNDS, running.values)
        mean = float(np.mean(running.values))
        trial.report(mean, len(running.values))
        if len(running.values) == self.rounds:
            study.tell(trial, mean)
            return False
        if trial.number > 0 and trial.should_prune():  # what is begun with is what all else is compared with
            study.tell(trial, state=TrialState.PRUNED)
            return False
        return True

    @property
    def _begun(self) -> dict[str, Any]:
        return values_of(self.detector, list(self.spaces))

    @staticmethod
    def _queued(study: Any) -> int:
        from optuna.trial import TrialState

        return len(study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))

    def _request(self) -> dict[str, Any]:
        return {
            "search": list(self.spaces),
            "objective": WORDS[self.objective],
            "rounds": self.rounds,
            "seed": self.seed,
            **request_of(self.inspector(self.detector), self.data.whole.data_hash()),
        }


def _round(inspector: Inspector, number: int, seed: int, data: TuningData, observe: Observer | None) -> float:
    """Fit without one part of the training records, and judge."""
    manifest = data.round(number)
    inspector.fit(manifest, observe=observe)
    if data.validation is None:
        return drawn_auroc(inspector.scorer(), manifest.select(split="calibration"), seed + number)
    items = list(inspector.scorer().score(data.validation, pictures=False))
    scored = [item for item in items if isinstance(item, Scored)]
    labels = np.array([data.validation.records[item.index].label for item in scored])
    if len(set(labels.tolist())) < 2:
        raise DataError(f"{data.validation.name}: of its validation split too few can be read to tell good from bad")
    return float(auroc(np.array([item.score for item in scored]), labels))


def _bytes_of_round(inspector: Inspector, data: TuningData) -> int:
    return bytes_planned(inspector, data.round(0))


def _fitted_bundle(inspector: Inspector, tuned: Mapping[str, Any], data: TuningData, observe: Observer | None) -> bytes:
    inspector.fit(data.whole, observe=observe)
    inspector.options_ = {**inspector.options_, "tuned": dict(tuned)}
    if data.validation is not None:
        inspector.seen_ = replace(inspector.seen_, tuned_on=contents(data.validation))
    return bundle_bytes(inspector)


def _validation(split: Manifest, seed: int) -> Manifest:
    """Half of the labelled test records, of each kind, copies and groups kept together."""
    tested = [place for place, each in enumerate(split.records) if each.split == "test" and each.label is not None]
    grouped = any(split.records[place].group is not None for place in tested)
    kinds: dict[str, list[int]] = {}
    for place in tested:
        kinds.setdefault("all" if grouped else split.records[place].kind, []).append(place)
    chosen: list[int] = []
    for places in kinds.values():
        some = split.only(places)
        if count_different(some) > 1:
            chosen += [places[index] for index in deal_folds(some, 2, seed=seed)[0]]
    found = split.only(sorted(chosen))
    if {record.label for record in found.records} != {0, 1}:
        raise DataError(
            f"{split.name}: it has too few labelled test {split.noun}s, good and anomalous, to choose settings by half "
            "of them; leave --objective labelled out"
        )
    return found
