"""Fits on a cluster: the numbers of one process, bit for bit, and failures that stop none of the others."""

import json
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load as arrays_of

from hizumi.data import Manifest, Record
from hizumi.errors import DivergedError, UsageError
from hizumi.scale.cluster import cluster
from hizumi.scale.jobs import Job
from hizumi.scale.workers import Cluster

from .parts import command, write_parts

GIB = 2**30


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_parts(tmp_path_factory.mktemp("parts") / "parts.npz")


def work(number: int, shared: np.ndarray, observe: Any) -> float:
    if number == 1:
        raise DivergedError("the loss became NaN")
    return float(shared.sum()) + number


def memory(estimated: int, shared: Any) -> int:
    return estimated


def test_jobs_come_back_whatever_becomes_of_the_others(head: str) -> None:
    shared, said = np.arange(4.0), list[str]()
    jobs = [
        Job(f"job {n}", partial(work, n), shared, kind="small", memory=partial(memory, 1000), of=n) for n in range(4)
    ]
    jobs.append(Job("large", partial(work, 9), shared, kind="large", memory=partial(memory, 900 * GIB), of=9))
    with cluster(head) as ray:
        workplace = Cluster(ray, head, 1, said.append)
        done = {each.job.of: each for each in workplace.do(jobs)}
        with pytest.raises(UsageError, match=r"does not see /nowhere; put the data where all nodes have them"):
            workplace.refuse_unseen(Manifest((Record("0.png", path=Path("/nowhere")),), name="parts"))
        with pytest.raises(
            UsageError, match=r"each fit asks for 64 cores, and no node has more than 2; give --cores 2"
        ):
            Cluster(ray, head, 64, said.append)
    assert {number: each.result for number, each in done.items()} == {0: 6.0, 1: None, 2: 8.0, 3: 9.0, 9: None}
    assert isinstance(done[1].error, DivergedError)
    assert "large needs about 900.0 GiB, and no node of the cluster has more than" in str(done[9].error)
    assert said[-1].endswith("  (5 done, 0 on their way)")


@pytest.mark.slow
def test_a_comparison_is_equal_bit_for_bit(head: str, parts: Path, tmp_path: Path) -> None:
    compare = ["compare", parts, "-d", "pca,reconstruction", "--steps", 4, "--image-size", 16, "--cores", 1]
    for name, where in (("here", []), ("there", ["--on", head])):
        assert command(*compare, "-o", tmp_path / name, *where).code == 0
    verdicts = [(tmp_path / name / "verdicts.csv").read_bytes() for name in ("here", "there")]
    assert verdicts[0] == verdicts[1]
    for bundle in ("pca-0.hizumi", "reconstruction-0.hizumi"):
        here, there = (zipfile.ZipFile(tmp_path / name / "bundles" / bundle) for name in ("here", "there"))
        for member in ("weights.safetensors", "calibration.safetensors", "seen.safetensors"):
            assert here.read(member) == there.read(member), member
        assert arrays_of(here.read("weights.safetensors"))


@pytest.mark.scale
def test_seeds_by_a_client_outside_of_the_cluster(head: str, parts: Path, tmp_path: Path) -> None:
    host, port = head.split(":")
    fit = ["fit", parts, "-d", "pca", "--seeds", 2, "--cores", 1, "--json", "-", "-o"]
    there = command(*fit, tmp_path / "there.hizumi", "--on", f"ray://{host}:{int(port) + 1}")
    assert there.code == 0
    here = command(*fit, tmp_path / "here.hizumi")
    assert there.json["threshold"] == here.json["threshold"]
    assert there.json["held_out_median"] == here.json["held_out_median"]


@pytest.mark.scale
def test_a_search_on_a_cluster_finds_its_best_and_calibrates_it(head: str, parts: Path, tmp_path: Path) -> None:
    tune = ["tune", parts, "-d", "pca", "--rounds", 2, "--cores", 1, "--json", "-", "--trials", 6]
    outcome = command(*tune, "-o", tmp_path / "there.hizumi", "--on", head)
    assert outcome.code == 0
    study = outcome.json["study"]
    assert [trial["number"] for trial in study["trials"]] == list(range(6))
    assert all(trial["state"] in ("complete", "ended early") for trial in study["trials"])
    # What trials tell depends on their settings alone, wherever they run.
    here = command(*tune[:-1], 1, "-o", tmp_path / "here.hizumi").json["study"]
    assert here["trials"][0]["rounds"] == study["trials"][0]["rounds"]


@pytest.mark.scale
def test_rows_of_the_ledger_are_equal_bit_for_bit(head: str, tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    images, tested = np.rint(digits.images * 255 / 16).astype(np.uint8), np.arange(len(digits.target)) % 4 == 0
    np.savez(
        tmp_path / "mnist.npz",
        x_train=images[~tested],
        y_train=digits.target[~tested],
        x_test=images[tested],
        y_test=digits.target[tested],
    )
    call = ["reproduce", "mnist-one-class-normal", "--data", tmp_path, "-d", "mahalanobis,pca", "--seeds", 1]
    call += ["--classes", "0,1", "--protocol", "honest", "--cores", 1]
    for name, where in (("here", []), ("there", ["--on", head])):
        assert command(*call, "-o", tmp_path / name, *where).code == 0
    for path in sorted((tmp_path / "here").iterdir()):
        here, there = (json.loads((tmp_path / name / path.name).read_text())["runs"] for name in ("here", "there"))
        assert [run["figures"] for run in here] == [run["figures"] for run in there]
