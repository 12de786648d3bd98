"""Inputs that come one by one leave the same cases as all of them at once."""

from dataclasses import replace

import numpy as np
import pytest

from hizumi.calibration import Calibration, Verdict
from hizumi.evaluation import evaluate
from hizumi.report.cases import Candidates, Judged, case_groups
from hizumi.report.content import UNKNOWN, ReportContent

KINDS = ["good", "scratch", "pit", "stain"]


@pytest.mark.parametrize("is_labelled", [True, False])
@pytest.mark.parametrize("seed", range(10))
def test_candidates_are_what_a_report_of_all_so_far_shows(seed: int, is_labelled: bool) -> None:
    generator = np.random.default_rng(seed)
    calibration = Calibration.fit(generator.normal(size=50), false_alarm_rate=0.2)
    kinds = generator.choice(KINDS, 40).tolist()
    scores = generator.integers(-2, 4, 40).astype(float)  # many are equal
    labels = [int(kind != "good") if is_labelled else UNKNOWN for kind in kinds]
    judgements = zip(calibration.is_anomalous(scores).tolist(), scores.tolist(), strict=True)
    verdicts = [Verdict("", alarmed, score, 0.5, calibration.threshold.value, {}) for alarmed, score in judgements]
    measured = evaluate(verdicts, labels=labels, kinds=kinds, masks=None, calibration=calibration)
    candidates = Candidates(calibration, is_labelled=is_labelled)
    before: set[int] = set()
    for place, verdict in enumerate(verdicts):
        judged = Judged(place, verdict.score, verdict.anomalous, labels[place], kinds[place])
        is_admitted = candidates.admit(judged)
        known = slice(place + 1)
        each = {name: getattr(measured, name)[known] for name in ("names", "kinds", "labels", "scores", "units")}
        so_far = replace(measured, **each) if is_labelled else None
        groups = case_groups(ReportContent("", "", "", verdicts[known], calibration, so_far))
        shown = {other for group in groups for other in group.places}
        assert {other for other in range(place + 1) if other in candidates} == shown
        assert is_admitted == (place in shown)
        assert shown <= before | {place}  # what was left out does not come back
        before = shown
