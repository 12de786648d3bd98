import pytest


def test_list_names_everything(hizumi):
    outcome = hizumi("list", "--json", "-")
    assert outcome.code == 0
    methods = {(method["kind"], method["name"]): method for method in outcome.json["methods"]}
    assert {("detector", "ganomaly"), ("detector", "gaussian_features"), ("model", "vae")} <= methods.keys()
    for method in methods.values():
        assert {"name", "kind", "family", "paper", "cost", "localises", "needs"} <= method.keys()
        assert method["profile"]["map"] == method["localises"]
    assert methods["detector", "ganomaly"]["localises"] is True


def test_list_for_people(hizumi, tmp_path):
    outcome = hizumi("list", "--json", tmp_path / "methods.json")
    assert outcome.code == 0
    assert "one_class_svm" in outcome.out
    assert (tmp_path / "methods.json").exists()


@pytest.mark.parametrize("width", [60, 80, 140])
def test_list_says_the_same_on_every_terminal(hizumi, monkeypatch, width):
    monkeypatch.setattr("hizumi.cli.console.WIDTH_OUTSIDE_TERMINALS", width)
    lines = hizumi("list").out.splitlines()
    assert max(map(len, lines)) <= width
    assert not any("\\x" in line for line in lines)  # line breaks are breaks, and no escaped characters
    start = next(number for number, line in enumerate(lines) if line.lstrip().startswith("likelihood"))
    following = start + 1 + next(n for n, line in enumerate(lines[start + 1 :]) if line.lstrip().startswith("mahal"))
    told = " ".join(" ".join(lines[start:following]).split())
    assert "improbable" in told
    assert "density" in told
    assert "one pass" in told
    assert "2015" in told
    assert "\\x" not in told
