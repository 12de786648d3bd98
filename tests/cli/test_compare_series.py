"""`hizumi compare` on series: ranked by VUS-PR of each recording, which another route gives too."""

import csv

import numpy as np
import pytest

from hizumi.data.source import open_source
from hizumi.evaluation.volume import volumes_under_surfaces
from hizumi.inspection import held_out, load

LENGTH = 16


def _write(path, generator, *, anomalous):
    values, labels = generator.normal(size=(400, 2)), np.zeros(400)
    if anomalous:
        values[200:240] += generator.uniform(0.5, 2)
        labels[200:240] = 1
    rows = [f"{a:.4f},{b:.4f},{label:.0f}" for (a, b), label in zip(values, labels, strict=True)]
    path.write_text("\n".join(["volt,bar,anomaly", *rows]) + "\n")


def test_series_are_compared_by_the_volume_under_each_recording(hizumi, tmp_path):
    from hizumi.data.series.options import SeriesOptions

    generator = np.random.default_rng(0)
    (data := tmp_path / "pumps").mkdir()
    for number in range(4):
        _write(data / f"{number}.csv", generator, anomalous=number > 1)
    arguments = ["--series", "--length", LENGTH, "-d", "mahalanobis", "-o", tmp_path / "out"]
    outcome = hizumi("compare", data, *arguments, "--json", "-")
    assert outcome.code == 0
    assert "Best VUS-PR per recording (median) first" in outcome.err
    assert outcome.json["ranked_by"] == "vus_pr"
    measured = {run["detector"]: run["vus_pr"] for run in outcome.json["runs"]}
    with (tmp_path / "out" / "runs.csv").open(encoding="utf-8-sig", newline="") as file:
        assert {row["detector"]: float(row["vus_pr"]) for row in csv.DictReader(file)} == measured
    report = (tmp_path / "out" / "report.html").read_text()
    assert "best VUS-PR per recording (median) first" in report
    assert ">VUS-PR</th>" in report

    for name, value in measured.items():
        inspector = load(tmp_path / "out" / "bundles" / f"{name}-0.hizumi")
        tested = held_out(inspector, open_source(data, series=SeriesOptions(length=LENGTH)))
        recordings = {}
        for index, block in enumerate(inspector.inspect_each(tested, pictures=False)):
            parts = recordings.setdefault(tested.records[index].row, [])
            parts.append((block.map[0], tested.read_mask(index)[0]))
        each = [
            volumes_under_surfaces(*(np.concatenate(part) for part in zip(*parts, strict=True)), LENGTH)[1]
            for parts in recordings.values()
        ]
        assert value == pytest.approx(np.nanmedian(each), abs=1e-12)
