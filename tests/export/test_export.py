"""From a fitted inspector to a bundle, and what is refused on the way."""

import json
import os
import shutil
import subprocess
import sys
import time
import venv
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.exceptions import NotFittedError

import hizumi
from hizumi import runtime
from hizumi.detectors import PCA, AnoGAN
from hizumi.errors import BundleError, DataError, RunError, UsageError
from hizumi.export import export, exporting
from hizumi.inspection import Inspector, load, save
from hizumi.runtime.engines import EngineName
from hizumi.storage.archive import pack
from hizumi.training import Budget, TrainingOptions

from .conftest import Line, picture

ABSENT = "torch scipy sklearn skimage pydantic jaxtyping tifffile typer rich lightning_fabric matplotlib"
WITHOUT = f"""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in "{ABSENT}".split():
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
from hizumi.runtime.command import main
sys.exit(main(sys.argv[1:]))
"""


def assert_same(ours: hizumi.Inspection, theirs: hizumi.Inspection) -> None:
    assert len(ours) == len(theirs) > 0
    for one, other in zip(ours, theirs, strict=True):
        assert (one.name, one.anomalous, one.p_value) == (other.name, other.anomalous, other.p_value)
        np.testing.assert_allclose(other.score, one.score, rtol=1e-5)
        np.testing.assert_allclose(other.map, one.map, rtol=1e-3, atol=1e-5 * one.map.max())
        assert [(box.left, box.top, box.area) for box in one.boxes] == [
            (box.left, box.top, box.area) for box in other.boxes
        ]
        np.testing.assert_array_equal(one.picture, other.picture)
        assert int(np.abs(one.normal.astype(int) - other.normal.astype(int)).max()) <= 1
        assert one.terms.keys() == other.terms.keys()


@pytest.mark.parametrize(
    ("kind", "engine"),
    [
        ("16 bit", "onnxruntime"),
        pytest.param("16 bit", "openvino", marks=pytest.mark.slow),
        pytest.param("transparent", "onnxruntime", marks=pytest.mark.slow),
        pytest.param("transparent", "openvino", marks=pytest.mark.slow),
    ],
)
def test_verdicts_are_the_same_in_both_engines(
    kind: str, engine: EngineName, lines: Callable[[str], Line], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = lines(kind)
    monkeypatch.setattr(exporting, "traced", lambda graph: line.model)
    ours = line.inspector.inspect(line.folder / "test")
    path = export(line.inspector, tmp_path / "parts.exported.hizumi", engine=engine).path
    assert_same(ours, runtime.load(path, threads=1).inspect(line.folder / "test"))


def test_threads_are_at_least_one_and_no_more_than_run_at_once(exported: Path) -> None:
    most = os.cpu_count() or 1
    runtime.load(exported, threads=most)
    for threads in (0, -4, most + 1, 10**6):
        with pytest.raises(UsageError, match=rf"is {threads}; give a whole number from 1 to {most}, "):
            runtime.load(exported, threads=threads)


def test_arrays_lists_and_failures(fitted: Inspector, folder: Path, exported: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"nothing")
    files = [folder / "test/hole/0.png", damaged]
    ours, theirs = fitted.inspect(files), runtime.load(exported).inspect(files)
    assert_same(ours, theirs)
    assert ours.failures == theirs.failures
    array = np.stack([hizumi.data.decode(files[0]).pixels] * 2)
    assert_same(fitted.inspect(array), runtime.load(exported).inspect(array))


def test_rows_too(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(1000, 20, (80, 5))
    inspector = Inspector("mahalanobis", false_alarm_rate=0.1).fit(rows)
    path = export(inspector, tmp_path / "rows.hizumi", rows).path
    table = rows[:20].tolist()
    ours, theirs = inspector.inspect(table), runtime.load(path).inspect(table)
    assert [verdict.anomalous for verdict in ours] == [verdict.anomalous for verdict in theirs]
    np.testing.assert_allclose([v.score for v in theirs], [v.score for v in ours], rtol=1e-9)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_threads_that_inspect_at_once_get_the_scores_of_one(engine: EngineName, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(80, 30))
    path = export(Inspector("mahalanobis").fit(rows), tmp_path / "rows.hizumi", rows, engine=engine).path
    inspector = runtime.load(path)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda row: inspector.inspect(row[np.newaxis])[0].score, rows))
    np.testing.assert_allclose(found, [verdict.score for verdict in inspector.inspect(rows)], rtol=1e-5)


