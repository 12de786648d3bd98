import numpy as np
import pytest


@pytest.mark.slow
def test_an_exported_bundle_inspects_as_the_first(hizumi, bundle, parts, tmp_path):
    outcome = hizumi("export", bundle, "--data", parts, "--json", "-")
    assert outcome.code == 0
    exported = bundle.with_name("parts.onnx.hizumi")
    assert outcome.json["bundle"] == str(exported)
    assert (outcome.json["changed"], outcome.json["verdicts"]) == (0, 28)
    assert max(outcome.json["differences"].values()) < 1e-5
    assert "AUROC" in outcome.err
    both = [hizumi("inspect", each, parts / "test", "--json", "-").json for each in (bundle, exported)]
    assert [v["anomalous"] for v in both[0]["verdicts"]] == [v["anomalous"] for v in both[1]["verdicts"]]
    assert both[0]["detector"] == both[1]["detector"]
    assert hizumi("inspect", exported, parts / "test/hole", "--maps", tmp_path / "maps").code == 0
    assert len(list((tmp_path / "maps").rglob("*.png"))) == 10
    told = hizumi("info", exported, "--json", "-")
    assert told.json["parity"]["changed"] == 0
    assert "of the largest value" in told.err


@pytest.mark.slow
def test_a_bundle_whose_data_are_out_of_reach_is_exported_on_any_good_pictures(hizumi, bundle, parts, tmp_path):
    away = parts.rename(parts.with_name("away"))
    outcome = hizumi("export", bundle)
    assert outcome.code == 2
    assert len(outcome.err.splitlines()) == 1
    assert "--data" in outcome.err
    outcome = hizumi("export", bundle, "--data", next((away / "train/good").iterdir()), "--json", "-")
    away.rename(parts)
    assert outcome.code == 0
    assert (outcome.json["verdicts"], outcome.json["as_fitted"], outcome.json["changed"]) == (1, False, 0)
    assert "so the threshold stays as it is" in outcome.err


def test_an_export_never_takes_the_place_of_its_own_bundle(hizumi, bundle, parts, tmp_path):
    before = bundle.read_bytes()
    (tmp_path / "link.hizumi").symlink_to(bundle)
    for output in (bundle, tmp_path / "link.hizumi"):
        outcome = hizumi("export", bundle, "--data", parts, "-o", output)
        assert outcome.code == 2
        assert outcome.err == (
            f"Error: {output} holds a detector, which would be lost; name another --output, or delete it\n"
        )
    assert bundle.read_bytes() == before


def test_what_cannot_be_exported_is_one_line(hizumi, bundle, tmp_path):
    outcome = hizumi("export", bundle, "--data", tmp_path / "nowhere")
    assert outcome.code == 2
    assert "no such file or folder" in outcome.err
    outcome = hizumi("export", bundle, "--layout", "flat")
    assert outcome.code == 2
    assert "--layout says how --data is to be understood" in outcome.err
    assert [path.name for path in bundle.parent.iterdir()] == [bundle.name]


def test_fewer_bits_that_leave_nothing_of_a_map_are_said(hizumi, tmp_path):
    values = np.random.default_rng(0).integers(90, 130, (40, 16, 16)).astype(np.uint8)
    np.save(tmp_path / "good.npy", values)
    fitted = hizumi("fit", tmp_path / "good.npy", "-d", "pca", "-o", tmp_path / "a.hizumi")
    assert fitted.code == 0, fitted.err
    for precision, is_said in (("fp32", False), ("int8", True)):
        place = tmp_path / f"{precision}.onnx.hizumi"
        done = hizumi(
            "export", tmp_path / "a.hizumi", "--data", tmp_path / "good.npy", "--precision", precision, "-o", place
        )
        assert done.code == 0, done.err
        said = " ".join(done.out.split())
        assert ("of the largest value: regions are missed or made up" in said) is is_said
