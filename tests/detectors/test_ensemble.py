"""Fusion of p-values against SciPy and simulation, and the ensemble that is made of it."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from hizumi.detectors import (
    Detector,
    Ensemble,
    GaussianMixture,
    Likelihood,
    Mahalanobis,
    NearestFeatures,
    OneClassSVM,
    Reconstruction,
)
from hizumi.detectors.p_values import FUSIONS, ReferenceScores, cauchy, fisher, minimum
from hizumi.errors import UsageError
from hizumi.inspection import Inspector, load, save
from hizumi.models import VAE, Autoencoder
from hizumi.registry import construct, make_detector, specify
from hizumi.training import Budget, TrainingOptions

RANDOM = torch.Generator().manual_seed(0)
UNIFORM = torch.rand(20_000, 3, generator=RANDOM, dtype=torch.float64)
MIXING = torch.randn(4, 4, generator=RANDOM)
ROWS = torch.randn(400, 4, generator=RANDOM) @ MIXING
FRESH = torch.randn(3000, 4, generator=RANDOM) @ MIXING
SHORT = TrainingOptions(budget=Budget(steps=3), batch_size=8)


def table_ensemble(fusion: str = "fisher") -> Ensemble:
    return Ensemble((Mahalanobis(), GaussianMixture(max_components=2), OneClassSVM()), fusion)


def test_members_see_images_as_large_as_they_would_alone() -> None:
    ensemble = Ensemble((Mahalanobis(), NearestFeatures(), Reconstruction()))
    assert ensemble.working_size == NearestFeatures.working_size
    images = np.random.default_rng(0).integers(0, 256, (20, 50, 100), dtype=np.uint8)
    inspector = Inspector(Ensemble((Mahalanobis(), Mahalanobis()))).fit(images)
    sizing = inspector.preprocessing_.sizing
    assert (sizing.height, sizing.width) == (23, 45)  # Mahalanobis works on as many pixels as 32x32 has


def test_fisher_equals_scipy() -> None:
    for row in UNIFORM[:20]:
        expected = stats.combine_pvalues(row.numpy(), "fisher").pvalue
        assert float(fisher(row.log()[None]).exp()) == pytest.approx(expected, rel=1e-9)


def test_cauchy_and_minimum_equal_their_definitions() -> None:
    p = UNIFORM[:200]
    mean = torch.tan(math.pi * (0.5 - p)).mean(1)
    torch.testing.assert_close(cauchy(p.log()).exp(), torch.from_numpy(stats.cauchy.sf(mean.numpy())))
    torch.testing.assert_close(minimum(p.log()).exp(), 1 - (1 - p.amin(1)) ** 3)


@pytest.mark.parametrize(
    ("law", "typical"),
    [(stats.expon(), 2.0), (stats.norm(), 7.0), (stats.t(3), 0.25)],
    ids=["exp", "normal", "Student"],
)
def test_p_values_beyond_the_scores_are_as_far_off_as_their_docstring_says(law: Any, typical: float) -> None:
    generator, rare = np.random.default_rng(0), torch.tensor([law.isf(1e-4)])
    times = []
    for _ in range(200):
        reference = ReferenceScores()
        reference.fit(torch.from_numpy(law.rvs(200, random_state=generator)))
        times.append(float(reference(rare).exp()) / 1e-4)
    assert np.median(times) == pytest.approx(typical, rel=0.1)
    if typical == 2.0:
        assert np.quantile(times, [0.05, 0.95]) == pytest.approx([1 / 20, 40], rel=0.3)


def test_fused_p_values_of_independent_ones_are_uniform() -> None:
    for fusion in FUSIONS.values():
        assert stats.kstest(fusion(UNIFORM.log()).exp().numpy(), "uniform").pvalue > 0.01


def test_cauchy_and_minimum_keep_their_rate_under_dependence() -> None:
    shared = torch.randn(200_000, 1, generator=RANDOM, dtype=torch.float64)
    for correlation in (0.5, 0.95, 1.0):
        own = torch.randn(200_000, 4, generator=RANDOM, dtype=torch.float64)
        scores = math.sqrt(correlation) * shared + math.sqrt(1 - correlation) * own
        log_p = torch.special.log_ndtr(scores)
        for fusion, allowed in ((cauchy, 1.2), (minimum, 1.0)):
            for rate in (0.01, 0.001):
                share = float((fusion(log_p) <= math.log(rate)).double().mean())
                assert share <= allowed * rate + 3 * math.sqrt(rate / 200_000)
    # Fisher's method does not: that is what the others are for.
    assert float((fisher(log_p) <= math.log(0.01)).double().mean()) > 0.03


def test_p_values_beyond_any_floating_point_number() -> None:
    log_p = torch.tensor([[-5000.0, -3.0], [-5001.0, -3.0]], dtype=torch.float64)
    for name, expected in {"cauchy": math.log(2), "minimum": math.log(2), "fisher": math.log(5004) - 3}.items():
        fused = FUSIONS[name](log_p)
        assert float(fused[0]) == pytest.approx(-5000 + expected, abs=1e-9)
        assert fused[0] > fused[1]


@pytest.mark.parametrize("law", ["normal", "lognormal", "pareto", "uniform"])
def test_p_values_of_new_scores_are_uniform_and_never_tie(law: str) -> None:
    generator = np.random.default_rng(1)
    draw = {
        "normal": lambda n: generator.normal(size=n),
        "lognormal": lambda n: generator.lognormal(size=n),
        "pareto": lambda n: generator.pareto(3, size=n),
        "uniform": lambda n: generator.uniform(size=n),
    }[law]
    # Over many reference sets, for which the promise holds; a single one is off by its own luck.
    p = []
    for _ in range(60):
        reference = ReferenceScores()
        reference.fit(torch.from_numpy(draw(150)))
        p.append(reference(torch.from_numpy(draw(100))).exp().numpy())
    together = np.concatenate(p)
    assert stats.kstest(together, "uniform").statistic < 0.03
    assert (together <= 0.01).mean() == pytest.approx(0.01, abs=0.004)
    line = torch.linspace(-50, 500, 2000, dtype=torch.float64)
    assert bool((reference(line).diff() <= 0).all())
    assert bool((reference(line[line > 5]).diff() < 0).all())


def test_between_reference_scores_it_is_the_conformal_p_value() -> None:
    reference = ReferenceScores()
    reference.fit(torch.arange(1.0, 100.0))
    # 70 of the 99 lie at or above 30; half-way to the next it has fallen by half a rank.
    torch.testing.assert_close(
        reference(torch.tensor([30.0, 30.5])).exp(), torch.tensor([0.70, 0.695], dtype=torch.float64)
    )


@pytest.mark.parametrize("same", [0.0, 1e-30, 5.0])
def test_beyond_reference_scores_that_are_all_the_same_p_values_are_still_numbers(same: float) -> None:
    reference = ReferenceScores()
    reference.fit(torch.full((20,), same))
    log_p = reference(torch.tensor([same, same + 1, same + 2, 1e6]))
    assert bool(log_p.isfinite().all())
    assert bool((log_p.diff() < 0).all())
    for fusion in FUSIONS.values():
        assert bool(fusion(torch.stack([log_p, log_p], 1)).isfinite().all())


def test_one_member_keeps_its_ranking() -> None:
    wild = torch.cat([FRESH[:200], 30 * FRESH[:50]])
    alone = Mahalanobis().fit(ROWS)
    for fusion in FUSIONS:
        ensemble = Ensemble((Mahalanobis(),), fusion, reference_share=0.3).fit(ROWS)
        order = ensemble.detectors[0].score_batch(ensemble._standardise(wild)).image.argsort()
        assert torch.equal(ensemble.score(wild).image.argsort(), order)
    assert stats.spearmanr(alone.score(wild).image, ensemble.score(wild).image).statistic > 0.98


def test_scores_are_minus_log_p_of_new_normal_data() -> None:
    anomaly = table_ensemble("cauchy").fit(ROWS).score(FRESH)
    assert set(anomaly.terms) == {"Mahalanobis", "GaussianMixture", "OneClassSVM"}
    assert float((anomaly.image > -math.log(0.1)).double().mean()) == pytest.approx(0.1, abs=0.06)
    log_p = -torch.stack(list(anomaly.terms.values()), 1)
    torch.testing.assert_close(-cauchy(log_p), anomaly.image)


def test_members_learn_nothing_from_what_they_are_compared_with() -> None:
    ensemble = Ensemble((Mahalanobis(covariance="empirical"),), reference_share=0.25).fit(ROWS)
    _, reference = ensemble._dealt(_source(ensemble), 0)
    assert reference is not None
    scores = ensemble.detectors[0].score_batch(reference.batch(torch.arange(len(reference)))).image
    torch.testing.assert_close(scores.sort().values, ensemble.references[0].scores)
    training = ROWS[~(ROWS[:, None] == _raw(ensemble, reference)[None]).all(2).any(1)]
    assert len(training) == 300
    torch.testing.assert_close(
        ensemble.detectors[0].gaussian.mean, ensemble._standardise(training).double().mean(0), atol=1e-6, rtol=0
    )


def _raw(ensemble: Ensemble, reference):
    return ROWS[reference.indices]


def _source(ensemble: Ensemble):
    from hizumi.data.stream import View, as_source

    return View(as_source(ROWS), function=ensemble._standardise)


def test_maps_are_the_mean_of_standardised_ones() -> None:
    images = torch.randn(40, 1, 16, 16, generator=RANDOM)
    members = (
        Mahalanobis(),
        Reconstruction(Autoencoder(width=4), difference="l1"),
        Likelihood(VAE(latent=2, width=4)),
    )
    ensemble = Ensemble(members).fit(images, SHORT)
    test = images[:5]
    anomaly = ensemble.score(test)
    expected = []
    for member, median, spread in zip(ensemble.detectors, ensemble.map_medians, ensemble.map_spreads, strict=True):
        pixel = member.score_batch(test).pixel
        if pixel is not None:
            expected.append((pixel - median) / spread)
    assert len(expected) == 2
    torch.testing.assert_close(anomaly.pixel, sum(expected) / 2)
    torch.testing.assert_close(anomaly.reconstruction, ensemble.detectors[1].score_batch(test).reconstruction)
    assert len(ensemble.phases()) == 2


def test_an_ensemble_inside_is_judged_on_what_it_has_not_seen() -> None:
    outer = Ensemble((Ensemble((Mahalanobis(),)), Mahalanobis()), reference_share=0.2).fit(ROWS)
    distances = outer.detectors[1].score_batch(outer._standardise(ROWS)).image.double()
    seen, unseen = (
        {int((distances - score).abs().argmin()) for score in reference.scores}
        for reference in (outer.detectors[0].references[0], outer.references[1])
    )
    assert len(seen) == len(unseen) == 40  # of the 80 that were held out
    assert not seen & unseen


@pytest.mark.slow
def test_saved_and_loaded_with_other_ensembles_inside(tmp_path: Path) -> None:
    inner = Ensemble((Mahalanobis(), OneClassSVM()), "minimum")
    outer = Ensemble((inner, Reconstruction(Autoencoder(code=2, width=4)), inner_again()), "cauchy")
    fitted = Inspector(outer, training=SHORT).fit(ROWS.numpy())
    again = load(save(fitted, tmp_path / "e.hizumi"))
    np.testing.assert_array_equal(again.score_samples(FRESH.numpy()), fitted.score_samples(FRESH.numpy()))
    assert again.detector_.detectors[0].fusion == "minimum"


def inner_again() -> Detector:
    return Likelihood(VAE(latent=2, width=4), image_score="typicality")


def test_members_and_their_settings_in_words() -> None:
    settings = {"detectors": "mahalanobis,likelihood", "detectors.1.model.latent": "3", "fusion": "minimum"}
    ensemble = make_detector("ensemble", settings)
    assert [type(member).__name__ for member in ensemble.detectors] == ["Mahalanobis", "Likelihood"]
    assert (ensemble.detectors[1].model.latent, ensemble.fusion) == (3, "minimum")
    assert specify(construct(specify(ensemble))) == specify(ensemble)
    default = make_detector("ensemble", {"detectors.0.features": "raw"})
    assert default.detectors[0].features == "raw"
    charted = make_detector("control_chart", {"detector": "mahalanobis", "detector.features": "raw"})
    assert charted.detector.features == "raw"
    for wrong, message in (
        ({"detectors": "mahalanobis,likelyhood"}, "did you mean likelihood"),
        ({"detectors.2.model": "vae"}, "its parts are 0 to 1"),
        ({"fusion.0.x": "1"}, "fusion is no model"),
    ):
        with pytest.raises(UsageError, match=message):
            make_detector("ensemble", wrong)


def test_wrong_settings_are_refused() -> None:
    unknown = Ensemble((Mahalanobis(),))
    unknown.fusion = "mean"  # the type checker of these tests refuses it as an argument
    with pytest.raises(UsageError, match="fusion is 'mean'; it must be 'fisher', 'cauchy' or 'minimum'"):
        unknown.fit(ROWS)
    with pytest.raises(UsageError, match="detectors is empty"):
        Ensemble(()).fit(ROWS)
    with pytest.raises(UsageError, match=r"reference_share is 0\.0; it must be a number above 0"):
        Ensemble((Mahalanobis(),), reference_share=0.0).fit(ROWS)