def test_what_a_graph_may_take_is_for_one_batch_at_a_time(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inspector = runtime.load(exported)
    session, at_work, most = inspector.engine._session, [], [0]  # type: ignore[attr-defined]

    def counted(items: np.ndarray) -> dict[str, np.ndarray]:
        at_work.append(items)
        most[0] = max(most[0], len(at_work))
        time.sleep(0.01)
        outputs = session(items)
        at_work.pop()
        return outputs

    monkeypatch.setattr(inspector.engine, "_session", counted)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(inspector.engine, np.zeros((8, 1, *inspector.shape), np.float32)))
    assert most == [1]


def test_nothing_is_scored_for_what_is_not_fitted(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError, match="not fitted yet"):
        export(Inspector("pca"), tmp_path / "a.hizumi", np.zeros((9, 3)))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("export(Inspector('pca'), 'a', engine='onnx')", "engine is 'onnx'; it must be 'onnxruntime' or 'openvino'"),
        ("export(Inspector('pca'), 'a', precision='fp16')", "precision is 'fp16'; it must be 'fp32', 'bf16' or 'int8'"),
        ("load('a', threads=1.5)", "is 1.5; give a whole number from 1"),
    ],
)
def test_what_an_annotation_forbids_is_refused_in_words(call: str, said: str) -> None:
    program = f"from hizumi import Inspector; from hizumi.export import export; from hizumi.runtime import load; {call}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert said in done.stderr.splitlines()[-1]


def test_graph_says_the_verdict_itself(exported: Path, folder: Path, fitted: Inspector) -> None:
    inspector = runtime.load(exported)
    manifest = hizumi.open_source(folder / "test")
    crops = [piece.crops for piece in inspector.scorer().reader.pieces(manifest, strict=True)]
    outputs = inspector.engine(np.concatenate(crops).astype(np.float32))
    assert outputs["anomalous"].tolist() == [verdict.anomalous for verdict in fitted.inspect(manifest)]
    assert outputs["anomalous"].any()
    with zipfile.ZipFile(exported) as archive:
        header = json.loads(archive.read("export.json"))
    assert [port["name"] for port in header["outputs"]] == [name for name in outputs if name != "anomalous"] + [
        "anomalous"
    ]
    assert all(outputs[port["name"]].shape[1:] == tuple(port["shape"][1:]) for port in header["outputs"])
    assert header["parity"]["changed"] == 0
    assert max(header["parity"]["differences"].values()) < 1e-5


