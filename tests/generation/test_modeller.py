"""A generative model as one estimator."""

import warnings
from functools import partial
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from hizumi.data import Failure, Sizing, open_source
from hizumi.data.stream import TensorSource
from hizumi.errors import DataError, RunError, ShortageError, UsageError
from hizumi.generation import Modeller
from hizumi.generation.health import check_model
from hizumi.models import DCGAN, VAE, Autoencoder, ConditionalGAN, GatedPixelCNN, ProgressiveGAN
from hizumi.training import Budget, TrainingOptions
from hizumi.training.journal import Journal

from .conftest import SHORT, stripes, table


def test_samples_are_of_the_datas_own_kind(fitted: Modeller) -> None:
    samples = fitted.sample(5, seed=3)
    assert samples.shape == (5, 16, 16, 1)
    assert samples.dtype == np.uint8
    np.testing.assert_array_equal(samples, fitted.sample(5, seed=3))
    assert (samples != fitted.sample(5, seed=4)).any()
    direct = fitted.model_.sample(5, seed=3)
    np.testing.assert_array_equal(samples, np.rint((direct.numpy().transpose(0, 2, 3, 1) + 1) * 127.5))


def test_reconstructions_come_back_at_each_images_size() -> None:
    fitted = Modeller(Autoencoder(width=8), image_size=16, training=SHORT).fit(stripes(24))
    images = [stripes(1, size=size)[0] for size in ((16, 16), (20, 31), (40, 8))]
    made = fitted.reconstruct(images)
    assert [pixels.shape for pixels in made] == [(16, 16, 1), (20, 31, 1), (40, 8, 1)]
    unit = fitted.preprocessing_.window.to_unit(images[0]).transpose(2, 0, 1)
    with torch.no_grad():
        direct = fitted.model_.reconstruct(torch.from_numpy(unit)[None])[0]
    np.testing.assert_allclose(made[0][..., 0], (direct[0] + 1) * 127.5, atol=0.51)


def test_tiles_cover_large_images() -> None:
    large = stripes(6, size=(40, 50))
    fitted = Modeller(Autoencoder(width=8), image_size=16, sizing="tile", training=SHORT).fit(large)
    assert fitted.preprocessing_.sizing == Sizing(16, 16, "tile")
    assert fitted.reconstruct(large)[0].shape == (40, 50, 1)
    one = Modeller(VAE(width=8), image_size=16, sizing="tile", training=SHORT).fit(large)
    with pytest.raises(UsageError, match="tiles of an image overlap, so that it has no code"):
        one.encode(large)
    with pytest.raises(UsageError, match="tiles of an image overlap, so that it has no likelihood"):
        one.log_likelihood(large)


def test_sixteen_bits_and_four_channels_stay(tmp_path: Path) -> None:
    for number, image in enumerate(stripes(20, channels=4).astype(np.uint16) * 12):
        tifffile.imwrite(
            tmp_path / f"{number}.tif", image.transpose(2, 0, 1), photometric="minisblack", planarconfig="separate"
        )
    fitted = Modeller(VAE(width=8), window=(0, 4095), training=SHORT).fit(tmp_path)
    samples = fitted.sample(3)
    assert samples.dtype == np.uint16
    assert samples.shape == (3, 16, 16, 4)
    assert samples.max() <= 4095
    assert fitted.reconstruct(tmp_path)[0].dtype == np.uint16


def test_rows_keep_their_units() -> None:
    rows = table(200)
    options = TrainingOptions(budget=Budget(steps=400), batch_size=64)
    fitted = Modeller(VAE(width=8, latent=2), training=options).fit(rows)
    samples = fitted.sample(500)
    np.testing.assert_allclose(samples.mean(0), rows.mean(0), rtol=0.05)
    np.testing.assert_allclose(samples.std(0), rows.std(0), rtol=0.5)
    assert np.abs(np.stack(fitted.reconstruct(rows)) - rows).mean(0)[0] < 0.5 * rows[:, 0].std()


