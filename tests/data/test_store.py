"""The store: what comes out of a batch is what was put in, decoded once, whatever happened in between."""

import gc
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from sklearn.preprocessing import StandardScaler

from hizumi.data import Failure, Sizing, Store, Window, open_source, prepare
from hizumi.data.cache import PixelCache
from hizumi.data.images import Decoded
from hizumi.data.series.options import SeriesOptions
from hizumi.data.stream import Stream, TensorSource, View, in_order
from hizumi.errors import DataError, SaveError
from hizumi.runs.record import notes_on


def folder_of(tmp_path: Path, count: int, size: tuple[int, int] = (20, 30), channels: int = 1) -> list[np.ndarray]:
    images = [np.random.default_rng(seed).integers(0, 256, (*size, channels), dtype=np.uint8) for seed in range(count)]
    tmp_path.mkdir(exist_ok=True)
    for index, image in enumerate(images):
        Image.fromarray(image.squeeze(2) if channels == 1 else image).save(tmp_path / f"{index}.png")
    return images


def expected_unit(image: np.ndarray, full: float = 255) -> np.ndarray:
    return (image.astype(np.float64) / full * 2 - 1).transpose(2, 0, 1)


def test_batches_hold_the_images_in_the_order_asked_for(tmp_path: Path):
    images = folder_of(tmp_path, 5, channels=3)
    store = Store.build(open_source(tmp_path), None)
    assert (store.shape, len(store), store.views) == ((3, 20, 30), 5, 1)
    for order in ([3, 0, 0], torch.tensor([4, 1])):
        batch = store.batch(order)
        assert batch.dtype == torch.float32
        for item, index in zip(batch, order, strict=True):
            np.testing.assert_allclose(item, expected_unit(images[int(index)]), atol=2e-7)


@pytest.mark.parametrize(
    "sizing", [None, Sizing(16, 16), Sizing(40, 24), Sizing(16, 16, "tile"), Sizing(64, 64, "tile")]
)
def test_store_and_scoring_path_give_the_same_numbers(tmp_path: Path, sizing: Sizing | None):
    images = folder_of(tmp_path, 3, channels=3)
    store = Store.build(open_source(tmp_path), sizing)
    assert store.window is not None
    for index, image in enumerate(images):
        fitted = image if sizing is None else sizing.fit(image)
        unit = store.window.to_unit(prepare(fitted, channels=3, window=store.window, name="x"))
        if sizing is not None and sizing.mode == "tile":
            top, left = (unit.shape[1] - sizing.height) // 2, (unit.shape[2] - sizing.width) // 2
            unit = unit[:, top : top + sizing.height, left : left + sizing.width]
        np.testing.assert_array_equal(store.batch([index])[0], unit)
        assert tuple(unit.shape) == store.shape


def test_16_bit_and_float_files_keep_every_level_up_to_the_batch(tmp_path: Path):
    ramp = np.arange(65536).reshape(256, 256)
    for name, levels in (("sixteen", ramp.astype(np.uint16)), ("float", ramp.astype(np.float32) * 0.5 - 9)):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "ramp.tif", levels)
        batch = Store.build(open_source(tmp_path / name), None).batch([0])
        np.testing.assert_allclose(batch.flatten(), np.linspace(-1, 1, 65536), atol=3e-7)
        assert len(batch.unique()) == 65536


def test_a_second_build_decodes_nothing(tmp_path: Path):
    images = folder_of(tmp_path / "images", 4)
    manifest, cache = open_source(tmp_path / "images"), tmp_path / "cache"
    first = Store.build(manifest, Sizing(16, 16), folder=cache)
    (tmp_path / "images" / "4.png").write_bytes((tmp_path / "images" / "0.png").read_bytes())
    Image.fromarray(255 - images[0][:, :, 0]).save(tmp_path / "images" / "5.png")
    second = Store.build(open_source(tmp_path / "images"), Sizing(16, 16), folder=cache)
    other_size = Store.build(manifest, Sizing(16, 32), folder=cache)
    assert (first.decoded_count, second.decoded_count, other_size.decoded_count) == (4, 1, 4)  # a copy is known already
    assert torch.equal(first.batch(range(4)), second.batch(range(4)))
    assert torch.equal(second.batch([4]), first.batch([0]))


def test_notes_are_counted_and_remembered_by_the_cache(tmp_path: Path):
    (tmp_path / "images").mkdir()
    for index in range(3):
        palette = Image.fromarray(np.full((8, 8), index, np.uint8)).convert("P")
        palette.save(tmp_path / "images" / f"{index}.png")
    manifest = open_source(tmp_path / "images")
    for _ in range(2):
        assert Store.build(manifest, None, folder=tmp_path / "cache").notes == {"palette expanded to colour": 3}


