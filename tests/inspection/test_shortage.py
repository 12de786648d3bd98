"""Where memory runs out, batches shrink and scores stay; else one line says so, and no file is accused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hizumi.data import Failure, open_source
from hizumi.errors import DataError, ShortageError, is_shortage
from hizumi.inspection import Inspector
from hizumi.inspection.scoring import Scorer
from hizumi.preprocessing import in_batches
from hizumi.preprocessing.reading import Piece
from hizumi.runtime.engines import _running
from hizumi.storage.archive import _opened
from hizumi.training import Budget, TrainingOptions

TORCH_SAYS = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 16777216 bytes. Error code 12"  # noqa: E501  # word for word

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 16, 16), dtype=np.uint8)


def test_scores_do_not_depend_on_how_far_batches_had_to_shrink() -> None:
    inspector = Inspector("pca").fit(IMAGES)
    manifest, scorer = inspector.to_inspect(IMAGES), inspector.scorer()
    sizes: list[int] = []

    def short_of_memory(crops: np.ndarray) -> dict[str, np.ndarray]:
        if len(crops) > 6:
            raise RuntimeError(TORCH_SAYS)
        sizes.append(len(crops))
        return dict(scorer.scores(crops))

    expected = [item.score for item in scorer.score(manifest)]
    found = [item.score for item in Scorer(short_of_memory, scorer.reader).score(manifest)]
    assert found == pytest.approx(expected, rel=1e-6)
    assert sum(sizes) == len(IMAGES)
    assert max(sizes) == 5  # half of half of ... of 40, and kept


def test_one_crop_that_does_not_fit_says_what_was_needed() -> None:
    def never(_: np.ndarray) -> dict[str, np.ndarray]:
        raise RuntimeError(TORCH_SAYS)

    pieces = [Piece(0, "a.png", np.zeros((1, 1, 8, 9), np.uint8))]
    with pytest.raises(ShortageError, match=r"one item of shape 1x8x9 needs more memory .*\(16.0 MiB more were asked"):
        list(in_batches(never, pieces))


def test_other_errors_are_no_shortage() -> None:
    def broken(_: np.ndarray) -> dict[str, np.ndarray]:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        list(in_batches(broken, [Piece(0, "a.png", np.zeros((4, 1, 8, 9), np.uint8))]))
    assert not is_shortage(DataError("a.png: is damaged"))
    assert is_shortage(RuntimeError("could not create a primitive"))
    assert is_shortage(SystemError("error return without exception set"))
    assert not is_shortage(RuntimeError("could not create a primitive descriptor for a convolution"))


def test_a_training_step_that_does_not_fit_names_its_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    def short(*_: object, **__: object) -> None:
        raise RuntimeError(TORCH_SAYS)

    inspector = Inspector("reconstruction", training=TrainingOptions(budget=Budget(steps=2), batch_size=12))
    monkeypatch.setattr("hizumi.models.autoencoder.Autoencoder.step", short)
    with pytest.raises(ShortageError, match=r"a batch of 12 items of 1x16x16 .*--batch-size"):
        inspector.fit(IMAGES)


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("std::bad_alloc"), OSError(12, "Cannot allocate memory")]
)
def test_no_file_and_no_bundle_is_accused(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def short(*_: object, **__: object) -> None:
        raise error

    Image.fromarray(IMAGES[0]).save(tmp_path / "a.png")
    np.save(tmp_path / "b.npy", IMAGES)
    (tmp_path / "c.hizumi").write_bytes(b"")
    with monkeypatch.context() as patched:
        patched.setattr("PIL.Image.open", short)
        (failure,) = Inspector("pca").fit(IMAGES).inspect_each(open_source([tmp_path / "a.png"]))
        assert isinstance(failure, Failure)
        assert failure.reason.startswith("there is not enough memory to decode it")
    with monkeypatch.context() as patched:
        patched.setattr("hizumi.data.array_files.read_npy", short)
        with pytest.raises(ShortageError, match=r"b\.npy"):
            open_source(tmp_path / "b.npy")
    with monkeypatch.context() as patched:
        patched.setattr("hizumi.storage.archive._refuse_large_directory", short)
        with pytest.raises(ShortageError, match=r"c\.hizumi"), _opened(tmp_path / "c.hizumi"):
            pass
    with pytest.raises(ShortageError, match="a batch in onnxruntime"), _running("onnxruntime"):
        raise error


@pytest.mark.skipif(torch.cuda.is_available(), reason="the text is that of the processor's allocator")
def test_what_torch_and_numpy_say_is_understood() -> None:
    for ask in (lambda: torch.empty(2**50), lambda: np.empty(2**50)):
        with pytest.raises((RuntimeError, MemoryError)) as raised:
            ask()
        assert is_shortage(raised.value)
        assert "asked for" in str(ShortageError.of(raised.value, "this", "free some"))