def test_likelihoods_of_rows_are_densities_in_their_units() -> None:
    """The same data in other units: each row's log-density changes by the logarithm of the units' ratio."""
    rows = table(60)
    fitted, rescaled = (Modeller(VAE(width=8), training=SHORT).fit(rows * unit) for unit in (1.0, 1000.0))
    first, second = fitted.log_likelihood(rows), rescaled.log_likelihood(rows * 1000.0)
    np.testing.assert_allclose(first - second, 2 * np.log(1000.0), rtol=1e-3)


def test_likelihoods_name_what_they_are_made_of(fitted: Modeller) -> None:
    images = stripes(5, seed=2)
    rows = [row for row in fitted.likelihood_each(images) if isinstance(row, dict)]
    np.testing.assert_allclose([row["nats"] for row in rows], fitted.log_likelihood(images))
    for row in rows:
        assert row["nats"] == pytest.approx(row["term_reconstruction"] + row["term_divergence"], rel=1e-5)
        assert row["bits_per_dimension"] == pytest.approx(-row["nats"] / 256 / np.log(2))
    (of_a_row,) = Modeller(VAE(width=8), training=SHORT).fit(table(30)).likelihood_each(table(1))
    assert isinstance(of_a_row, dict)
    assert of_a_row["nats"] == pytest.approx(sum(v for k, v in of_a_row.items() if k.startswith("term_")), rel=1e-5)


def test_codes(fitted: Modeller) -> None:
    images = stripes(70)
    encoded = fitted.encode(images)
    assert encoded.shape == (70, 4)
    decoded = fitted.decode(encoded)
    np.testing.assert_array_equal(decoded, np.stack(fitted.reconstruct(images)))
    np.testing.assert_array_equal(fitted.decode(fitted.draw_codes(6, seed=2)), fitted.sample(6, seed=2))
    with pytest.raises(UsageError, match="Autoencoder draws no codes"):
        Modeller(Autoencoder(width=8), training=SHORT).fit(images).draw_codes(2)


def test_walks(fitted: Modeller) -> None:
    along = fitted.walk(axis=1, rows=2, steps=5)
    assert along.shape == (2, 5, 16, 16, 1)
    codes = fitted.draw_codes(2)
    codes[:, 1] = 0
    np.testing.assert_array_equal(along[:, 2], fitted.decode(codes))
    images = stripes(6)
    way = fitted.walk(images, rows=3, steps=4)
    rebuilt = np.stack(fitted.reconstruct(images))
    np.testing.assert_array_equal(way[:, 0], rebuilt[:3])
    np.testing.assert_array_equal(way[:, -1], rebuilt[3:])
    with pytest.raises(DataError, match="6 items are too few for this walk; it starts from 8"):
        fitted.walk(images, rows=4)
    for wrong, message in (
        ({"steps": 1}, "steps is 1; it must be a whole number of at least 2"),
        ({"rows": 0}, "rows is 0; it must be a whole number of at least 1"),
        ({"axis": -1}, "axis is -1; it must be a whole number of at least 0"),
        ({"axis": 4}, "there is no axis 4; the code has 4 numbers, from 0 on"),
        ({"seed": -1}, r"draw_codes: seed is -1; it must be a whole number from 0"),
    ):
        with pytest.raises(UsageError, match=message):
            fitted.walk(**wrong)


@pytest.mark.parametrize("reach", [0.0, float("nan"), float("inf")])
def test_a_walk_has_a_length(fitted: Modeller, reach: float) -> None:
    with pytest.raises(UsageError, match=f"reach is {reach}; it must be a number above 0"):
        fitted.walk(axis=0, reach=reach)


def test_a_model_that_no_record_could_name_is_refused_before_data_are_read() -> None:
    class Own(VAE):
        pass

    with pytest.raises(UsageError, match="Own is not known to the registry"):
        Modeller(Own()).fit("no folder of this name")