def test_a_damaged_cache_is_built_again(tmp_path: Path):
    folder_of(tmp_path / "images", 3)
    manifest, cache = open_source(tmp_path / "images"), tmp_path / "cache"
    wanted = Store.build(manifest, None, folder=cache).batch(range(3))
    pixels, index = next(cache.glob("*.bin")), next(cache.glob("*.json"))
    pixels.write_bytes(pixels.read_bytes()[:-1])
    again = Store.build(manifest, None, folder=cache)
    assert again.decoded_count == 3
    assert torch.equal(again.batch(range(3)), wanted)
    for damaged in ("", "{}", "[]", '{"version": 0, "entries": {}}'):
        for path in cache.iterdir():
            path.unlink()
        index.write_text(damaged)
        assert torch.equal(Store.build(manifest, None, folder=cache).batch(range(3)), wanted)


def test_a_run_that_dies_leaves_no_half_known_images(tmp_path: Path):
    cache = PixelCache(tmp_path)
    cache.add("a", Decoded(np.zeros((2, 2, 1), np.uint8), ()))
    assert PixelCache(tmp_path).get("a") is None
    cache.finish()
    assert PixelCache(tmp_path).get("a") is not None
    stopped = Store.build
    folder_of(tmp_path / "images", 3)

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped(open_source(tmp_path / "images"), None, folder=tmp_path / "cache", on_progress=interrupt)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_full_disk_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder_of(tmp_path / "images", 2)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SaveError, match=r"No space left on device.*make room, or name another cache folder"):
        Store.build(open_source(tmp_path / "images"), None, folder=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_temporary_cache_goes_away_with_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder_of(tmp_path / "images", 2)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "t"))
    (tmp_path / "t").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    store = Store.build(open_source(tmp_path / "images"), None)
    assert len(list((tmp_path / "t").iterdir())) == 1
    del store
    gc.collect()
    assert list((tmp_path / "t").iterdir()) == []


def test_arrays_that_need_no_work_are_not_copied_to_the_disk(tmp_path: Path):
    images = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 1), dtype=np.uint8)
    store = Store.build(open_source(images), Sizing(16, 16), folder=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
    assert np.shares_memory(store.pixels(2), images)
    resized = Store.build(open_source(images), Sizing(8, 8), folder=tmp_path / "cache")
    assert (resized.decoded_count, resized.shape) == (6, (1, 8, 8))


def test_many_images_do_not_stay_in_memory(tmp_path: Path):
    """A store over a file of 400 MB (sparse: nothing of it is on the disk) costs far less than the file."""
    import resource

    path = tmp_path / "large.npy"
    large = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(6_400, 256, 256))
    del large
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    store = Store.build(open_source(path), None, window=Window.of(np.uint8))
    assert len(store) == 6_400
    assert store.batch([0, 6_399]).shape == (2, 1, 256, 256)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000  # kB


def test_tiles_are_cropped_at_random_with_a_generator_only(tmp_path: Path):
    image = np.arange(40 * 60, dtype=np.uint16).reshape(1, 40, 60, 1)  # every crop is known by its first value
    store = Store.build(open_source(image), Sizing(8, 16, "tile"), window=Window(0, 1, "uint16"))
    seen = set()
    generator = torch.Generator().manual_seed(0)
    for _ in range(400):
        values = ((store.batch([0], generator)[0, 0] + 1) / 2).round().int()
        top, left = divmod(int(values[0, 0]), 60)
        np.testing.assert_array_equal(values, image[0, top : top + 8, left : left + 16, 0])
        seen.add((top, left))
    assert {min(top for top, _ in seen), max(top for top, _ in seen)} == {0, 32}
    assert {min(left for _, left in seen), max(left for _, left in seen)} == {0, 44}
    centre = store.batch([0])
    assert int(((centre[0, 0, 0, 0] + 1) / 2).round()) == 16 * 60 + 22
    assert torch.equal(store.batch([0]), centre)
    again = torch.Generator().manual_seed(0)
    assert torch.equal(store.batch([0], again), store.batch([0], torch.Generator().manual_seed(0)))
    assert store.views == len(store.sizing.tiles(40, 60))


def test_a_crop_drawn_of_an_image_is_the_same_whoever_else_is_read():
    images = np.random.default_rng(0).integers(0, 256, (5, 30, 40, 1), dtype=np.uint8)
    store = Store.build(open_source(images), Sizing(8, 8, "tile"))
    all_views = torch.cat(list(in_order(store))).reshape(store.views, 5, 1, 8, 8)
    assert len(all_views.flatten(1).unique(dim=0)) == store.views
    for indices in ([3], [1, 4], [0, 2, 3]):
        part = torch.cat(list(in_order(View(store, indices=torch.tensor(indices)))))
        assert torch.equal(part.reshape(store.views, -1, 1, 8, 8), all_views[:, indices])


def test_tiles_take_images_of_several_sizes():
    images = [np.full((height, 20, 1), height, np.uint8) for height in (4, 16, 50)]
    store = Store.build(open_source(images), Sizing(16, 16, "tile"))
    batch = store.batch([0, 1, 2], torch.Generator().manual_seed(0))
    np.testing.assert_allclose(batch[:, 0, 5, 5], np.array([4, 16, 50]) / 255 * 2 - 1, atol=1e-6)


def test_mixed_sizes_need_an_image_size(tmp_path: Path):
    folder_of(tmp_path, 2)
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "odd.png")
    manifest = open_source(tmp_path)
    with pytest.raises(DataError, match=r"0\.png is 30x20 pixels and odd\.png 9x9: set an image size"):
        Store.build(manifest, None)
    assert len(Store.build(manifest, Sizing(16, 16))) == 3


