"""One file, whole or refused, and never taken for a detector."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from hizumi import inspection
from hizumi.data.pairs import Denoise, SuperResolve
from hizumi.errors import BundleError, UsageError
from hizumi.generation import Modeller, load, save
from hizumi.inspection import Inspector
from hizumi.models import VAE, Autoencoder, ConditionalGAN, GatedPixelCNN, Pix2Pix
from hizumi.storage.archive import kind_of, pack

from .conftest import SHORT, stripes, table


@pytest.fixture
def path(fitted: Modeller, tmp_path: Path) -> Path:
    return save(fitted, tmp_path / "m.hizumi")


def test_round_trip(fitted: Modeller, path: Path) -> None:
    again = load(path)
    images = stripes(5, seed=1)
    np.testing.assert_array_equal(again.sample(6, seed=2), fitted.sample(6, seed=2))
    np.testing.assert_array_equal(np.stack(again.reconstruct(images)), np.stack(fitted.reconstruct(images)))
    np.testing.assert_array_equal(again.log_likelihood(images), fitted.log_likelihood(images))
    assert again.options_ == fitted.options_
    assert again.findings_ == fitted.findings_
    assert again.journal_.records == fitted.journal_.records
    assert again.get_params(deep=False) | {"model": 0} == fitted.get_params(deep=False) | {"model": 0}
    assert kind_of(path) == "model"


def test_rows_and_classes_come_back(tmp_path: Path) -> None:
    rows = Modeller(VAE(width=8), training=SHORT).fit(table(40))
    again = load(save(rows, tmp_path / "rows.hizumi"))
    np.testing.assert_array_equal(again.sample(5), rows.sample(5))
    np.testing.assert_array_equal(again.log_likelihood(table(3)), rows.log_likelihood(table(3)))
    classes = Modeller(ConditionalGAN(width=8), training=SHORT).fit(stripes(12), np.arange(12) % 3)
    again = load(save(classes, tmp_path / "classes.hizumi"))
    np.testing.assert_array_equal(again.sample(4, kinds="2"), classes.sample(4, kinds="2"))


@pytest.mark.parametrize("pairing", ["denoise", Denoise(0.3), SuperResolve(3), "side-by-side"])
def test_pairings_come_back(pairing: object, tmp_path: Path) -> None:
    fitted = Modeller(Pix2Pix(width=4), pairing=pairing, training=SHORT).fit(stripes(6, size=(16, 32)))
    again = load(save(fitted, tmp_path / "m.hizumi"))
    assert again.pairing == pairing
    image = stripes(1)
    np.testing.assert_array_equal(again.translate(image)[0], fitted.translate(image)[0])


def test_pairings_of_ones_own_are_refused(tmp_path: Path) -> None:
    def inverted(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return -images

    fitted = Modeller(Pix2Pix(width=4), pairing=inverted, training=SHORT).fit(stripes(6))
    with pytest.raises(UsageError, match="pairs of your own function cannot be saved"):
        save(fitted, tmp_path / "m.hizumi")


def test_models_and_detectors_are_told_apart(path: Path, tmp_path: Path) -> None:
    detector = inspection.save(Inspector("mahalanobis").fit(table(40)), tmp_path / "d.hizumi")
    assert kind_of(detector) == "detector"
    with pytest.raises(BundleError, match="holds a detector, not a model; use it with hizumi inspect"):
        load(detector)
    with pytest.raises(BundleError, match="holds a model, not a detector; use it with hizumi model"):
        inspection.load(path)


def test_members_are_readable_without_hizumi(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        assert set(archive.namelist()) == {"model.json", "weights.safetensors", "journal.jsonl", "model-card.md"}
        header = json.loads(archive.read("model.json"))
        card = archive.read("model-card.md").decode()
    assert header["model"]["name"] == "vae"
    assert "40 items of shape 1x16x16" in card


def test_every_changed_byte_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    for place in (0, len(whole) - 1, len(whole) - 70, *np.random.default_rng(0).integers(0, len(whole), 50)):
        changed = bytearray(whole)
        changed[place] ^= 0x20
        path.write_bytes(changed)
        with pytest.raises(BundleError, match=r"m\.hizumi"):
            load(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"name": "os_system", "arguments": {}}}, "no model or detector is called 'os_system'"),
        ({"model": {"name": "vae", "arguments": {"colour": 3}}}, "does not take these settings"),
        ({"format": 99}, "install a newer version"),
        ({"shape": [1, 8, 8]}, "do not fit each other"),
        ({"preprocessing": {}}, r"model\.json is not valid at preprocessing\.\w+: it is missing"),
        ({"surprise": 1}, r"model\.json is not valid at surprise"),
    ],
)
def test_headers_that_make_no_sense_are_refused(path: Path, changes: dict[str, object], message: str) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(members["model.json"]) | changes
    path.write_bytes(pack(members | {"model.json": json.dumps(header).encode()}))
    with pytest.raises(BundleError, match=message) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_archives_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "a.hizumi").write_bytes(pack({"x": b"y"}))
    for read in (load, inspection.load, kind_of):
        with pytest.raises(BundleError, match=r"holds none of .*model\.json.*; it is not a hizumi bundle"):
            read(tmp_path / "a.hizumi")


def test_autoencoders_with_spatial_codes_come_back(tmp_path: Path) -> None:
    fitted = Modeller(Autoencoder(width=8), training=SHORT).fit(stripes(12))
    again = load(save(fitted, tmp_path / "m.hizumi"))
    codes = fitted.encode(stripes(3))
    np.testing.assert_array_equal(again.decode(codes), fitted.decode(codes))


def test_what_comes_back_is_trained_again_as_it_was(tmp_path: Path) -> None:
    names = np.arange(12) % 3
    fitted = Modeller(GatedPixelCNN(levels=4, width=4, layers=1, classes=3), training=SHORT).fit(stripes(12), names)
    again = load(save(fitted, tmp_path / "m.hizumi")).fit(stripes(12), names)
    assert again.classes_ == fitted.classes_
    np.testing.assert_array_equal(again.sample(3), fitted.sample(3))