def test_classes_follow_the_data() -> None:
    images, names = stripes(30), np.array(["b", "a", "c"] * 10)
    fitted = Modeller(ConditionalGAN(width=8), training=SHORT).fit(images, names)
    assert fitted.classes_ == ("a", "b", "c")
    assert fitted.model_.classes == 3
    direct = fitted.model_.sample(2, 5, labels=torch.tensor([2, 2]))
    expected = np.rint((direct.numpy().transpose(0, 2, 3, 1) + 1) * 127.5)
    np.testing.assert_array_equal(fitted.sample(2, seed=5, kinds="c"), expected)
    assert fitted.sample(2, kinds=["a", "b"]).shape == (2, 16, 16, 1)
    numbered = Modeller(ConditionalGAN(width=8), training=SHORT).fit(images, np.array([6, 5, 7] * 10))
    assert numbered.classes_ == ("5", "6", "7")
    np.testing.assert_array_equal(numbered.sample(2, seed=5, kinds=7), fitted.sample(2, seed=5, kinds="c"))
    with pytest.raises(UsageError, match="there is no class 'd'; there are a, b, c"):
        fitted.sample(1, kinds="d")
    with pytest.raises(UsageError, match="2 kinds were given for 3 samples"):
        fitted.sample(3, kinds=["a", "b"])


@pytest.mark.parametrize(
    ("given", "classes"),
    [
        ([1234567.0, 1234568.0], ("1234567", "1234568")),
        ([0.5, 1.0], ("0.5", "1")),
        ([1.0, 2.0, float("nan")], ("1", "2")),
        (["b", "a", None], ("a", "b")),
    ],
)
def test_every_label_is_a_class_of_its_own_and_none_is_no_class(given: list[object], classes: tuple[str, ...]) -> None:
    labels = np.array([given[number % len(given)] for number in range(12)], dtype=object)
    modeller = Modeller(ConditionalGAN(width=8, latent=4), training=SHORT).fit(stripes(12), labels)
    assert modeller.classes_ == classes
    assert ("left out: 4 items without a class" in modeller.notes_) is (len(given) > len(classes))


def test_optional_classes_are_used_only_where_wanted() -> None:
    tiny = {"levels": 2, "width": 8}
    images, names = stripes(16, size=(8, 8)), np.arange(16) % 4
    assert Modeller(GatedPixelCNN(**tiny), training=SHORT).fit(images).classes_ == ()
    conditional = Modeller(GatedPixelCNN(classes=10, **tiny), training=SHORT).fit(images, names)
    assert conditional.classes_ == ("0", "1", "2", "3")
    assert conditional.model_.classes == 4


def test_what_is_anomalous_or_for_tests_is_left_alone(tmp_path: Path) -> None:
    labels, splits = np.array([0, 1, 0, 0] * 10), np.array(["train", "train", "train", "test"] * 10)
    np.savez(tmp_path / "parts.npz", x=stripes(40), label=labels, split=splits)
    fitted = Modeller(Autoencoder(width=8), training=SHORT).fit(tmp_path / "parts.npz")
    assert fitted.options_["training_images"] == 20
    assert len(fitted.reconstruct(tmp_path / "parts.npz")) == 40


def test_all_ten_digits_are_normal_here() -> None:
    plan = Modeller(DCGAN(width=8), training=SHORT).plan("digits")
    manifest = open_source("digits")
    of_digit_four = sum(record.kind == "4" for record in manifest.records)
    tested = sum(record.split == "test" and record.kind != "4" for record in manifest.records)
    assert plan["training_images"] > len(manifest) - tested - of_digit_four
    assert plan["estimate"]["steps"] == 20


def test_what_cannot_be_read_is_a_failure(fitted: Modeller, tmp_path: Path) -> None:
    good, bad = tmp_path / "a.tif", tmp_path / "b.tif"
    tifffile.imwrite(good, stripes(1)[0, :, :, 0])
    bad.write_bytes(b"II*\0")
    first, second = fitted.reconstruct_each([good, bad])
    assert first.name == str(good)
    assert isinstance(second, Failure)
    with pytest.raises(DataError, match=r"b\.tif"):
        list(fitted.reconstruct_each([good, bad], strict=True))


def test_values_that_do_not_fit_are_told(fitted: Modeller) -> None:
    items = np.full((1, 1, 2, 2), 1.5, dtype=np.float32)
    with pytest.warns(UserWarning, match=r"100\.00% of the values do not fit into uint8"):
        pixels = fitted.preprocessing_.to_data(items)
    assert (pixels == 255).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted.preprocessing_.to_data(items / 1.5)


