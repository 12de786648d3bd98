import matplotlib.cbook
import numpy as np
import pytest
import torch

from hizumi.detectors import PCA
from hizumi.training.health import (
    Rebuilt,
    check_losses,
    check_outliers,
    check_pairs,
    check_reconstructions,
    check_scores,
)


def names(findings: list) -> list[str]:
    return [finding.name for finding in findings]


def records(**terms: np.ndarray) -> list[dict]:
    return [
        {"phase": "x", "losses": {term: float(values[i]) for term, values in terms.items()}}
        for i in range(len(next(iter(terms.values()))))
    ]


def test_dead_discriminator_and_no_progress() -> None:
    healthy = records(discriminator=np.full(40, 0.6), contextual=np.linspace(1, 0.1, 40))
    assert names(check_losses(healthy)) == []
    dead = records(discriminator=np.geomspace(0.6, 1e-4, 40), contextual=np.linspace(1, 0.1, 40))
    assert names(check_losses(dead)) == ["dead discriminator"]
    stuck = records(reconstruction=np.full(40, 0.5))
    assert names(check_losses(stuck)) == ["no progress"]
    assert check_losses(dead[:5]) == []
    in_turns = [step for pair in zip(dead, records(critic=np.full(40, 0.5)), strict=True) for step in pair]
    assert names(check_losses(in_turns)) == ["dead discriminator"]


def test_constant_scores() -> None:
    assert names(check_scores(np.full(50, 3.0), np.full(10, 3.0))) == ["constant scores"]
    noise = np.random.default_rng(0).normal(size=60)
    assert names(check_scores(noise[:50], noise[50:])) == []


def test_held_out_unlike_training() -> None:
    rng = np.random.default_rng(0)
    training = rng.normal(size=200)
    assert names(check_scores(training, rng.normal(size=50))) == []
    assert names(check_scores(training, rng.normal(4, 1, size=50))) == ["held-out scores unlike training scores"]
    (of_folds,) = check_scores(training, rng.normal(4, 1, size=200), by_folds=True)
    assert of_folds.remedy == "give more images, or shorten the training"  # there is no second set to look at


@pytest.mark.parametrize("by_folds", [False, True])
def test_what_trains_nothing_is_not_told_to_train_longer_or_less(by_folds: bool) -> None:
    rng = np.random.default_rng(0)
    constant, unlike = np.full(50, 3.0), (rng.normal(size=200), rng.normal(4, 1, size=50))
    for training, held_out in ((constant, constant), unlike):
        (trained,) = check_scores(training, held_out, by_folds=by_folds)
        (untrained,) = check_scores(training, held_out, by_folds=by_folds, is_trained=False)
        assert "train" in trained.remedy
        assert "train" not in untrained.remedy
        assert (untrained.name, untrained.message) == (trained.name, trained.message)


def test_false_findings_are_rare() -> None:
    rng = np.random.default_rng(1)
    found = sum(bool(check_scores(rng.gamma(2, size=100), rng.gamma(2, size=25))) for _ in range(500))
    assert found <= 2


def test_scores_that_are_rounding_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    line = torch.rand(60, generator=generator) < 0.5
    rows = torch.stack(
        [torch.randn(60, generator=generator), line.float(), 1 - line.float()], 1
    )  # of which two add up to one
    scores = PCA().fit(rows).score(rows).image.numpy()
    assert names(check_scores(scores[:40], scores[40:], "row")) == ["scores of rounding"]
    kept = PCA(variance_share=0.5).fit(rows).score(rows).image.numpy()
    assert names(check_scores(kept[:40], kept[40:], "row")) == []


def test_collapsed_reconstructions() -> None:
    images = np.random.default_rng(0).normal(size=(20, 1, 8, 8)).astype(np.float32)
    mean = np.repeat(images.mean(0, keepdims=True), 20, 0)
    assert names(check_reconstructions(Rebuilt(images, mean))) == ["collapsed reconstructions"]
    assert check_reconstructions(Rebuilt(images, 0.8 * images)) == []


def test_findings_call_items_what_they_are() -> None:
    windows = np.random.default_rng(0).normal(size=(20, 2, 1, 8))
    mean = np.repeat(windows.mean(0, keepdims=True), 20, 0)
    told = [
        *check_reconstructions(Rebuilt(windows, mean), noun="window"),
        *check_reconstructions(Rebuilt(windows, np.roll(windows, 1, axis=0)), noun="window"),
        *check_reconstructions(Rebuilt(windows, windows), Rebuilt(windows, np.roll(windows, 1, axis=0)), "window"),
        *check_pairs(np.full(20, 9.0), np.zeros(20), "window"),
    ]
    assert len(told) == 4
    assert all("windows" in each.message for each in told)
    assert not any("image" in each.message + each.remedy or "picture" in each.message for each in told)


