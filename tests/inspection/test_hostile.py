"""Bundles made to do harm: nothing is unfolded, built or opened for them, and the ending is one line."""

import io
import json
import resource
import struct
import time
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch

from hizumi import bundles, generation, inspection, runtime
from hizumi.cli import main
from hizumi.errors import BundleError, HizumiError, RunError
from hizumi.generation import Modeller
from hizumi.inspection import Inspector
from hizumi.storage.archive import kind_of, pack
from hizumi.storage.schema import load_json
from hizumi.training import Budget, TrainingOptions

from .crafted import crafted, read, sealed
from .test_earlier import BUNDLES, images, table

NAMES = ("mahalanobis_rows", "reconstruction", "ganomaly", "ensemble", "vae_model", "pix2pix_model", "mahalanobis.onnx")


@pytest.fixture(params=NAMES)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A bundle in today's format, but for the exported one."""
    source, target = BUNDLES / f"{request.param}.hizumi", tmp_path / "x.hizumi"
    if kind_of(source) == "exported":
        pytest.importorskip("onnxruntime", reason="exported bundles run in ONNX Runtime")
        target.write_bytes(source.read_bytes())
    elif kind_of(source) == "model":
        generation.save(generation.load(source), target)
    else:
        inspection.save(inspection.load(source), target)
    return target


def used(path: Path) -> None:
    """Load a bundle and let it do what it is for."""
    match kind_of(path):
        case "model":
            modeller = generation.load(path)
            if hasattr(modeller.model_, "decode"):
                modeller.sample(2)
        case "exported":
            runtime.load(path).inspect(images())
        case "detector":
            loaded = inspection.load(path)
            loaded.inspect(table() if len(loaded.detector_.shape) == 1 else images())
            loaded.calibrate(false_alarm_rate=0.2)
            loaded.scorer()


def refused_or_used(path: Path) -> str:
    """The words of the refusal; any error of another kind, of two lines, or after five seconds, fails the test."""
    started = time.monotonic()
    words = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            used(path)
    except HizumiError as error:
        words = str(error)
    assert "\n" not in words
    assert "\x1b" not in words
    assert time.monotonic() - started < 5
    return words


def test_crafted_bundles_are_used_or_refused_in_one_line(path: Path) -> None:
    endings = {}
    for told, content in crafted(path, 25, seed=0):
        path.write_bytes(content)
        endings[told] = refused_or_used(path)
    assert any(endings.values())