def test_abilities_that_a_model_lacks(fitted: Modeller) -> None:
    with pytest.raises(UsageError, match="VAE cannot translate; models that can: cycle_gan, pix2pix"):
        fitted.translate(stripes(2))
    gan = Modeller(DCGAN(width=8), training=SHORT).fit(stripes(16))
    with pytest.raises(UsageError, match=r"DCGAN cannot give likelihoods; models that can: .*vae"):
        gan.log_likelihood(stripes(2))
    with pytest.raises(UsageError, match="DCGAN cannot reconstruct; models that can: autoencoder"):
        gan.reconstruct(stripes(2))
    with pytest.raises(UsageError, match="knows no classes"):
        gan.sample(2, kinds="a")


@pytest.mark.parametrize(
    ("model", "data", "y", "message"),
    [
        (ProgressiveGAN(), table(9), None, "ProgressiveGAN works on images, not on vectors"),
        (ConditionalGAN(), stripes(9), None, "names no classes for ConditionalGAN to learn"),
        (ConditionalGAN(), stripes(9), np.zeros(3), "3 classes were given for 9 items"),
        (VAE(), stripes(9), np.zeros(9), "VAE does not learn what things turn into"),
    ],
)
def test_data_that_do_not_suit_the_model(model: object, data: np.ndarray, y: object, message: str) -> None:
    with pytest.raises((DataError, UsageError), match=message):
        Modeller(model, training=SHORT).fit(data, y)


def test_what_is_not_finite_is_never_given_back() -> None:
    fitted = Modeller(VAE(width=8), image_size=16, training=SHORT).fit(stripes(24))
    codes = fitted.encode(stripes(2))
    with pytest.raises(DataError, match=r"VAE.decode takes codes \(n, "):
        fitted.decode(codes[:, 1:])
    with pytest.raises(DataError, match=r"VAE\.decode was given nan in item 1"):
        fitted.decode(np.stack([codes[0], codes[1] * np.nan]))
    with pytest.raises(UsageError, match="count is 0; it must be a whole number of at least 1"):
        fitted.sample(0)
    next(fitted.model_.decoder.parameters()).data.fill_(np.nan)
    with pytest.raises(RunError, match="VAE: 3 of 3 items that it made hold"):
        fitted.sample(3)
    with pytest.raises(RunError, match="hold NaN or infinite values"):
        fitted.decode(codes)
    for method in (fitted.reconstruct, fitted.log_likelihood):
        with pytest.raises(DataError, match="0: what VAE makes of it holds NaN"):
            method(stripes(2))
    made = list(fitted.reconstruct_each(stripes(2)))
    assert [each.name for each in made if isinstance(each, Failure)] == [f"{made[0].name[:-1]}{n}" for n in range(2)]


def test_more_than_memory_holds_is_refused_at_once(fitted: Modeller) -> None:
    of_classes = Modeller(ConditionalGAN(width=8), training=SHORT).fit(stripes(30), ["b", "a", "c"] * 10)
    makings = (
        (fitted.sample, r"VAE\.sample: to make 1,000,000,000,000 items takes 953,675 GiB of memory, more than is free"),
        (fitted.model_.sample, r"VAE\.sample: to make 1,000,000,000,000 items"),
        (fitted.draw_codes, r"VAE\.draw_codes: to make 1,000,000,000,000 items"),
        (partial(of_classes.sample, kinds=cycle("ab")), r"ConditionalGAN\.sample: to make 1,000,000,000,000 items"),
    )
    for make, words in makings:
        with pytest.raises(ShortageError, match=words):
            make(10**12)


def test_a_window_of_the_users_own_may_lie_far_from_the_pixels() -> None:
    fitted = Modeller(VAE(width=8), window=(0, 10), training=SHORT).fit(stripes(24))
    assert "outside of the window" in {finding.name for finding in fitted.findings_}


def test_refusals_speak_of_no_detector(fitted: Modeller) -> None:
    with pytest.raises(DataError, match="row 0: the image is uint16, and the training images were uint8; save it at"):
        fitted.reconstruct(stripes(2).astype(np.uint16))


