"""Results of fits, inspections and evaluations as plain data: the keys of their JSON, the columns of their tables."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hizumi.runs.known_defects import known_defects_result
from hizumi.runs.nouns import noun_of

if TYPE_CHECKING:
    from hizumi.calibration import Calibration, Verdict
    from hizumi.data import Failure

Options = Mapping[str, Any]
Unread = Iterable[tuple[str, str]]
"""Name of each record that could not be read, and the reason."""


def fit_result(
    options: Options,
    calibration: "Calibration",
    findings: Iterable[Any],
    notes: Iterable[str],
    unread: Unread,
    unopened: Unread = (),
) -> dict[str, Any]:
    """What was fitted, how its threshold came about, and what was found on the way."""
    return {
        "detector": options["detector"]["name"],
        **{key: options[key] for key in ("data", "training_images", "calibration_images", "fit_seconds")},
        **calibration_result(calibration),
        "promise": calibration.promise(noun_of(options)),
        "known_defects": known_defects_result(calibration),
        "findings": _findings(findings),
        "notes": list(notes),
        "failures": _failures(unread),
        "unopened": _failures(unopened),
        "options": options,
    }


def exported_result(options: Options, calibration: "Calibration", parity: Mapping[str, Any]) -> dict[str, Any]:
    """What was exported, its threshold, and how it compares with what it was made from."""
    return {
        "detector": options["detector"]["name"],
        "data": options["data"],
        **calibration_result(calibration),
        "promise": calibration.promise(noun_of(options)),
        "known_defects": known_defects_result(calibration),
        "parity": dict(parity),
        "options": dict(options),
    }


def model_result(
    options: Options, findings: Iterable[Any], notes: Iterable[str], unread: Unread, unopened: Unread = ()
) -> dict[str, Any]:
    """What was trained, and what was found on the way."""
    return {
        "name": options["model"]["name"],
        **{key: options[key] for key in ("data", "training_images", "fit_seconds", "classes")},
        "findings": _findings(findings),
        "notes": list(notes),
        "failures": _failures(unread),
        "unopened": _failures(unopened),
        "options": options,
    }


def plan_result(
    options: Options,
    estimate: Mapping[str, Any],
    findings: Iterable[Any],
    notes: Iterable[str],
    unread: Unread,
    unopened: Unread,
) -> dict[str, Any]:
    """What would be fitted or trained, at what cost, and what reading the data has already shown."""
    return {**options, "estimate": estimate, "findings": _findings(findings), **_remarks(notes, unread, unopened)}


def calibration_result(calibration: "Calibration") -> dict[str, Any]:
    """The threshold and where it comes from; no rate where it follows from none."""
    pixel = calibration.pixel_threshold
    return {
        "rule": calibration.rule,
        "false_alarm_rate": calibration.followed_rate,
        "promised_rate": calibration.threshold.promised_rate,
        "threshold": calibration.threshold.value,
        "pixel_threshold": None if pixel is None else pixel.value,
    }


def changed_result(
    calibration: "Calibration", notes: Iterable[str], unread: Unread, unopened: Unread
) -> dict[str, Any]:
    """The threshold after a change, and what was said about the labelled data that it follows from."""
    return {
        **calibration_result(calibration),
        "known_defects": known_defects_result(calibration),
        **_remarks(notes, unread, unopened),
    }


def exporting_result(
    parity: Mapping[str, Any], notes: Iterable[str], unread: Unread, unopened: Unread
) -> dict[str, Any]:
    """How a graph compares with the detector, and what was said about the data that it was checked on."""
    return {**parity, **_remarks(notes, unread, unopened)}


def inspection_result(
    options: Options,
    calibration: "Calibration",
    verdicts: Sequence["Verdict"],
    unread: Unread,
    unopened: Unread = (),
    notes: Iterable[str] = (),
) -> dict[str, Any]:
    """All verdicts, by which threshold, and what has none; notes on what was assumed about the data."""
    return {
        "detector": options["detector"]["name"],
        **calibration_result(calibration),
        "inspected": len(verdicts),
        "anomalous": sum(verdict.anomalous for verdict in verdicts),
        "verdicts": [verdict.to_dict() for verdict in verdicts],
        "notes": list(notes),
        "failures": _failures(unread),
        "unopened": _failures(unopened),
    }


def inspection_rows(verdicts: Iterable["Verdict"], without: Unread) -> Iterator[dict[str, Any]]:
    """One flat row for each verdict, for CSV; then one for each name without a verdict, with the reason."""
    yield from (verdict.to_row() for verdict in verdicts)
    yield from ({"name": name, "anomalous": None, "reason": reason} for name, reason in without)


def archive_row(item: "Verdict | Failure", sha256: str | None) -> dict[str, Any]:
    """A verdict, or why there is none, under the names of `inspection_rows`, with its boxes; of an archive's part."""
    from hizumi.calibration import Verdict

    if not isinstance(item, Verdict):
        return {"name": item.name, "sha256": sha256, "anomalous": None, "reason": item.reason}
    fields = item.to_dict()
    return {**fields, "sha256": sha256, "regions": len(fields["boxes"]), "reason": None}


