"""Tables on the command line: one file, fitted, evaluated and inspected with the options that its columns need."""

import json
import re
import zipfile
from pathlib import Path

import numpy as np


def flows(path: Path) -> Path:
    """260 benign and 40 attacking rows, numbered as pandas does, with a large column and one of words."""
    generator = np.random.default_rng(0)
    lines = [",duration,bytes,protocol,class"]
    for row in range(300):
        attack = row >= 260
        duration, size = generator.normal() + 6 * attack, 1e6 + 0.01 * generator.normal()
        label = "DDoS" if attack else "BENIGN"
        lines.append(f"{row},{duration:.4f},{size:.6f},{'tcp' if row % 3 else 'udp'},{label}")
    path.write_text("\n".join(lines))
    return path


def test_options_are_asked_for_once_and_kept(hizumi, tmp_path):
    data, bundle = flows(tmp_path / "flows.csv"), tmp_path / "flows.hizumi"
    start = ("fit", data, "-d", "mahalanobis", "-o", bundle)
    assert "--good BENIGN" in hizumi(*start).err
    assert "--one-hot" in hizumi(*start, "--good", "BENIGN").err
    fitted = hizumi(*start, "--good", "BENIGN", "--one-hot")
    assert fitted.code == 0
    assert "'class' is taken for labels" in fitted.out
    assert "--good BENIGN --one-hot" in " ".join(fitted.out.split())
    evaluated = hizumi("evaluate", bundle, data, "-o", tmp_path / "report", "--json", "-").json
    assert evaluated["image_auroc"] > 0.99

    (tmp_path / "new.csv").write_text(
        "protocol,duration,bytes\ntcp,0.1,1000000.001\ntcp,0,1000000.08\nicmp,0,1000000\n"
    )
    inspected = hizumi("inspect", bundle, tmp_path / "new.csv", "--json", "-").json
    assert [verdict["anomalous"] for verdict in inspected["verdicts"]] == [False, True, True]
    assert "another order" in inspected["notes"][0]
    (tmp_path / "renamed.csv").write_text("protocol,time,bytes\ntcp,0.1,1000000\n")
    refused = hizumi("inspect", bundle, tmp_path / "renamed.csv")
    assert refused.code == 2
    assert "has no column 'duration', which was learned from; instead there is 'time'" in refused.err
    assert refused.err.count("\n") == 1


def test_rows_are_called_rows(hizumi, tmp_path):
    generator = np.random.default_rng(0)
    rows = np.c_[generator.normal(size=(140, 2)), np.repeat([0, 1], [120, 20])]
    rows[120:, 0] += np.repeat([0, 6], 10)
    splits = np.repeat(["train", "test"], [100, 40])
    lines = [f"{a:.5f},{b:.5f},{label:.0f},{split}" for (a, b, label), split in zip(rows, splits, strict=True)]
    data, bundle = tmp_path / "parts.csv", tmp_path / "parts.hizumi"
    data.write_text("\n".join(["a,b,label,split", *lines]))
    texts = {
        command[0]: hizumi(*command)
        for command in (
            ("fit", data, "-d", "mahalanobis", "-o", bundle, "--json", tmp_path / "fit.json"),
            ("inspect", bundle, data),
            ("calibrate", bundle, "--rule", "quantile"),
            ("evaluate", bundle, data, "-o", tmp_path / "evaluation"),
            ("compare", data, "-d", "mahalanobis", "-o", tmp_path / "comparison"),
        )
    }
    assert all(outcome.code == 0 for outcome in texts.values())
    said = {name: outcome.out + outcome.err for name, outcome in texts.items()}
    said["promise"] = json.loads((tmp_path / "fit.json").read_text())["promise"]
    assert "normal rows of parts, of 2 columns" in said["fit"]
    with zipfile.ZipFile(bundle) as archive:
        said["card"] = archive.read("model-card.md").decode()
    for report in ("evaluation", "comparison"):
        page = (tmp_path / report / "report.html").read_text()
        # What readers see: neither drawings nor names of options.
        said[report] = re.sub(r"<style.*?</style>|<[^>]*>|training_images|calibration_images", " ", page, flags=re.S)
    assert {name: re.findall(r".{0,40}image.{0,40}", text, re.IGNORECASE) for name, text in said.items()} == {
        name: [] for name in said
    }
    assert "AUROC" in said["compare"]
    assert "Pixel" not in said["compare"], "no column for what no row has"
    assert "good rows" in said["promise"]
    assert "NEW_ROWS" in said["fit"]