def test_a_process_without_torch_inspects_a_folder(
    exported: Path, folder: Path, fitted: Inspector, tmp_path: Path
) -> None:
    table = tmp_path / "verdicts.csv"
    command = [sys.executable, "-c", WITHOUT, exported, folder / "test", "-o", table]
    done = subprocess.run([os.fspath(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert all(line.startswith("Note: ") for line in done.stderr.splitlines())
    lines = table.read_text().splitlines()
    ours = fitted.inspect(folder / "test")
    assert [line.split(",")[:2] for line in lines[1:]] == [[verdict.name, str(verdict.anomalous)] for verdict in ours]


def test_a_picture_imports_nothing_that_it_does_not_need(exported: Path, folder: Path) -> None:
    code = (
        "import sys; from hizumi.runtime.command import main; main(sys.argv[1:])\n"
        "print({'annotated_types', 'typing_extensions', 'filelock', 'numpy.random'} & sys.modules.keys())"
    )
    one = min(path for path in (folder / "test").rglob("*") if path.is_file())
    command = [sys.executable, "-c", code, exported, one]
    done = subprocess.run([os.fspath(part) for part in command], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_the_command_line_inspects_without_torch(exported: Path, folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from hizumi.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as left: print(left.code, 'torch' in sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, "inspect", exported, folder / "test", "--json", tmp_path / "verdicts.json"]
    done = subprocess.run([os.fspath(part) for part in command], capture_output=True, text=True, check=True)
    assert done.stderr.split()[-2:] == ["0", "False"]
    result = json.loads((tmp_path / "verdicts.json").read_text())
    assert result["detector"] == "reconstruction"
    assert result["inspected"] == 12


def test_fewer_bits_are_measured_and_not_refused(fitted: Inspector, tmp_path: Path) -> None:
    for engine, precision in (("onnxruntime", "int8"), ("openvino", "bf16")):
        parity = export(fitted, tmp_path / "small.hizumi", engine=engine, precision=precision).parity
        assert parity.rank > 0.8
        assert parity.verdicts == 20
        assert parity.graph_auroc is not None
        assert parity.torch_auroc is not None
        assert abs(parity.graph_auroc - parity.torch_auroc) < 0.2
    assert runtime.load(tmp_path / "small.hizumi").parity_ == json.loads(json.dumps(parity.to_dict()))
    with pytest.raises(UsageError, match="computes nothing in bf16"):
        export(fitted, tmp_path / "none.hizumi", precision="bf16")


def test_another_graph_is_refused_and_nothing_written(
    line: Line, fitted: Inspector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiled = type(line.model)()
    spoiled.CopyFrom(line.model)
    weights = max(spoiled.graph.initializer, key=lambda each: len(each.raw_data))
    weights.raw_data = (np.frombuffer(weights.raw_data, np.float32) * np.float32(1.01)).tobytes()
    monkeypatch.setattr(exporting, "traced", lambda graph: spoiled)
    with pytest.raises(RunError, match=r"is not the same: .*nothing was written") as caught:
        export(fitted, tmp_path / "parts.hizumi")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_what_needs_double_precision_is_refused_by_openvino_and_sent_to_onnx(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    column = generator.normal(size=(80, 1))
    rows = np.hstack([column, column + 1e-3 * generator.normal(size=(80, 1))])  # the residual has four digits of seven
    inspector = Inspector(PCA(statistic="residual"), false_alarm_rate=0.1).fit(rows)
    with pytest.raises(RunError, match=r"pca computes in double precision, .*: export it to onnx$"):
        export(inspector, tmp_path / "rows.hizumi", rows, engine="openvino")
    assert not list(tmp_path.iterdir())
    assert export(inspector, tmp_path / "rows.hizumi", rows).parity.changed == 0


@pytest.mark.parametrize(
    ("output", "reason"),
    [("score", r"makes no number of 20 of 20 scores"), ("term:ssim", r"is not the same: .*term:ssim is off by nan of")],
)
def test_a_graph_that_makes_no_number_is_refused(
    output: str, reason: str, line: Line, fitted: Inspector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from onnx import helper, numpy_helper

    spoiled = type(line.model)()
    spoiled.CopyFrom(line.model)
    for node in spoiled.graph.node:
        node.output[:] = ["whole" if name == output else name for name in node.output]
    spoiled.graph.initializer.append(numpy_helper.from_array(np.array(np.nan, np.float32), "nan"))
    spoiled.graph.node.append(helper.make_node("Add", ["whole", "nan"], [output]))
    monkeypatch.setattr(exporting, "traced", lambda graph: spoiled)
    with pytest.raises(RunError, match=reason):
        export(fitted, tmp_path / "parts.hizumi")
    assert not list(tmp_path.iterdir())


def test_any_good_pictures_will_do_and_leave_the_threshold(
    line: Line, fitted: Inspector, folder: Path, tmp_path: Path
) -> None:
    generator = np.random.default_rng(5)
    for number in range(3):
        picture("16 bit", generator, flawed=False).save(tmp_path / f"{number}.png")
    flaws = [tmp_path / f"{number}.png" for number in range(3)]
    at_hand: list[Any] = [tmp_path, flaws, flaws[0], [hizumi.data.decode(path).pixels for path in flaws]]
    for data in at_hand:
        done = export(fitted, tmp_path / "parts.hizumi", data)
        assert not done.parity.as_fitted
        assert done.parity.verdicts == (1 if data == flaws[0] else 3)
        exported = runtime.load(done.path)
        assert exported.calibration_.threshold == fitted.calibration_.threshold
        assert_same(fitted.inspect(folder / "test"), exported.inspect(folder / "test"))
    assert export(fitted, tmp_path / "parts.hizumi", folder).parity.as_fitted


def test_changed_data_are_any_data_and_their_labelled_ones_are_tested(
    fitted: Inspector, folder: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(folder, tmp_path / "other")
    for number in range(5):
        shutil.copy(other / "test/hole/1.png", other / f"train/good/{number}.png")
    parity = export(fitted, tmp_path / "parts.hizumi", other).parity
    assert (parity.as_fitted, parity.verdicts) == (False, 40 + 12)
    assert parity.changed == parity.borderline <= 1  # the item whose score is the threshold is among them
    assert parity.graph_auroc == parity.torch_auroc


def test_pictures_of_another_kind_say_why_they_cannot_be_used(fitted: Inspector, tmp_path: Path) -> None:
    Image.new("L", (30, 30)).save(tmp_path / "grey.png")
    with pytest.raises(
        DataError, match=r"none of its 1 records could be read \(grey\.png: the image is uint8, and the training"
    ):
        export(fitted, tmp_path / "parts.hizumi", tmp_path)


def test_data_that_moved_are_asked_for(fitted: Inspector, folder: Path, tmp_path: Path) -> None:
    moved = load(save(fitted, tmp_path / "parts.hizumi"))
    moved.options_ = moved.options_ | {"source": {"place": str(tmp_path / "gone"), "normal_class": None}}
    with pytest.raises(UsageError, match=r"gone, on which this was fitted, is not there any more: .*--data"):
        export(moved, tmp_path / "out.hizumi")
    assert export(moved, tmp_path / "out.hizumi", folder).parity.changed == 0
    moved.options_ = {name: value for name, value in moved.options_.items() if name != "source"}
    with pytest.raises(UsageError, match=r"nothing says where .* lies: .*--data"):
        export(moved, tmp_path / "out.hizumi")


def test_what_searches_is_refused_with_its_siblings() -> None:
    rows = np.random.default_rng(0).normal(size=(20, 3))
    detector = AnoGAN(steps=2)
    inspector = Inspector(detector, training=TrainingOptions(budget=Budget(steps=2), batch_size=8)).fit(rows)
    with pytest.raises(UsageError, match=r"searches anew for each item.*f_anogan or egbad"):
        export(inspector, "never.hizumi", rows)


def test_bundles_know_what_they_are(fitted: Inspector, exported: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"holds an exported detector.*hizumi\.runtime\.load, and the bundle that it"):
        load(exported)
    with pytest.raises(BundleError, match=r"holds a detector.*hizumi\.inspection\.load"):
        runtime.load(save(fitted, tmp_path / "parts.hizumi"))
    content = bytearray(exported.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "changed.hizumi").write_bytes(content)
    with pytest.raises(BundleError, match=r"changed\.hizumi: is not a hizumi bundle"):
        runtime.load(tmp_path / "changed.hizumi")
    with zipfile.ZipFile(exported) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(members["export.json"]) | {"calibration": {}}
    (tmp_path / "foreign.hizumi").write_bytes(pack(members | {"export.json": json.dumps(header).encode()}))
    with pytest.raises(BundleError, match=r"foreign\.hizumi: export\.json is not valid at calibration\.rule"):
        runtime.load(tmp_path / "foreign.hizumi")


@pytest.mark.slow
def test_numpy_pillow_and_onnxruntime_are_enough(exported: Path, folder: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    root = Path(__file__).parents[2]
    install = [python, "-m", "pip", "install", "-q", "-c", root / "constraints.txt"]
    subprocess.run([*install, "numpy", "pillow", "onnxruntime"], check=True)
    subprocess.run([*install, "--no-deps", root], check=True)
    command = [python, "-m", "hizumi.runtime", exported, folder / "test"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 12


def test_missing_pixels_are_filled_by_an_exported_bundle_too(tmp_path):
    generator = np.random.default_rng(0)
    images = generator.normal(size=(40, 12, 12)).astype(np.float32)
    images[::4, 0], images[:, 1, :3] = np.nan, -9999
    inspector = Inspector("pca", fill_nan=True, nodata=-9999, false_alarm_rate=0.2).fit(images)
    export(inspector, tmp_path / "pca.hizumi", images)
    exported = runtime.load(tmp_path / "pca.hizumi")
    scores = [[verdict.score for verdict in each.inspect(images).verdicts] for each in (inspector, exported)]
    assert len(scores[1]) == 40
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-5)
