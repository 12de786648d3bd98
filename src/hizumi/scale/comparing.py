"""Several detectors on the same data, run by run: what is finished is kept, and need not be made again."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from hizumi.data import Manifest
from hizumi.data.progress import Observer
from hizumi.errors import DataError, HizumiError, UsageError
from hizumi.inspection import Inspector, held_out, load
from hizumi.report import ReportContent
from hizumi.report.assessment import assess
from hizumi.runs.results import verdict_rows
from hizumi.scale.fits import bundle_bytes, bytes_planned, request_of
from hizumi.scale.jobs import Job, Workplace
from hizumi.storage.files import printable, write_atomically
from hizumi.storage.tables import write_json

Key = tuple[str, int]
"""A detector's name and a seed."""


@dataclass(frozen=True, eq=False)
class Run:
    """One fit and its evaluation: a row of measures, a row for each verdict, and what could not be read."""

    row: Mapping[str, Any]
    verdicts: list[dict[str, Any]]
    unread: Mapping[str, str]  # names and reasons, from training and test alike


@dataclass(frozen=True, eq=False)
class Comparison:
    """Runs in the order asked for, why detectors failed, and what a report shows of each detector's first run."""

    runs: Mapping[Key, Run]
    failed: Mapping[str, HizumiError]
    contents: Mapping[str, ReportContent]

    @property
    def rows(self) -> list[Mapping[str, Any]]:
        """A row for each run."""
        return [run.row for run in self.runs.values()]


@dataclass(frozen=True, eq=False)
class _Made:
    """What comes back from whoever made a run."""

    run: Run
    bundle: bytes
    content: ReportContent | None


@dataclass(frozen=True)
class Comparing:
    """A comparison of inspectors, all unfitted, on labelled data; its runs lie in a folder, each beside its bundle."""

    inspectors: Mapping[Key, Inspector]
    manifest: Manifest
    folder: Path
    strict: bool = False
    _hashes: list[str] = field(default_factory=list)

    def compared(self, workplace: Workplace, *, resume: bool) -> Comparison:
        """Make the runs, or with `resume` those that are missing.

        Raises UsageError where a run that is there was asked for otherwise; with `strict`, the first error of a run.
        """
        workplace.refuse_unseen(self.manifest)
        runs = {key: run for key in self.inspectors if resume and (run := self._earlier(key)) is not None}
        failed: dict[str, HizumiError] = {}
        contents: dict[str, ReportContent] = {}
        for done in workplace.do([self._job(key) for key in self.inspectors if key not in runs]):
            name, seed = done.job.of
            if done.error is not None:
                if self.strict:
                    raise done.error
                failed.setdefault(name, done.error)
                continue
            runs[name, seed] = self._kept((name, seed), done.result)
            if done.result.content is not None:
                contents[name] = done.result.content
        runs = {key: runs[key] for key in self.inspectors if key in runs}
        for name, seed in runs:
            if name not in contents:
                contents[name] = self._content(name, seed)
        return Comparison(runs, failed, {name: contents[name] for name in dict.fromkeys(name for name, _ in runs)})

    def bundle(self, key: Key) -> Path:
        """Where a run's bundle lies."""
        name, seed = key
        without_odd_characters = re.sub(r"[^\w.-]+", "_", name).strip("_")
        return self.folder / f"{without_odd_characters}-{seed}.hizumi"

    def _job(self, key: Key) -> Job:
        name, seed = key
        inspector = self.inspectors[key]
        self._record(key).unlink(missing_ok=True)  # that of an earlier call, which would not go with the new bundle
        first = seed == min(other for called, other in self.inspectors if called == name)
        return Job(
            f"{name}, seed {seed}",
            partial(_made, inspector, key, self.bundle(key), self.strict, first),
            self.manifest,
            kind=name,
            memory=partial(bytes_planned, inspector),
            of=key,
        )

    def _kept(self, key: Key, made: _Made) -> Run:
        write_atomically(self.bundle(key), made.bundle)
        write_json(self._record(key), {"request": self._request(key), **vars(made.run)})
        return made.run

    def _earlier(self, key: Key) -> Run | None:
        """A run that an earlier call has finished."""
        path = self._record(key)
        if not (path.is_file() and self.bundle(key).is_file()):
            return None
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            begun, run = kept["request"], Run(kept["row"], kept["verdicts"], kept["unread"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{printable(path)} is no run of a comparison ({error}); delete it") from error
        asked = self._request(key)
        if changed := [name for name in asked if begun.get(name) != asked[name]]:
            raise UsageError(
                f"{printable(path)} was made with another {', '.join(changed)}; name another --output, or leave "
                "--resume out to make all runs anew"
            )
        return run

    def _request(self, key: Key) -> dict[str, Any]:
        if not self._hashes:
            self._hashes.append(self.manifest.data_hash())
        return request_of(self.inspectors[key], self._hashes[0])

    def _record(self, key: Key) -> Path:
        return self.bundle(key).with_suffix(".json")

    def _content(self, name: str, seed: int) -> ReportContent:
        """Of a run that was made earlier, or whose first seed failed: scored once more."""
        inspector = load(self.bundle((name, seed)))
        return assess(inspector, held_out(inspector, self.manifest), called=name, strict=self.strict)


def _made(
    inspector: Inspector,
    key: Key,
    bundle: Path,
    strict: bool,
    with_content: bool,
    manifest: Manifest,
    observe: Observer | None,
) -> _Made:
    """Fit and evaluate."""
    inspector.fit(manifest, observe=observe, strict=strict)
    # By the name that it was asked for: fits of folds are one detector of another name.
    content = assess(inspector, held_out(inspector, manifest), called=key[0], strict=strict, observe=observe)
    run: dict[str, Any] = dict(zip(("detector", "seed"), key, strict=True))
    each = verdict_rows(content.verdicts, content.kinds, content.labels.tolist(), content.failures)
    unread = {failure.name: failure.reason for failure in inspector.failures_} | dict(content.failures)
    return _Made(
        Run(run | {"bundle": str(bundle)} | content.result(), [run | row for row in each], unread),
        bundle_bytes(inspector),
        content if with_content else None,
    )