def test_mixed_channels(tmp_path: Path):
    grey = folder_of(tmp_path, 2)
    colour = np.random.default_rng(9).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(colour).save(tmp_path / "colour.png")
    manifest = open_source(tmp_path)
    store = Store.build(manifest, None)
    assert store.shape == (3, 20, 30)
    assert store.notes == {"grey image repeated into three colour channels": 2}
    np.testing.assert_allclose(store.batch([0])[0], expected_unit(np.repeat(grey[0], 3, axis=2)), atol=2e-7)
    np.testing.assert_allclose(store.batch([2])[0], expected_unit(colour), atol=2e-7)
    only_grey = Store.build(manifest, None, channels=1)
    assert [failure.name for failure in only_grey.failures] == ["colour.png"]
    assert only_grey.kept == (0, 1)


def test_an_image_of_another_type_is_named_by_its_own():
    image = np.zeros((8, 8), np.uint8)
    store = Store.build(open_source([image, image, np.zeros((8, 9), np.int64)]), Sizing(8, 8))
    (failure,) = store.failures
    assert failure.reason == "is float32 (int64 values kept as float32), the others are uint8; save all at one depth"


def test_mixed_depths(tmp_path: Path):
    folder_of(tmp_path, 2)
    Image.fromarray(np.zeros((20, 30), np.uint16)).save(tmp_path / "deep.png")
    store = Store.build(open_source(tmp_path), None)
    assert store.failures == (Failure(2, "deep.png", "is uint16, the others are uint8; save all at one depth"),)
    deep = Store.build(open_source(tmp_path), None, window=Window.of(np.uint16))
    assert [failure.name for failure in deep.failures] == ["0.png", "1.png"]


def test_a_window_that_is_given_is_used(tmp_path: Path):
    images = np.random.default_rng(0).random((3, 4, 4, 1)).astype(np.float32)
    store = Store.build(open_source(images), None, window=Window(0.0, 10.0, "float32"))
    np.testing.assert_allclose(store.batch([1])[0, 0], images[1, :, :, 0] / 5 - 1, atol=1e-6)


def test_progress_is_told(tmp_path: Path):
    folder_of(tmp_path, 3)
    told: list[tuple[int, int]] = []
    Store.build(open_source(tmp_path), None, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_an_empty_manifest(tmp_path: Path):
    folder_of(tmp_path, 1)
    with pytest.raises(DataError, match="holds no record"):
        Store.build(replace(open_source(tmp_path), records=()), None)


def test_tables_come_standardised():
    table = np.random.default_rng(0).normal(5, 100, (50, 4))
    store = Store.build(open_source(table), None)
    assert (store.shape, store.window, store.channels, store.notes, store.views) == ((4,), None, None, {}, 1)
    standardised = StandardScaler().fit_transform(table)
    np.testing.assert_allclose(store.batch([7, 3]), standardised[[7, 3]], rtol=1e-6)
    np.testing.assert_array_equal(store.crop(7), table[7])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.nan, r"NaN \(a missing number\).* or column, or use --impute"),
        (np.inf, "infinity.* or column"),
        (-1e309, "infinity.* or column"),
    ],
)
def test_missing_and_infinite_numbers_are_named(tmp_path: Path, value: float, words: str):
    (tmp_path / "t.csv").write_text(f"speed,heat\n1,2\n3,{value}\n")
    with pytest.raises(DataError, match=f"t: line 3, 'heat' is .*{words}$"):
        Store.build(open_source(tmp_path / "t.csv"), None)


def test_an_empty_cell_is_a_missing_number(tmp_path: Path):
    (tmp_path / "t.csv").write_text("speed,heat\n1,2\n,4\n")
    with pytest.raises(DataError, match="line 3, 'speed' is NaN"):
        Store.build(open_source(tmp_path / "t.csv"), None)


def test_a_constant_column_is_noted(tmp_path: Path):
    (tmp_path / "t.csv").write_text("speed,heat\n1,2\n3,2\n4,2\n")
    store = Store.build(open_source(tmp_path / "t.csv"), None)
    assert store.notes == {"column 'heat' never changes, so any other value in it lies far outside what was learned": 3}
    series = open_source(np.arange(40.0)[:, np.newaxis] * [1, 0, 0], series=SeriesOptions(length=8))
    store = Store.build(series, None)
    words = "'channel 2', 'channel 3' never change, so any other value in them lies far outside what was learned"
    assert notes_on(series, store) == (*series.notes, f"channels {words}")
    assert sum("never change" in note for note in notes_on(series, store)) == 1


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_processes_share_an_epoch_without_a_row_for_two(world_size: int):
    source = TensorSource(torch.arange(24.0)[:, None])
    streams = [Stream(source, 4, seed=3, world_size=world_size, rank=rank) for rank in range(world_size)]
    seen = [stream.batch(step).flatten() for step in range(streams[0].steps_per_epoch) for stream in streams]
    assert sorted(torch.cat(seen).tolist()) == list(range(24))
