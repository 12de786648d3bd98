from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hizumi.reproduction import running
from hizumi.reproduction.ledger import read_ledger

from .conftest import Outcome

Command = Callable[..., Outcome]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """scikit-learn's digits in MNIST's form."""
    from sklearn.datasets import load_digits

    folder = tmp_path_factory.mktemp("published")
    digits = load_digits()
    images = np.rint(digits.images * 255 / 16).astype(np.uint8)
    tested = np.arange(len(images)) % 4 == 0
    np.savez(
        folder / "mnist.npz",
        x_train=images[~tested],
        y_train=digits.target[~tested],
        x_test=images[tested],
        y_test=digits.target[tested],
    )
    return folder


def test_a_row_is_run_kept_and_gone_on_with(
    hizumi: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = tmp_path / "ledger"
    call = ["reproduce", "mnist-one-class-normal", "--data", data, "-d", "mahalanobis,mahalanobis(mean)", "-o", ledger]
    outcome = hizumi(*call, "--classes", "0,1", "--seeds", 1, "--json", "-")
    assert outcome.code == 0
    rows = {(row["request"]["name"], row["request"]["mode"]): row for row in outcome.json["rows"]}
    names, modes = ("mahalanobis", "mahalanobis(mean)"), ("honest", "paper")
    assert rows.keys() == {(name, mode) for name in names for mode in modes}
    run = rows["mahalanobis", "honest"]["runs"][0]
    assert run["figures"]["image_auroc"] > 0.95
    assert run["tested"] == 450
    assert rows["mahalanobis(mean)", "honest"]["request"]["options"]["arguments"]["covariance"] == "identity"

    made = []

    def counted(protocol: Any, pool: Any, entrant: Any, case: str, seed: int, *others: Any) -> Any:
        made.append((case, seed))
        if len(made) == 3:
            raise KeyboardInterrupt
        return run | {"case": case, "seed": seed}

    monkeypatch.setattr(running, "run", counted)
    call = [*call[:5], "mahalanobis", *call[6:], "--protocol", "honest"]
    interrupted = hizumi(*call, "--classes", "0,1,2", "--seeds", 2)
    assert interrupted.code == 130
    assert f"To go on with the runs that are not in {ledger} yet, give the same command again." in interrupted.err
    assert made == [("2", 0), ("0", 1), ("1", 1)]
    shown = hizumi(*call, "--classes", "0,1,2", "--seeds", 2)
    assert shown.code == 0
    assert all(column in shown.out for column in ("Honest", "CPU s to fit", "Memory"))
    assert not any(column in shown.out for column in ("Paper's protocol", "Published")), "nothing stands in them"
    assert made[3:] == [("1", 1), ("2", 1)]

    page = tmp_path / "ledger.md"
    assert hizumi("reproduce", "--page", page, "-o", ledger).code == 0
    assert "mahalanobis, short budget" in page.read_text()
    assert len(read_ledger(ledger)) == 4


def test_one_failing_detector_does_not_stop_the_others(hizumi: Command, data: Path, tmp_path: Path) -> None:
    (tmp_path / "mnist-one-class-normal--mahalanobis--honest--short.json").write_text("{}")
    call = ["--classes", "5", "--seeds", 1, "--protocol", "honest", "-d", "mahalanobis,one_class_svm", "-o", tmp_path]
    outcome = hizumi("reproduce", "mnist-one-class-normal", "--data", data, *call)
    assert outcome.code == 1
    assert "mahalanobis, honest failed" in outcome.out
    assert len(list(tmp_path.glob("*one_class_svm*"))) == 1


def test_the_list_and_wrong_calls(hizumi: Command, tmp_path: Path) -> None:
    listed = hizumi("reproduce", "--list")
    assert listed.code == 0
    assert "cifar10-one-class-anomalous" in listed.out
    for arguments, message in (
        (["kdd99", "--data", tmp_path], "holds no KDD Cup 1999; looked for kddcup.data_10_percent"),
        (["mnist", "--data", tmp_path], "there is no protocol 'mnist'"),
        (["kdd99"], "--data"),
        (["kdd99", "--data", tmp_path, "-d", "mahalanobes"], "did you mean mahalanobis"),
        (["kdd99", "--data", tmp_path, "--seeds", "0"], "--seeds"),
    ):
        outcome = hizumi("reproduce", *arguments)
        assert outcome.code == 2
        assert message in outcome.err
