from dataclasses import replace

import pytest

from hizumi.arguments import clone
from hizumi.detectors import Mahalanobis
from hizumi.errors import UsageError
from hizumi.registry import detector_class, find_detectors
from hizumi.reproduction import entrants
from hizumi.reproduction.entrants import CHOSEN_ON_TEST, ENTRIES, LEFT_OUT, detector_of, rows_of, settled
from hizumi.reproduction.protocol import Leak
from hizumi.reproduction.protocols import PROTOCOLS, find_protocol
from hizumi.training import Budget


def test_every_row_of_every_protocol_is_a_detector_of_its_kind() -> None:
    for protocol in PROTOCOLS.values():
        tables, series = ("kdd99", "arrhythmia"), ("nab", "skab", "smap-msl")
        kind = "vectors" if protocol.name in tables else "series" if protocol.name in series else "images"
        for row in rows_of(protocol):
            assert kind in detector_class(detector_of(row)).card.takes, row


def test_every_detector_enters_a_protocol_or_there_is_a_reason() -> None:
    entered = {row for protocol in PROTOCOLS.values() for row in rows_of(protocol)}
    assert entered >= ENTRIES.keys()
    missing = find_detectors().keys() - entered
    assert missing - {"deep_one_class"} == LEFT_OUT.keys()
    assert detector_class("deep_one_class").card.needs == ("reference set",), "which no protocol has"
    assert "cross_channel" in rows_of(find_protocol("ped2"))
    assert "cross_channel" not in rows_of(find_protocol("magnetic-tile")), "where nothing moves"


def test_a_new_detector_has_its_rows_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    class New(Mahalanobis):
        card = replace(Mahalanobis.card, inputs=("images",))

    monkeypatch.setattr(entrants, "find_detectors", lambda: {**find_detectors(), "new": New})
    assert {name for name, protocol in PROTOCOLS.items() if "new" in rows_of(protocol)} == (
        PROTOCOLS.keys() - {"kdd99", "arrhythmia"}
    )


def test_an_entrant_says_how_it_differs_from_the_paper() -> None:
    short = entrants.entrant("deep_svdd(soft)", find_protocol("mnist-one-class-normal"), "honest", "short", "cuda")
    assert (short.detector, short.options.accelerator) == ("deep_svdd", "cuda")
    assert short.specification["arguments"]["model"]["arguments"]["boundary"] == "soft"
    assert short.specification["training"]["budget"] == ["700 steps", "800 steps"]
    assert short.changes["budget"][0] == ["700 steps", "800 steps"]
    whole = entrants.entrant("deep_svdd(soft)", find_protocol("mnist-one-class-normal"), "honest", "paper")
    assert not whole.changes


def test_entries_are_made_as_they_are_named() -> None:
    protocol = find_protocol("magnetic-tile")
    for name, entry in ENTRIES.items():
        for budget in ("short", "paper"):
            made = settled(name, protocol, "honest", budget).make()
            assert isinstance(made, detector_class(entry.detector))


def test_series_have_short_settings_of_their_own() -> None:
    series, images = find_protocol("smap-msl"), find_protocol("magnetic-tile")
    for name in entrants.ON_SERIES:
        assert name in rows_of(series)
        chosen = settled(name, series, "honest", "short")
        assert isinstance(chosen.make(), detector_class(entrants.detector_of(name)))
        assert chosen.options.budget != settled(name, images, "honest", "short").options.budget
    assert settled("reconstruction(plain)", series, "honest", "short").make().difference == "l2"
    assert settled("reconstruction", series, "honest", "paper").options.budget is None


def test_remarks_are_on_rows_that_there_are() -> None:
    for protocol, name in CHOSEN_ON_TEST:
        assert name in rows_of(PROTOCOLS[protocol])


def test_a_preset_in_a_name_is_that_preset_in_both_budgets() -> None:
    for budget in ("short", "paper"):
        made = settled("nearest_features(flattened)", find_protocol("magnetic-tile"), "honest", budget).make()
        assert (made.levels, made.flatten, made.top_share) == ((3, 4, 6), 16.0, 0.02)


def test_batch_statistics_are_a_setting_of_the_paper_mode() -> None:
    protocol = find_protocol("mnist-one-class-anomalous")
    for budget in ("short", "paper"):
        honest, paper = (settled("ganomaly", protocol, mode, budget) for mode in ("honest", "paper"))
        assert honest.make().bn_mode == "eval"
        assert paper.make().bn_mode == "batch"
        assert honest.options == paper.options
        assert honest.make().model.width == paper.make().model.width
    assert settled("ganomaly", find_protocol("magnetic-tile"), "paper", "short").make().bn_mode == "eval"


def test_detectors_with_that_leak_have_that_setting() -> None:
    for protocol in PROTOCOLS.values():
        for name, leaks in protocol.leaks.items():
            if Leak.BATCH_STATISTICS in leaks:
                assert clone(detector_class(name)(), bn_mode="batch").bn_mode == "batch"


def test_authors_settings_for_their_data_are_those_of_the_paper_budget() -> None:
    kdd = settled("egbad(feature matching)", find_protocol("kdd99"), "paper", "paper")
    assert kdd.make().model.latent == 32
    assert kdd.make().discrimination == "features"
    assert (kdd.options.budget, kdd.options.batch_size) == (Budget(epochs=50), 50)
    assert settled("egbad", find_protocol("deeppcb"), "paper", "paper").make().model.latent == 200
    digits, cells = (
        settled("deep_svdd(soft)", find_protocol(name), "honest", "paper").make()
        for name in ("mnist-one-class-normal", "elpv")
    )
    assert [detector.pretraining.widths for detector in (digits, cells)] == [(8, 4), (32, 64, 128)]
    assert (digits.pretraining.weight_decay, digits.model.weight_decay) == (5e-4, 5e-7)
    assert digits.model.boundary == "soft"


def test_a_name_without_a_detector_is_refused() -> None:
    with pytest.raises(UsageError, match="no detector is called"):
        settled("egbat", find_protocol("kdd99"), "honest", "short")