def assessment_result(
    detector: str,
    measures: Mapping[str, Any],
    options: Options,
    findings: Iterable[Any],
    unread: Unread,
    unopened: Unread = (),
    notes: Iterable[str] = (),
) -> dict[str, Any]:
    """The measures of an evaluation with what was evaluated; what it was evaluated on, the caller knows."""
    return {
        "detector": detector,
        **measures,
        "fit_seconds": options["fit_seconds"],
        "findings": _findings(findings),
        "notes": list(notes),
        "failures": _failures(unread),
        "unopened": _failures(unopened),
        "options": dict(options),
    }


def verdict_rows(
    verdicts: Iterable["Verdict"], kinds: Iterable[str], labels: Iterable[int], without: Unread = ()
) -> list[dict[str, Any]]:
    """As `inspection_rows`, with kinds and labels; labels below 0 are unknown."""
    known = [
        {"kind": kind, "label": None if label < 0 else label, **verdict.to_row()}
        for verdict, kind, label in zip(verdicts, kinds, labels, strict=True)
    ]
    return [*known, *inspection_rows((), without)]


def likelihood_result(
    data: str, mean: Mapping[str, float], items: Sequence[Options], unread: Unread, unopened: Unread = ()
) -> dict[str, Any]:
    """How likely each item is, and all on average."""
    return {
        "data": data,
        "mean": mean,
        "items": items,
        "failures": _failures(unread),
        "unopened": _failures(unopened),
    }


def comparison_result(
    data: str,
    ranked_by: str,
    summary: Sequence[Options],
    runs: Sequence[Options],
    failed: Mapping[str, Exception],
    notes: Iterable[str],
    unread: Unread,
    unopened: Unread,
) -> dict[str, Any]:
    """A summary of each detector's runs, best first by the measure `ranked_by`, every run, why detectors failed.

    And what was said about the data.
    """
    return {
        "data": data,
        "ranked_by": ranked_by,
        "summary": summary,
        "runs": runs,
        "failed": {name: str(error) for name, error in failed.items()},
        **_remarks(notes, unread, unopened),
    }


def comparison_rows(runs: Iterable[Options]) -> list[dict[str, Any]]:
    """One flat row for each run, for CSV: of what is nested, intervals alone."""
    return [
        {name: value for name, value in run.items() if not isinstance(value, (list, dict)) or "interval" in name}
        for run in runs
    ]


def _remarks(notes: Iterable[str], unread: Unread, unopened: Unread) -> dict[str, Any]:
    return {"notes": list(notes), "failures": _failures(unread), "unopened": _failures(unopened)}


def _findings(findings: Iterable[Any]) -> list[dict[str, Any]]:
    """Of health checks, or of reports, which both have these four."""
    names = ("name", "severity", "message", "remedy")
    return [{name: getattr(finding, name) for name in names} for finding in findings]


def _failures(unread: Unread) -> list[dict[str, str]]:
    return [{"name": name, "reason": reason} for name, reason in unread]
