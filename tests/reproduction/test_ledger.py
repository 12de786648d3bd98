from pathlib import Path
from typing import Any

import pytest

from hizumi.detectors import ALAD, EGBAD
from hizumi.errors import DataError, UsageError
from hizumi.registry import find_detectors
from hizumi.reproduction.entrants import ENTRIES, departure_of, differences, differences_today, entrant
from hizumi.reproduction.ledger import add_run, begin_row, read_ledger, read_row, row_path, summarise_figure
from hizumi.reproduction.protocol import BudgetName, Mode
from hizumi.reproduction.protocols import find_protocol

STORED = sorted((Path(__file__).parents[2] / "benchmarks" / "results" / "ledger").glob("*--*.json"))

REQUEST = {"protocol": "elpv", "name": "likelihood(pixel_cnn, ratio)", "mode": "honest", "budget": "short"}


def result(case: str, seed: int, auroc: float, **figures: Any) -> dict[str, Any]:
    return {"case": case, "seed": seed, "figures": {"image_auroc": auroc, **figures}}


def test_a_row_grows_run_by_run_and_knows_what_is_done(tmp_path: Path) -> None:
    path = row_path(tmp_path, "elpv", "likelihood(pixel_cnn, ratio)", "honest", "short")
    assert path.name == "elpv--likelihood_pixel_cnn_ratio--honest--short.json"
    assert not begin_row(path, REQUEST).done("mono", 0)
    add_run(path, REQUEST, result("mono", 1, 0.7))
    add_run(path, REQUEST, result("mono", 0, 0.8))
    row = begin_row(path, REQUEST)
    assert row.done("mono", 0)
    assert not row.done("poly", 0)
    assert [run["seed"] for run in row.runs] == [0, 1]
    assert read_ledger(tmp_path)[0].runs == row.runs


def test_another_request_or_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a--b--c--d.json"
    add_run(path, REQUEST, result("mono", 0, 0.7))
    with pytest.raises(UsageError, match="begun with another budget"):
        begin_row(path, REQUEST | {"budget": "paper"})
    path.write_text("{")
    with pytest.raises(DataError, match="is no row of the ledger"):
        read_ledger(tmp_path)


def request_of(name: str, protocol: str, mode: Mode, budget: BudgetName) -> dict[str, Any]:
    entering = entrant(name, find_protocol(protocol), mode, budget)
    leaks = sorted(find_protocol(protocol).leaks_of(entering.detector, mode))
    asked = {"protocol": protocol, "name": name, "detector": entering.detector, "mode": mode, "budget": budget}
    return asked | {"leaks": leaks, "options": entering.specification, "changes": entering.changes}


@pytest.mark.parametrize("path", STORED, ids=[path.stem for path in STORED])
def test_stored_rows_are_gone_on_with(path: Path) -> None:
    stored = read_row(path)
    name, protocol, mode, budget = (stored.request[key] for key in ("name", "protocol", "mode", "budget"))
    try:
        assert begin_row(path, request_of(name, protocol, mode, budget)).runs == stored.runs
    except UsageError:  # settings of its day that are not the paper's as known now: the page says which
        assert differences_today(stored.request["options"], find_protocol(protocol), name, mode)


def test_arguments_that_have_moved_into_a_part_are_the_same_request(tmp_path: Path) -> None:
    path, asked = tmp_path / "a--b--c--d.json", request_of("egbad", "kdd99", "paper", "paper")
    arguments = dict(asked["options"]["arguments"])
    flat = {**arguments.pop("model")["arguments"], **arguments}  # as if EGBAD had once had its model's arguments
    add_run(path, asked | {"options": {**asked["options"], "arguments": flat}, "changes": {}}, result("all", 0, 0.7))
    assert begin_row(path, asked).done("all", 0)
    other = {**asked["options"], "arguments": {**asked["options"]["arguments"], "discrimination": "features"}}
    with pytest.raises(UsageError, match="begun with another options"):
        begin_row(path, asked | {"options": other})