@pytest.mark.parametrize(
    ("member", "content"),
    [
        ("journal.jsonl", b"\x88"),
        ("journal.jsonl", b"[]\n"),
        ("journal.jsonl", b'{"phase": "x", "step": 1, "images_seen": 1, "losses": {"a": "b"}}\n'),
        ("journal.jsonl", b'{"phase": "x", "step": -1, "images_seen": 1, "losses": {}}\n'),
        ("seen.safetensors", safetensors.numpy.save({"others": np.zeros((1, 8), np.uint8)})),
    ],
)
@pytest.mark.parametrize("reads", [inspection.load, inspection.restore])
def test_members_that_only_some_commands_use_are_checked_by_all(
    reads: Callable[[Path], Any], member: str, content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "x.hizumi"
    inspection.save(inspection.load(BUNDLES / "reconstruction.hizumi"), path)
    header, members = read(path)
    path.write_bytes(sealed(header, json.loads(members[header]), members | {member: content}))
    with pytest.raises(BundleError, match="parts do not fit each other"):
        reads(path)


@pytest.mark.parametrize("name", [pytest.param("ganomaly", marks=pytest.mark.slow), "mahalanobis_rows"])
def test_a_tensor_of_another_shape_is_refused(name: str, tmp_path: Path) -> None:
    # An empty running mean once passed, as a buffer that fits fill, and failed in a layer; so did statistics.
    source, path = BUNDLES / f"{name}.hizumi", tmp_path / "x.hizumi"
    inspection.save(inspection.load(source), path)
    header, members = read(path)
    tensors = safetensors.numpy.load(members["weights.safetensors"])
    passed = []
    for tensor_name, tensor in tensors.items():
        for other in (np.zeros((0,), tensor.dtype), np.ones((3, *tensor.shape), tensor.dtype)):
            weights = safetensors.numpy.save({**tensors, tensor_name: other})
            path.write_bytes(sealed(header, json.loads(members[header]), {**members, "weights.safetensors": weights}))
            if not refused_or_used(path):
                passed.append((tensor_name, other.shape))
    assert passed == []


@pytest.mark.slow
def test_hundreds_of_crafted_bundles(path: Path) -> None:
    for _, content in crafted(path, 500, seed=1):
        path.write_bytes(content)
        refused_or_used(path)


def zipped(method: int = zipfile.ZIP_STORED, name: str = "bundle.json", size: int = 100) -> bytearray:
    """A zip file with one member of zeros and a comment as long as a bundle's."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(name, bytes(size))
        archive.comment = b"0" * 64
    return bytearray(buffer.getvalue())


def encrypted() -> bytearray:
    content = zipped()
    content[content.index(b"PK\1\2") + 8] |= 1
    return content


def many() -> bytearray:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(30_000):
            archive.writestr(str(number), b"")
        archive.comment = b"0" * 64
    return bytearray(buffer.getvalue())


def overlapping() -> bytearray:
    """A hundred entries of the directory for one member."""
    content = bytes(zipped(size=100_000))
    start, end = content.index(b"PK\1\2"), content.index(b"PK\5\6")
    entry = content[start:end]
    copies = [entry.replace(b"bundle.json", f"bundle{number:05d}".encode()) for number in range(100)]
    tail = bytearray(content[end:])
    struct.pack_into("<HHI", tail, 8, 100, 100, sum(map(len, copies)))
    return bytearray(content[:start]) + b"".join(copies) + tail


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda: zipped(zipfile.ZIP_DEFLATED, size=100_000_000), "is compressed"),
        (lambda: zipped(zipfile.ZIP_LZMA), "is compressed"),
        (lambda: zipped(zipfile.ZIP_BZIP2), "is compressed"),
        (encrypted, "is encrypted"),
        (many, "its zip directory is too large"),
        (overlapping, "its members are larger than the file"),
    ],
)
def test_nothing_is_unfolded_that_no_bundle_has(made: Callable[[], bytearray], reason: str, tmp_path: Path) -> None:
    content = made()
    (tmp_path / "x.hizumi").write_bytes(content)
    tracemalloc.start()
    try:
        for load in (kind_of, inspection.load, generation.load, runtime.load):
            with pytest.raises(BundleError, match=reason):
                load(tmp_path / "x.hizumi")
        assert tracemalloc.get_traced_memory()[1] < len(content) + 20_000_000
    finally:
        tracemalloc.stop()


def test_every_flip_in_the_zip_directory_is_one_line(tmp_path: Path) -> None:
    whole, path = (BUNDLES / "mahalanobis_rows.hizumi").read_bytes(), tmp_path / "x.hizumi"
    for bit in range(8 * whole.index(b"PK\1\2"), 8 * len(whole), 7):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with pytest.raises(BundleError):
            inspection.load(path)
        with suppress(BundleError):  # the hash of the whole is not its concern
            kind_of(path)


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a": Infinity}', '{"a": NaN}', '{"a": 1e999}', "\xff", "1" * 5000])
def test_json_that_no_bundle_has(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"."):
        load_json(text.encode("latin-1"))
    (tmp_path / "x.hizumi").write_bytes(pack({"bundle.json": text.encode("latin-1")}))
    with pytest.raises(BundleError, match=r"bundle\.json is not valid"):
        inspection.load(tmp_path / "x.hizumi")


@pytest.mark.parametrize(
    ("where", "value", "reason"),
    [
        ("calibration.threshold.value", float("nan"), "holds NaN"),
        ("calibration.threshold.value", 1e9, r"states a threshold of 1e\+09, and the rule conformal sets"),
        ("preprocessing.window.low", None, r"preprocessing\.window\.low: it is None"),
        ("preprocessing.sizing.height", 1e9, r"preprocessing\.sizing\.height: it is 1000000000\.0"),
        ("options", [], "options: it is list"),
        ("options.training", [[[]]], r"options\.training: it is list"),
        ("options.training.seed", -1, r"options\.training\.seed: it is -1"),
        ("options.source", {"place": "digits"}, r"options\.source\.normal_class: it is missing"),
        ("options.source", {"place": "digits", "normal_class": None, "motion": True}, "motion: there is no such field"),
        ("shape", [1, 2**31, 2**31], "shape: 1x2147483648x2147483648 is no shape"),
        ("shape", [1, 9999, 9999], "are made for a shape of"),
        ("detector.arguments.model.arguments.width", 10**5, "its weights .* are .* and not"),
        ("detector.arguments.model.arguments.width", "wide", "does not take these settings|must be a whole number"),
    ],
)
def test_values_are_checked_before_anything_is_built(where: str, value: Any, reason: str, tmp_path: Path) -> None:
    header, members = read(BUNDLES / "reconstruction.hizumi")
    inspection.save(inspection.load(BUNDLES / "reconstruction.hizumi"), tmp_path / "x.hizumi")
    header, members = read(tmp_path / "x.hizumi")
    statements = json.loads(members[header])
    owner = statements
    *outer, last = where.split(".")
    for key in outer:
        owner = owner[key]
    owner[last] = value
    (tmp_path / "x.hizumi").write_bytes(sealed(header, statements, members))
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with pytest.raises(BundleError, match=reason) as refused:
        inspection.restore(tmp_path / "x.hizumi")
    assert "\n" not in str(refused.value)
    assert time.monotonic() - started < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


@pytest.mark.parametrize("name", ["one_class_svm", "vae"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_neither_written_nor_read(name: str, value: float, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(30, 3))
    steps = TrainingOptions(budget=Budget(steps=2))
    fitted = (Modeller if name == "vae" else Inspector)(name, training=steps).fit(rows)
    kept = bundles.save(fitted, tmp_path / "x.hizumi")
    header, members = read(kept)
    tensors = safetensors.numpy.load(members["weights.safetensors"])
    for key in (key for key, array in tensors.items() if array.dtype.kind == "f" and array.size):
        wrong = tensors[key].copy()
        wrong.flat[-1] = value
        changed = members | {"weights.safetensors": safetensors.numpy.save({**tensors, key: wrong})}
        kept.write_bytes(sealed(header, json.loads(members[header]), changed))
        with pytest.raises(BundleError, match=rf"its weights '{key}' hold NaN or infinity; fit it again"):
            bundles.load(kept)
    with torch.no_grad():
        module = fitted.model_ if name == "vae" else fitted.detector_
        next(each for each in module.state_dict().values() if each.is_floating_point() and each.numel()).fill_(value)
    with pytest.raises(RunError, match="the fit has left NaN or infinity in"):
        bundles.save(fitted, tmp_path / "y.hizumi")
    assert not (tmp_path / "y.hizumi").exists()


def test_escape_sequences_in_a_bundle_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header, members = read(BUNDLES / "mahalanobis_rows.hizumi")
    statements = json.loads(members[header])
    statements["options"]["data"] = "\x1b]0;title\x07"
    statements["calibration"]["threshold"]["words"] = "\x1b[2Jgone"
    statements["notes"] = ["\x1b[31mred"]
    (tmp_path / "x.hizumi").write_bytes(sealed(header, statements, members))
    with pytest.raises(SystemExit) as left:
        main(["info", str(tmp_path / "x.hizumi")])
    shown = capsys.readouterr()
    assert not left.value.code
    assert "\\x1b[2Jgone" in shown.out
    assert "\x1b]" not in shown.out + shown.err
    assert "\x1b[2J" not in shown.out + shown.err
    with pytest.raises(SystemExit):
        main(["info", str(tmp_path / "\x1b[31m.hizumi")])
    assert "\x1b[31m.hizumi" not in capsys.readouterr().err


def test_a_graph_that_reads_another_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnx = pytest.importorskip("onnx", reason="makes a graph")
    pytest.importorskip("onnxruntime", reason="exported bundles run in ONNX Runtime")
    header, members = read(BUNDLES / "mahalanobis.onnx.hizumi")
    model = onnx.load_from_string(members["graph.onnx"])
    tensor = max(model.graph.initializer, key=lambda each: len(each.raw_data))
    (tmp_path / "secret.bin").write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="secret.bin")
    changed = members | {"graph.onnx": model.SerializeToString()}
    (tmp_path / "x.hizumi").write_bytes(sealed(header, json.loads(members[header]), changed))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleError, match="its graph has data in other files"):
        runtime.load(tmp_path / "x.hizumi")


def test_bundles_do_not_say_where_their_data_lay(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(40, 3)))
    fitted = inspection.Inspector("mahalanobis").fit(tmp_path / "rows.npy")
    saved = inspection.save(fitted, tmp_path / "x.hizumi")
    assert str(tmp_path).encode() not in saved.read_bytes()
    again = inspection.load(saved)
    assert again.options_["data"] == "rows"
    assert again.options_["data_sha256"] == fitted.options_["data_sha256"]
    assert "place" not in again.options_["source"]
    assert again.options_["source"]["normal_class"] is None
