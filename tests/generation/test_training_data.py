"""What a model learns from: pairs, two sets, classes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hizumi.data.pairs import Denoise, SuperResolve
from hizumi.errors import DataError, UsageError
from hizumi.generation import Modeller
from hizumi.generation.training_data import made_pairing
from hizumi.models import VAE, CycleGAN, Pix2Pix

from .conftest import SHORT, stripes, table


def folder_of(images: np.ndarray, folder: Path) -> Path:
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        Image.fromarray(image.squeeze()).save(folder / f"{number:02d}.png")
    return folder


def small(model: type = Pix2Pix, **wishes: object) -> Modeller:
    return Modeller(model(width=4), training=SHORT, **wishes)


def test_images_by_their_names_into_ones_of_more_channels(tmp_path: Path) -> None:
    colour = stripes(12, channels=3)
    grey, coloured = folder_of(colour[..., :1], tmp_path / "grey"), folder_of(colour, tmp_path / "colour")
    fitted = small().fit(grey, coloured)
    assert fitted.model_.target_channels == 3
    assert fitted.preprocessing_.channels == 1
    assert fitted.translate(grey)[0].shape == (16, 16, 3)
    assert [picture.shape for picture in fitted.pictures(fitted.translate(grey)[:1], translated=True)] == [(16, 16, 3)]


@pytest.mark.parametrize("names", [("A", "B"), ("trainA", "trainB")])
def test_a_folder_with_two_in_it(names: tuple[str, str], tmp_path: Path) -> None:
    for name in names:
        folder_of(stripes(8), tmp_path / name)
    assert small().fit(tmp_path).options_["training_images"] == 8
    assert small(CycleGAN).fit(str(tmp_path)).options_["training_images"] == 8


def test_two_sets_and_back() -> None:
    fitted = small(CycleGAN).fit(stripes(8), 255 - stripes(10, seed=1))
    there, back = fitted.translate(stripes(2)), fitted.translate(stripes(2), backwards=True)
    assert there[0].shape == back[0].shape == (16, 16, 1)
    assert (there[0] != back[0]).any()
    with pytest.raises(UsageError, match="Pix2Pix has learned one direction only"):
        small(pairing="denoise").fit(stripes(8)).translate(stripes(2), backwards=True)


@pytest.mark.parametrize(
    ("pairing", "made"), [("denoise", (16, 16, 1)), ("super-resolve", (32, 32, 1)), (SuperResolve(3), (48, 48, 1))]
)
def test_pairs_of_plain_images(pairing: object, made: tuple[int, ...]) -> None:
    fitted = small(pairing=pairing).fit(stripes(8))
    assert fitted.translate(stripes(1))[0].shape == made


def test_colour_is_learned_from_colour_and_given_to_grey() -> None:
    fitted = small(pairing="colour").fit(stripes(8, channels=3))
    assert fitted.translate(stripes(1))[0].shape == (16, 16, 3)


def test_super_resolution_of_large_images_by_tiles() -> None:
    fitted = small(pairing="super-resolve", sizing="tile", image_size=16).fit(stripes(6, size=(40, 40)))
    assert fitted.translate(stripes(1, size=(20, 25)))[0].shape == (40, 50, 1)


def test_halves_side_by_side() -> None:
    images = np.concatenate([stripes(8), 255 - stripes(8)], axis=2)
    fitted = small(pairing="side-by-side").fit(images)
    assert fitted.model_.shape == (1, 16, 16)
    assert fitted.translate(stripes(1))[0].shape == (16, 16, 1)
    assert small(pairing="side-by-side", image_size=8).fit(images).model_.shape == (1, 8, 8)


@pytest.mark.parametrize(
    ("modeller", "X", "y", "message"),
    [
        (small(), stripes(4), None, "two sets of images are needed"),
        (small(), "brick", None, "two sets of images are needed"),
        (small(pairing="denois"), stripes(4), None, "no pairing is called 'denois'; there are denoise"),
        (small(pairing="denoise"), stripes(4), stripes(4), "leave it or the second data out"),
        (small(CycleGAN, pairing="denoise"), stripes(4), None, "leave it or the second data out"),
        (small(pairing="denoise"), table(4), None, "holds rows of numbers"),
        (small(pairing="side-by-side", sizing="tile"), stripes(4), None, "tiles would cut"),
        (Modeller(VAE(), pairing="denoise"), stripes(4), None, "VAE learns from images alone"),
        (Modeller(VAE()), stripes(4), "brick", "VAE does not learn what things turn into"),
    ],
)
def test_wishes_that_do_not_fit(modeller: Modeller, X: object, y: object, message: str) -> None:
    with pytest.raises((UsageError, DataError), match=message):
        modeller.fit(X, y)


def test_pairings_in_words() -> None:
    assert made_pairing("denoise", {"noise": "0.5"}) == Denoise(0.5)
    assert made_pairing("super-resolve", {"factor": "4"}) == SuperResolve(4)
    assert made_pairing(None, {}) is None
    for name, settings, message in (
        ("denoise", {"sigma": "1"}, "denoise has no setting 'sigma'; it has noise"),
        ("denoise", {"noise": "much"}, "noise=much is no number"),
        (None, {"noise": "1"}, "there is no pairing to set noise of"),
        ("side-by-side", {"noise": "1"}, "there is no pairing to set noise of"),
    ):
        with pytest.raises(UsageError, match=message):
            made_pairing(name, settings)
