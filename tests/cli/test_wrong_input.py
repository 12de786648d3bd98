"""Wrong input of many kinds: each ends in one line that says what, where and what to do, and changes no file."""

import os
import shutil
import threading

import numpy as np
import pytest
from PIL import Image

from hizumi.data import open_source
from hizumi.errors import UsageError
from hizumi.inspection import Inspector, save

REFUSED = {
    "info pipe": "pipe: cannot be read: is a pipe, device or socket, not a regular file",
    "inspect pipe good": "pipe: cannot be read: is a pipe",
    "fit good -d pca -o good/0.png": "good/0.png is a file and no bundle; name another --output",
    "model train vae good --preset small -o good/0.png": "good/0.png is a file and no bundle",
    "fit nothing.png": "nothing.png: is a link to nothing",
    "fit good -d pca --label-column verdict": "good: --label-column (`label_column`) is for tables",
    "fit good -d pca --ignore a,b": "good: --ignore (`ignore`) is for tables",
    "fit good -d pca --channels first": "good: --channels (`channels`) is for arrays",
    "fit good -d pca --normal-class 7": "good: no folder in it is called 7; its folders are none",
    "fit rows.csv --layout flat": "rows: --layout (`layout`) is for folders",
    "fit rows.csv --image-size 32": "--image-size (`image_size`) is for images, and these are rows of numbers",
    "fit rows.csv --tiles": "--tiles (`sizing`) is for images",
    "fit rows.csv --window 0,1": "--window (`window`) is for images",
    "fit two.csv": "one item to learn from, besides those held out, has no covariance",
    "fit empty.npz": "empty.npz: holds no array",
    "inspect pca.hizumi good --csv pca.hizumi": "pca.hizumi holds an image, a bundle or the like, not text",
    "inspect pca.hizumi good --json good/0.png": "good/0.png holds an image, a bundle or the like, not text",
    "inspect pca.hizumi rows.csv --csv ./rows.csv": "--csv ./rows.csv is what is read, and would be lost",
    "inspect pca.hizumi good --maps good": "--maps good is where images are read from; name another place",
    "inspect pca.hizumi good --maps good/maps": "--maps good/maps lies in good, so that its pictures would be read",
    "inspect pca.hizumi . --maps maps": "--maps maps lies in ., so that its pictures would be read next time; name a",
    "fit lines -d pca": "lines: its images would be looked at as 40x1 pixels, a single line; put lines",
    "inspect pca.hizumi good --csv out --json out": "--json and --csv both name out; name another file",
    "evaluate pca.hizumi rows.csv --json rows.csv": "--json rows.csv is what is read",
    "evaluate pca.hizumi good -o good": "--output good is where images are read from",
    "compare rows.csv -d pca,mahalanobis,pca": "--detectors names 'pca' more than once; name it once",
    "tune good -d pca --search smoothing,smoothing -o best.hizumi": "--search names 'smoothing' more than once",
    "reproduce mnist-one-class-normal --data good --classes 1,2,1": "--classes names '1' more than once",
    "reproduce mnist-one-class-normal --data good -d pca,pca": "--detectors names 'pca' more than once",
    "fit rows.csv --columns a,b,a": "--columns (`columns`) names 'a' more than once",
    "fit rows.csv --columns a,b --ignore b": "--columns (`columns`) and --ignore (`ignore`) both name 'b'; name it in",
    "fit rows.csv --ignore a,a": "--ignore (`ignore`) names 'a' more than once",
    "fit rows.csv --series --ignore a,a": "--ignore (`ignore`) names 'a' more than once",
    "compare rows.csv -d pca,mahalanobis --json rows.csv": "--json rows.csv is what is read",
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    rows = np.random.default_rng(0).normal(size=(20, 2))
    return save(Inspector("pca").fit(rows), tmp_path_factory.mktemp("bundle") / "pca.hizumi")


@pytest.fixture
def place(tmp_path, monkeypatch, bundle):
    monkeypatch.chdir(tmp_path)
    shutil.copy(bundle, tmp_path)
    generator = np.random.default_rng(0)
    (tmp_path / "good").mkdir()
    for number in range(8):
        Image.fromarray(generator.integers(0, 255, (16, 16), dtype=np.uint8)).save(tmp_path / f"good/{number}.png")
    (tmp_path / "lines").mkdir()
    for number in range(8):
        line = generator.integers(0, 255, (1, 40), dtype=np.uint8)
        Image.fromarray(line).save(tmp_path / f"lines/{number}.png")
    (tmp_path / "rows.csv").write_text("a,b\n" + "\n".join(f"{a},{b}" for a, b in generator.normal(size=(20, 2))))
    (tmp_path / "two.csv").write_text("a,b\n1.5,2\n3,4.5\n")
    np.savez(tmp_path / "empty.npz")
    (tmp_path / "nothing.png").symlink_to("nowhere")
    for name in ("pipe", "pipe.png"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize("command", REFUSED)
def test_wrong_input_is_refused_in_one_line(command, hizumi, place):
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*") if path.is_file()}
    released = threading.Timer(20, lambda: os.open(place / "pipe", os.O_RDWR | os.O_NONBLOCK))
    released.start()  # what waits for the other end of the pipe fails, but does not hang the tests
    outcome = hizumi(*command.split())
    released.cancel()
    assert outcome.code == 2
    assert [line for line in outcome.err.splitlines() if not line.startswith("reading")] == [
        outcome.err.splitlines()[-1]
    ]
    assert REFUSED[command] in outcome.err
    after = {path: path.stat().st_mtime_ns for path in place.rglob("*") if path.is_file()}
    assert {path: time for path, time in after.items() if path.parent.suffix != ".run"} == before


def test_no_advice_on_good_images_for_images_to_be_judged(place):
    inspector = Inspector("pca").fit(place / "good")
    with pytest.raises(ValueError, match=r"empty: holds no .* image$"):
        inspector.inspect(place / "empty")
    assert inspector.inspect(place / "pipe.png").failures[0].reason == "is a pipe, device or socket, not a regular file"


def test_a_bundle_may_take_the_place_of_a_bundle(hizumi, place):
    for _ in range(2):
        assert hizumi("fit", "good", "-d", "pca", "-o", "a.hizumi").code == 0


def test_what_is_said_of_data_of_another_kind_is_refused_in_python(place):
    images = np.zeros((4, 8, 8, 3), np.uint8)
    for data, said in ((images, {"columns": "a"}), (images, {"layout": "kinds"}), (place / "good", {"one_hot": True})):
        with pytest.raises(UsageError, match=rf"\(`{next(iter(said))}`\) is for"):
            open_source(data, **said)