def test_reconstructions_are_measured_against_the_mean_image() -> None:
    images = np.random.default_rng(0).normal(size=(20, 1, 8, 8)).astype(np.float32)
    others = np.roll(images, 1, axis=0)  # vary as they should, but none belongs to its image
    (finding,) = check_reconstructions(Rebuilt(images, others))
    assert finding.name == "reconstructions worse than the mean"
    own = np.mean([(one - images.mean(0)) ** 2 for one in images])
    times = np.mean((images - others) ** 2) / own
    assert f"{times:.1f} times" in finding.message
    shrunk = images.mean(0) + 0.2 * (images - images.mean(0))  # 0.64 of the mean's error
    assert check_reconstructions(Rebuilt(images, shrunk)) == []


def test_held_out_reconstructions_are_measured_against_the_mean_of_the_training_images() -> None:
    generator = np.random.default_rng(0)
    training, unseen = generator.normal(size=(20, 1, 8, 8)), generator.normal(0.5, 1, size=(9, 1, 8, 8))
    learned_by_heart = Rebuilt(training, training)
    nearest = np.square(unseen[:, None] - training[None]).sum((2, 3, 4)).argmin(1)
    of_others = training[nearest]  # what a model says that knows its training images alone
    (finding,) = check_reconstructions(learned_by_heart, Rebuilt(unseen, of_others))
    assert (finding.name, finding.severity) == ("reconstructions worse than the mean", "warning")
    mean = sum(training) / len(training)
    of_mean = sum(float(((one - mean) ** 2).sum()) for one in unseen)
    times = sum(float(((one - other) ** 2).sum()) for one, other in zip(unseen, of_others, strict=True)) / of_mean
    assert times > 1.2
    assert f"held-out normal images are rebuilt with {times:.1f} times" in finding.message
    assert check_reconstructions(learned_by_heart, Rebuilt(unseen, mean + 0.1 * (unseen - mean))) == []
    assert check_reconstructions(learned_by_heart, Rebuilt(unseen[:1], of_others[:1])) == []  # one says little


def test_training_items_that_are_all_the_same_leave_held_out_ones_to_be_measured() -> None:
    standing_still = np.zeros((20, 1, 1, 8), np.float32)
    unseen = np.random.default_rng(0).normal(size=(9, 1, 1, 8)).astype(np.float32)
    learned_by_heart = Rebuilt(standing_still, standing_still)
    (finding,) = check_reconstructions(learned_by_heart, Rebuilt(unseen, -unseen), "window")
    assert finding.message == (
        "held-out normal windows are rebuilt with 4.0 times the squared error of the mean window: it rebuilds only "
        "what it was trained on"
    )
    assert check_reconstructions(learned_by_heart, Rebuilt(unseen, unseen / 2)) == []


def test_equal_items_vary_by_nothing_whatever_their_mean_is_rounded_to() -> None:
    grey = np.full((20, 1, 8, 8), 90 / 127.5 - 1, np.float32)
    assert grey.mean(axis=0).min() != grey[0].min()  # in single precision
    assert check_reconstructions(Rebuilt(grey, grey + 0.1)) == []


def test_a_critic_that_is_never_wrong_about_pairs_is_named() -> None:
    generator = np.random.default_rng(0)
    data, model = generator.normal(1, 1, 200), generator.normal(-1, 1, 200)
    assert check_pairs(data, model) == []  # the area is Φ(√2) = .92
    (finding,) = check_pairs(data + 9, model)
    assert (finding.name, finding.severity) == ("encoder does not match the generator", "warning")
    assert "in 100.0% of all comparisons" in finding.message
    assert check_pairs(model, data + 9) == []  # it is wrong throughout, so it holds nothing against the encoder


@pytest.mark.parametrize("seed", range(6))
def test_outliers_are_the_fliers_of_a_box_plot_from_the_highest(seed: int) -> None:
    scores = np.random.default_rng(seed).standard_t(2, 60)
    (box,) = matplotlib.cbook.boxplot_stats(scores, whis=3.0)
    fliers = sorted((value for value in box["fliers"] if value > np.median(scores)), reverse=True)
    found = check_outliers([f"{score!r}" for score in scores.tolist()], scores)
    if not fliers:
        assert found == []
        return
    verb = "scores" if len(fliers) == 1 else "score"
    assert f"{len(fliers)} of 60 good images {verb} far above the others: {float(fliers[0])!r}" in found[0].message
    assert all(repr(float(flier)) in found[0].message for flier in fliers)


def test_so_many_outliers_are_named_that_they_can_be_taken_out() -> None:
    scores = np.concatenate([np.linspace(0, 1, 200), np.arange(25) + 10])
    (finding,) = check_outliers([f"{place}.png" for place in range(225)], scores)
    assert finding.message.endswith("206.png, 205.png and 5 more")


def test_few_scores_and_equal_ones_have_no_outliers() -> None:
    assert check_outliers(["x"] * 11, np.array([*[0.0] * 10, 9.0])) == []
    assert names(check_outliers(["x"] * 12, np.array([*np.linspace(0, 1, 11), 9.0]))) == ["good ones unlike the others"]
    assert check_outliers(["x"] * 30, np.full(30, 2.0)) == []
