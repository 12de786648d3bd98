"""One file, whole or refused."""

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from sklearn.datasets import make_blobs

from hizumi.detectors import PCA, GANomaly
from hizumi.detectors.ganomaly import GANomalyTraining
from hizumi.errors import BundleError, SaveError
from hizumi.inspection import Inspector, load, save
from hizumi.inspection.members import FORMAT
from hizumi.models import VAE
from hizumi.preprocessing.preprocessing import upgraded
from hizumi.storage.archive import HASH_LENGTH, pack, read_archive
from hizumi.training import Budget, TrainingOptions

from .test_inspector import SHORT, photographs, small


@pytest.fixture(scope="module")
def fitted() -> Inspector:
    return Inspector(small(), false_alarm_rate=0.1, training=SHORT).fit(photographs(60))


@pytest.fixture
def path(fitted: Inspector, tmp_path: Path) -> Path:
    return save(fitted, tmp_path / "parts.hizumi")


def test_round_trip(fitted: Inspector, path: Path) -> None:
    again, images = load(path), photographs(9, seed=4, flawed=True)
    np.testing.assert_array_equal(again.score_samples(images), fitted.score_samples(images))
    first, second = fitted.inspect(images)[0], again.inspect(images)[0]
    np.testing.assert_array_equal(first.map, second.map)
    assert first.to_dict() == second.to_dict()
    assert again.calibration_.promise() == fitted.calibration_.promise()
    assert again.options_ == fitted.options_
    assert again.journal_.records == fitted.journal_.records
    assert again.false_alarm_rate == 0.1
    assert again.training == SHORT


def test_weights_are_not_drawn_before_they_are_loaded(tmp_path: Path) -> None:
    gan = GANomaly(GANomalyTraining(latent=4, width=8))
    path = save(Inspector(gan, training=SHORT).fit(photographs(30)), tmp_path / "gan.hizumi")
    drawn = (
        "import sys, torch; from hizumi.inspection import load\n"
        "before = torch.random.get_rng_state(); load(sys.argv[1])\n"
        "print('torch._dynamo' in sys.modules, torch.equal(before, torch.random.get_rng_state()))"
    )  # to draw on meta imports torch's compiler
    done = subprocess.run([sys.executable, "-c", drawn, path], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


@pytest.mark.parametrize("name", ["mahalanobis", "gaussian_mixture", "one_class_svm"])
def test_tables_round_trip(name: str, tmp_path: Path) -> None:
    rows = make_blobs(80, n_features=4, random_state=0)[0]
    fitted = Inspector(name).fit(rows)
    again = load(save(fitted, tmp_path / "t.hizumi"))
    np.testing.assert_array_equal(again.score_samples(rows), fitted.score_samples(rows))
    assert again.n_features_in_ == 4


def test_what_comes_back_is_fitted_again_as_it_was(tmp_path: Path) -> None:
    rows, _ = make_blobs(60, 4, random_state=0)
    fitted = Inspector(PCA(variance_share=0.5), false_alarm_rate=0.1).fit(rows)
    again = load(save(fitted, tmp_path / "rows.hizumi"))
    assert again.get_params()["detector"].variance_share == 0.5
    np.testing.assert_array_equal(again.fit(rows).score_samples(rows), fitted.score_samples(rows))


def test_models_inside_detectors_come_back(tmp_path: Path) -> None:
    from hizumi.detectors import Likelihood

    fitted = Inspector(Likelihood(VAE(latent=3, width=8, bound="importance")), training=SHORT).fit(photographs(40))
    again = load(save(fitted, tmp_path / "t.hizumi"))
    images = photographs(5, seed=4)
    np.testing.assert_array_equal(again.score_samples(images), fitted.score_samples(images))
    assert again.detector_.model.latent == 3


def test_members_are_readable_without_hizumi(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        assert set(archive.namelist()) == {
            "bundle.json",
            "weights.safetensors",
            "calibration.safetensors",
            "seen.safetensors",
            "journal.jsonl",
            "model-card.md",
        }
        header = json.loads(archive.read("bundle.json"))
        card = archive.read("model-card.md").decode()
    assert header["detector"]["name"] == "reconstruction"
    assert "12 other normal items" in card


def test_every_changed_byte_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    places = [0, 5, len(whole) - 1, len(whole) - 70, *rng.integers(0, len(whole), 200)]
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 0x20
        path.write_bytes(changed)
        with pytest.raises(BundleError, match=r"parts\.hizumi"):
            load(path)


def test_every_byte_is_hashed_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests: list[Mock] = []

    def sha256(content: bytes = b"") -> Mock:
        digests.append(Mock(wraps=hashlib.new("sha256")))
        digests[-1].update(content)
        return digests[-1]

    monkeypatch.setattr(hashlib, "sha256", sha256)
    read_archive(path, "detector", FORMAT, upgraded)
    hashed = sum(len(call.args[0]) for digest in digests for call in digest.update.call_args_list)
    assert hashed == path.stat().st_size - HASH_LENGTH


def test_members_are_those_that_the_header_names(path: Path) -> None:
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    for others in (members | {"more.txt": b"?"}, {n: c for n, c in members.items() if n != "journal.jsonl"}):
        path.write_bytes(pack(others))
        with pytest.raises(BundleError, match=r"(more\.txt|journal\.jsonl) is missing, or no part of the bundle"):
            load(path)


def test_every_truncation_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(BundleError, match="not a hizumi bundle"):
            load(path)


def rewritten(path: Path, **changes: object) -> Path:
    """The bundle with other fields in its header and every hash right: what a newer or foreign writer would make."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(members["bundle.json"]) | changes
    path.write_bytes(pack(members | {"bundle.json": json.dumps(header).encode()}))
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"detector": {"name": "os_system", "arguments": {}}}, "no model or detector is called 'os_system'"),
        ({"detector": {"name": "reconstruction", "arguments": {"colour": 3}}}, "does not take these settings"),
        ({"format": 99}, "install a newer version"),
        ({"shape": [1, 8, 8, 8]}, "bundle.json is not valid at shape"),
        ({"shape": [1, 8, 8]}, "do not fit each other"),
        ({"shape": "big"}, "bundle.json is not valid at shape"),
        ({"surprise": 1}, "bundle.json is not valid at surprise"),
        ({"calibration": {}}, "bundle.json is not valid at calibration.rule: it is missing"),
    ],
)
def test_headers_that_make_no_sense_are_refused(path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(BundleError, match=message) as caught:
        load(rewritten(path, **changes))
    assert "\n" not in str(caught.value)


def test_files_that_are_no_bundles(tmp_path: Path) -> None:
    (tmp_path / "a.hizumi").write_bytes(b"hello")
    with zipfile.ZipFile(tmp_path / "b.hizumi", "w") as archive:
        archive.writestr("x", "y")
    for name in ("a.hizumi", "b.hizumi"):
        with pytest.raises(BundleError, match="is not a hizumi bundle"):
            load(tmp_path / name)
    with pytest.raises(BundleError, match="cannot be read: No such file"):
        load(tmp_path / "c.hizumi")


def test_full_disk_leaves_the_old_bundle(fitted: Inspector, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(SaveError, match="no space left on device"):
            save(fitted, path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["parts.hizumi"]


def test_a_budget_for_each_phase_survives(tmp_path: Path) -> None:
    training = TrainingOptions(budget=(Budget(steps=3),), batch_size=8)
    inspector = Inspector(small(), false_alarm_rate=0.1, training=training).fit(photographs(30))
    assert load(save(inspector, tmp_path / "parts.hizumi")).training == training
