"""The page of results: a row for each detector, a column for each set."""

from collections.abc import Mapping
from typing import Any

from hizumi.export.parity import FACTOR, ROUNDING_FLOOR

DECIDING = ("score", "map")
ENGINES = ("onnxruntime", "openvino")
CAUSES = {
    "control_chart": "it computes in double precision and divides by how little a statistic of good images varies, "
    "which enlarges rounding; OpenVINO computes all in single precision, and what is rounded alike all over an area "
    "of one colour does not average out: 1.5e-07 in the mean of a picture of two grey levels, 2e-10 in that of noise",
    "conv_ae_one_class_svm": "it computes in double precision, which OpenVINO has none of; codes of pictures that are "
    "much alike (bottle: up to 4.7, deviations of 0.01 to 0.05) are rounded by 1e-06, and whitening enlarges that up "
    "to 500 times; each convolution by itself, in single precision, puts the score off by more than is allowed",
    "dbn_one_class_svm": "likewise; units that hardly vary (thyroid: by 0.0001, near 1) are brought to variance 1, "
    "and rounding what goes into them is enough; where all are saturated, only rounding is left of the score",
    "deep_one_class": "likewise; features of good pictures are trained to lie close together, so that the distance "
    "from a template is the difference of numbers that are nearly equal",
}
"""Why detectors are refused, as far as was found."""


def page(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown from what was measured, by set and detector."""
    names = sorted({name for by_detector in results.values() for name in by_detector})
    rows = [[name, *(_cell(results[each].get(name)) for each in results)] for name in names]
    outcomes = [
        outcome[engine]
        for by_detector in results.values()
        for outcome in by_detector.values()
        for engine in ENGINES
        if engine in outcome
    ]
    written = [outcome for outcome in outcomes if "refused" not in outcome]
    changed, borderline = (sum(outcome[key] for outcome in written) for key in ("changed", "borderline"))
    minutes = sorted({each["minutes"] for row in results.values() for each in row.values() if "minutes" in each})
    lines = [
        "# Exports on real data",
        "",
        "Made by `python -m benchmarks.export`. Each cell: how many times torch's own error the graph's error is, in "
        "ONNX Runtime / in OpenVINO, the larger one of score and map, both measured against the detector in double "
        f"precision. Up to {FACTOR:g} is written; an own error below {ROUNDING_FLOOR:.1e} of the largest value counts "
        "as that. What trains was trained for a short time, which export does not mind: at most "
        f"{' or '.join(f'{each:g}' for each in minutes)} minutes of each phase.",
        "",
        f"{len(written)} of {len(outcomes)} exports were written. Of {sum(each['verdicts'] for each in written)} "
        f"verdicts {changed} changed, {borderline} of them nearer to the threshold than the error.",
        "",
        _row(["detector", *results]),
        _row(["---"] * (len(results) + 1)),
        *(_row(row) for row in rows),
        "",
        "## Largest errors",
        "",
        "Relative to the largest value, over all outputs that decide.",
        "",
        _row(["set", "detector", "engine", "output", "graph", "torch", "verdicts", "changed"]),
        _row(["---"] * 8),
        *(_row(row) for row in _largest(results)),
        "",
        *_reasons(results),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _cell(outcome: Mapping[str, Any] | None) -> str:
    if outcome is None:
        return ""
    if "not_fitted" in outcome:
        return "not fitted"
    return " / ".join(_factor(outcome[engine]) for engine in ENGINES)


def _factor(outcome: Mapping[str, Any]) -> str:
    if "refused" in outcome:
        return "refused"
    ratios = [
        difference / max(outcome["rounding"][name], ROUNDING_FLOOR)
        for name, difference in outcome["differences"].items()
        if name in DECIDING
    ]
    return f"{max(ratios):.2f}" + (f" ({outcome['changed']} changed)" if outcome["changed"] else "")


def _largest(results: Mapping[str, Mapping[str, Any]], count: int = 20) -> list[list[str]]:
    found = [
        (outcome[engine]["differences"][name], set_name, detector, engine, name, outcome[engine])
        for set_name, by_detector in results.items()
        for detector, outcome in by_detector.items()
        for engine in ENGINES
        if "differences" in outcome.get(engine, {})
        for name in DECIDING
        if name in outcome[engine]["differences"]
    ]
    found.sort(key=lambda each: -each[0])
    return [
        [
            set_name,
            detector,
            engine,
            name,
            f"{difference:.1e}",
            f"{outcome['rounding'][name]:.1e}",
            str(outcome["verdicts"]),
            str(outcome["changed"]),
        ]
        for difference, set_name, detector, engine, name, outcome in found[:count]
    ]


def _reasons(results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What was not written, and why."""
    lines = []
    for set_name, by_detector in results.items():
        for detector, outcome in by_detector.items():
            if "not_fitted" in outcome:
                lines.append(f"- {set_name}, {detector}: not fitted: {outcome['not_fitted']}")
            lines += [
                f"- {set_name}, {detector}, {engine}: {outcome[engine]['refused']}"
                for engine in ENGINES
                if "refused" in outcome.get(engine, {})
            ]
    refused = {detector for row in results.values() for detector, each in row.items() if _is_refused(each)}
    causes = [f"- {name}: {cause}." for name, cause in CAUSES.items() if name in refused]
    return ["## Not written", "", *lines, *([""] if causes else []), *causes] if lines else []


def _is_refused(outcome: Mapping[str, Any]) -> bool:
    return any("refused" in outcome.get(engine, {}) for engine in ENGINES)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