def test_it_is_an_estimator(fitted: Modeller) -> None:
    model = VAE(width=8)
    modeller = Modeller(model, image_size=16, training=SHORT)
    assert clone(modeller).get_params(deep=False)["image_size"] == 16
    modeller.fit(stripes(16))
    assert model.shape is None  # what was handed in stays unfitted
    with pytest.raises(NotFittedError):
        Modeller("vae").sample(2)


def test_a_killed_fit_resumes_to_the_same_model(tmp_path: Path) -> None:
    options = TrainingOptions(budget=Budget(steps=12), batch_size=8, checkpoint_seconds=0)
    straight = Modeller(DCGAN(width=8), training=options).fit(stripes(24))
    shown: list[int] = []

    def killed(record: dict) -> None:
        if record["step"] == 7 and "images_seen" in record:
            raise KeyboardInterrupt

    resumed = Modeller(DCGAN(width=8), training=options)
    with pytest.raises(KeyboardInterrupt):
        resumed.fit(stripes(24), run_folder=tmp_path, observe=killed)
    resumed.fit(stripes(24), run_folder=tmp_path, preview=lambda step, _: shown.append(step))
    assert shown == [12]
    np.testing.assert_array_equal(resumed.sample(9), straight.sample(9))


def test_previews_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hizumi.generation.preview.STEPS_BETWEEN", 2)
    monkeypatch.setattr("hizumi.generation.preview.SHARE_OF_TIME", 1e9)
    for model in (DCGAN(width=8), Autoencoder(width=8)):
        seen: list[tuple[int, tuple[int, ...]]] = []
        plain = Modeller(model, training=SHORT).fit(stripes(24))
        watched = Modeller(model, training=SHORT).fit(
            stripes(24), preview=lambda step, pictures, seen=seen: seen.append((step, pictures.shape))
        )
        assert [step for step, _ in seen] == list(range(2, 21, 2))
        assert seen[0][1] == ((64 if isinstance(model, DCGAN) else 16), 16, 16, 3)
        first, second = plain.model_.state_dict(), watched.model_.state_dict()
        assert all(torch.equal(first[name], second[name]) for name in first)


def test_collapse_is_found_after_the_fit() -> None:
    """A generator that never moved makes one kind of picture of data with many."""
    images = np.concatenate([np.full((40, 8, 8, 1), level, np.uint8) for level in (0, 60, 127, 190, 255)])
    still = TrainingOptions(budget=Budget(steps=1), batch_size=8)
    fitted = Modeller(DCGAN(width=8, learning_rate=1e-9), training=still).fit(images)
    (finding,) = fitted.findings_
    assert finding.name in ("mode collapse", "samples unlike the data")
    assert finding.severity == "problem"


def test_a_preset_gives_the_model_its_settings_and_what_training_leaves_open() -> None:
    short = TrainingOptions(budget=Budget(steps=2))
    fitted = Modeller("dcgan", preset="fast", image_size=16, training=short).fit(stripes(40))
    assert isinstance(fitted.model_, DCGAN)
    assert fitted.model_.augmentation == ("colour", "translation", "cutout")
    assert fitted.options_["training"]["batch_size"] == 16
    assert [record["step"] for record in fitted.journal_.records][-1] == 2
    given = Modeller(DCGAN(width=4, latent=4), preset="fast", training=short)
    assert given._training_options().batch_size == 16
    with pytest.raises(UsageError, match=r"DCGAN has no preset 'fats'; it has fast$"):
        Modeller("dcgan", preset="fats").check()


def test_rows_are_not_augmented() -> None:
    with pytest.raises(UsageError, match="leave it out for rows of numbers"):
        Modeller(DCGAN(augmentation=("cutout",)), training=SHORT).fit(table(40))


def test_items_that_are_all_the_same_are_named_rather_than_measured() -> None:
    grey = torch.full((12, 1, 16, 16), 90 / 127.5 - 1)
    model = VAE(latent=2, width=4).fit(grey, TrainingOptions(budget=Budget(steps=2), batch_size=4))
    (finding,) = check_model(model, TensorSource(grey), Journal())
    assert (finding.name, finding.severity) == ("items all the same", "problem")
    assert finding.message.startswith("all 12 images looked at are the same, number by number")
    grey[0, 0, 0, 0] = 0.0
    assert "items all the same" not in {each.name for each in check_model(model, TensorSource(grey), Journal())}
