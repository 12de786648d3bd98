import importlib.metadata

import pytest
import torch

from hizumi.cli import doctor


def test_doctor_reports_this_machine(hizumi):
    outcome = hizumi("doctor", "--json", "-")
    assert outcome.code == 0
    assert outcome.json["torch"] == torch.__version__
    assert outcome.json["threads"] == torch.get_num_threads()
    assert outcome.json["devices"][0] == "cpu"
    assert "ready" in outcome.err  # standard output is JSON and nothing else


def test_doctor_names_what_to_install(hizumi, monkeypatch):
    real_version = importlib.metadata.version

    def version(package):
        if package in {"onnxruntime", "tifffile"}:
            raise importlib.metadata.PackageNotFoundError(package)
        return real_version(package)

    monkeypatch.setattr(doctor, "version", version)
    outcome = hizumi("doctor")
    assert outcome.code == 1
    assert "pip install 'hizumi[export]'" in outcome.out
    assert "pip install tifffile" in outcome.out


def test_doctor_sees_a_wrong_data_folder(hizumi, monkeypatch, tmp_path):
    monkeypatch.setenv("HIZUMI_DATA", str(tmp_path / "gone"))
    outcome = hizumi("doctor")
    assert outcome.code == 0
    assert "HIZUMI_DATA names" in outcome.out


@pytest.mark.parametrize(
    ("requirement", "package", "extra"),
    [
        ("numpy>=2.1", "numpy", ""),
        ("scikit-image>=0.25.2", "scikit-image", ""),
        ('efficientnet-lite-pytorch==0.1.0; extra == "features"', "efficientnet-lite-pytorch", "features"),
        ("ruff>=0.14; extra == 'dev'", "ruff", "dev"),
    ],
)
def test_requirements_are_read(requirement, package, extra):
    assert doctor.REQUIREMENT.findall(requirement) == [(package, extra)]