def test_means_and_deviations_by_hand() -> None:
    runs = [result("0", 0, 0.9), result("0", 1, 0.7), result("0", 2, 0.8), result("1", 0, 0.5), result("1", 1, 0.7)]
    summary = summarise_figure(runs, "image_auroc")
    assert summary is not None
    assert summary.by_case == pytest.approx({"0": 0.8, "1": 0.6})
    assert summary.mean == pytest.approx(0.7)
    assert summary.deviation == pytest.approx(((0.1**2 + 0.1**2 + 2 * 0.1**2) / 3) ** 0.5)
    assert summary.median is None
    one = summarise_figure(runs[:3], "image_auroc")
    assert one is not None
    assert one.median == pytest.approx(0.8)
    single = summarise_figure(runs[:1], "image_auroc")
    assert single is not None
    assert single.deviation is None
    assert summarise_figure(runs, "aupro") is None
    nested = summarise_figure([result("0", 0, 0.5, auroc_by_kind={"crack": 0.25})], "auroc_by_kind/crack")
    assert nested is not None
    assert nested.mean == 0.25


def test_differences_reach_into_models() -> None:
    here = {"model": {"name": "vae", "arguments": {"latent": 16, "width": 64}}, "smoothing": 2.0}
    there = {"model": {"name": "vae", "arguments": {"latent": 20, "width": 64}}, "smoothing": 4.0}
    assert differences(here, there) == {"model.latent": [16, 20], "smoothing": [2.0, 4.0]}
    other = {"model": {"name": "autoencoder", "arguments": {}}, "smoothing": 2.0}
    assert differences(here, other) == {"model": ["vae", "autoencoder"]}


def test_a_departure_is_the_fast_presets_own_words_and_only_of_rows_that_run_with_it() -> None:
    words = ALAD.presets["fast"].departure
    assert "another method" in words
    assert departure_of("alad", "short") == words
    assert departure_of("alad", "paper") == ""  # the preset is not used
    assert departure_of("egbad(feature matching)", "short") == EGBAD.presets["fast"].departure  # a variant's detector
    assert ENTRIES["likelihood(pixel_cnn)"].short is not None
    assert departure_of("likelihood(pixel_cnn)", "short") == ""  # it has short settings of its own
    assert departure_of("mahalanobis", "short") == ""  # it has no preset
    for name, found in find_detectors().items():
        fast = found.presets.get("fast")
        assert departure_of(name, "short") == ("" if fast is None else fast.departure)


def test_differences_today_are_from_the_papers_settings_as_they_are_known_now() -> None:
    protocol = find_protocol("kdd99")
    entering = entrant("alad", protocol, "honest", "paper")
    assert differences_today(entering.specification, protocol, "alad", "honest") == {}
    arguments = entering.specification["arguments"]
    model = {**arguments["model"]["arguments"], "spectral_norm": True, "decay_start": 0.5}  # as rows of an earlier day
    stored = {**entering.specification, "arguments": {"model": {**arguments["model"], "arguments": model}}}
    stored["training"] = {"budget": ["10 epochs"], "batch_size": [50]}
    assert differences_today(stored, protocol, "alad", "honest") == {
        "model.spectral_norm": [True, False],
        "model.decay_start": [0.5, 1.0],
        "budget": [["10 epochs"], ["50 epochs"]],
    }
    without = {key: value for key, value in model.items() if key != "spectral_norm"}  # not yet an argument then
    stored["arguments"] = {"model": {**arguments["model"], "arguments": without}}
    assert differences_today(stored, protocol, "alad", "honest")["model.spectral_norm"] == [True, False]
    stored["arguments"] = {"model": {**arguments["model"], "arguments": {**without, "gone": 1}}}
    with pytest.raises(UsageError, match="gone"):
        differences_today(stored, protocol, "alad", "honest")
