"""The demonstration in full: what the README shows."""

import json
from pathlib import Path

import pytest


@pytest.mark.slow
def test_demo_reaches_what_the_readme_shows(hizumi, tmp_path: Path) -> None:
    assert hizumi("demo", "-o", tmp_path / "demo").code == 0
    result = json.loads((tmp_path / "demo" / "result.json").read_text())
    for measure in ("image_auroc", "pixel_auroc"):
        low, high = result[f"{measure}_interval"]
        assert low <= result[measure] <= high
        assert result[measure] >= 0.95
    assert result["realised_false_alarm_rate"] <= 0.04  # 1 % of 200 was asked for; more than 8 is beyond chance
