"""Pairs of images: matched folders, halves of one file, ready-made corruptions, and two unpaired sets."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hizumi.data import (
    Colour,
    Denoise,
    Inpaint,
    Pairing,
    ReadyMade,
    SideBySide,
    Sizing,
    Store,
    SuperResolve,
    Unpaired,
    open_source,
    paired,
)
from hizumi.data.stream import Stream, TensorSource, in_order
from hizumi.errors import DataError, UsageError


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def store(folder: Path, sizing: Sizing | None = None) -> Store:
    return Store.build(open_source(folder), sizing)


def numbered(folder: Path, names: list[str], size: tuple[int, int] = (6, 8)) -> None:
    """Images whose first pixel says which one it is."""
    for number, name in enumerate(names):
        pixels = np.zeros(size, np.uint8)
        pixels[0, 0] = 10 * int(Path(name).stem) + number % 2
        write(folder / name, pixels)


def first_pixels(images: torch.Tensor) -> list[int]:
    return ((images[:, 0, 0, 0] + 1) * 127.5 / 10 + 0.05).int().tolist()


# --- two folders --------------------------------------------------------------------------------------------------


def test_folders_are_matched_by_names_whatever_their_suffixes(tmp_path: Path) -> None:
    numbered(tmp_path / "a", ["1.png", "2.png", "3.png", "10.png"])
    numbered(tmp_path / "b", ["10.bmp", "2.bmp", "3.bmp", "1.png"])
    pairs = paired(store(tmp_path / "a"), store(tmp_path / "b"))
    assert pairs.shape == (1, 6, 8)
    inputs, targets = pairs.batch(torch.arange(len(pairs)))
    assert first_pixels(inputs) == first_pixels(targets)
    assert sorted(first_pixels(inputs)) == [1, 2, 3, 10]


def test_a_damaged_partner_takes_its_pair_out(tmp_path: Path) -> None:
    numbered(tmp_path / "a", ["1.png", "2.png", "3.png"])
    numbered(tmp_path / "b", ["1.png", "2.png", "3.png"])
    (tmp_path / "b/2.png").write_bytes(b"no image")
    pairs = paired(store(tmp_path / "a"), store(tmp_path / "b"))
    inputs, targets = pairs.batch(torch.arange(len(pairs)))
    assert first_pixels(inputs) == first_pixels(targets) == [1, 3]


def test_random_crops_show_the_same_place_of_both(tmp_path: Path) -> None:
    ramp = np.add.outer(np.arange(40), 5 * np.arange(40)).astype(np.uint8)
    write(tmp_path / "a/1.png", ramp)
    write(tmp_path / "b/1.png", 255 - ramp)
    tiles = Sizing(8, 8, mode="tile")
    pairs = paired(store(tmp_path / "a", tiles), store(tmp_path / "b", tiles))
    inputs, targets = pairs.batch(torch.zeros(20, dtype=torch.int64), torch.Generator().manual_seed(0))
    torch.testing.assert_close(inputs, -targets)
    assert len(torch.unique(inputs[:, 0, 0, 0])) > 10


def test_folders_that_make_no_pairs(tmp_path: Path) -> None:
    numbered(tmp_path / "a", ["1.png", "2.png", "3.png"])
    numbered(tmp_path / "b", ["1.png", "3.png"])
    for order in ("ab", "ba"):
        with pytest.raises(DataError, match="a: 1 of 3 images have no partner of the same name in b, the first is '2'"):
            paired(*(store(tmp_path / name) for name in order))
    numbered(tmp_path / "c", ["1.png", "2.png", "3.png"], size=(7, 8))
    with pytest.raises(DataError, match=r"1\.png is 8x6 pixels, its partner 1\.png 8x7; save pairs at one size"):
        paired(store(tmp_path / "a"), store(tmp_path / "c"))
    assert len(paired(store(tmp_path / "a", Sizing(8, 8)), store(tmp_path / "c", Sizing(8, 8)))) == 3
    numbered(tmp_path / "d", ["1.png", "1.bmp"])
    with pytest.raises(DataError, match="d: two images are called '1'"):
        paired(store(tmp_path / "a"), store(tmp_path / "d"))
    (tmp_path / "b/1.png").write_bytes(b"no image")
    (tmp_path / "a/2.png").unlink()
    (tmp_path / "a/3.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="a and b: both images can be used in none of the 2 pairs"):
        paired(store(tmp_path / "a"), store(tmp_path / "b"))


# --- side by side -------------------------------------------------------------------------------------------------


def test_halves_side_by_side(tmp_path: Path) -> None:
    left, right = (np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8) for seed in (0, 1))
    write(tmp_path / "ab/1.png", np.concatenate([left, right], 1))
    whole = store(tmp_path / "ab")
    pairs = SideBySide(whole)
    assert pairs.shape == (3, 6, 8)
    ((inputs, targets),) = in_order(pairs)
    for images, pixels in ((inputs, left), (targets, right)):
        torch.testing.assert_close(images[0], torch.from_numpy(pixels).permute(2, 0, 1) / 127.5 - 1)
    turned = SideBySide(whole, backwards=True).batch(torch.tensor([0]))
    assert torch.equal(turned[0], targets)
    assert torch.equal(turned[1], inputs)
    assert SideBySide(store(tmp_path / "ab", Sizing(4, 10))).shape == (3, 4, 5)


def test_what_does_not_lie_side_by_side(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="items of 1x6x7 are not two images side by side; their width must be even"):
        SideBySide(torch.zeros(2, 1, 6, 7))
    numbered(tmp_path / "a", ["1.png"])
    with pytest.raises(UsageError, match="tiles would cut through"):
        SideBySide(store(tmp_path / "a", Sizing(4, 4, mode="tile")))


# --- unpaired -----------------------------------------------------------------------------------------------------


def test_the_second_set_is_drawn_by_chance_and_independently() -> None:
    first, second = torch.arange(50.0)[:, None], torch.arange(7.0)[:, None]
    source = Unpaired(first, second)
    assert len(source) == 50
    stream = Stream(source, 10, seed=3)
    drawn = [stream.batch(step) for step in range(200)]
    for epoch in range(40):  # each epoch all of the first set
        seen = torch.cat([x for x, _ in drawn[5 * epoch : 5 * epoch + 5]])
        assert sorted(seen[:, 0].tolist()) == first[:, 0].tolist()
    x, y = (torch.cat(part)[:, 0] for part in zip(*drawn, strict=True))
    counts = torch.bincount(y.int(), minlength=7)
    assert float(((counts - 2000 / 7).square() / (2000 / 7)).sum()) < 22.5  # chi-square, 6 degrees of freedom, 0.1 %
    assert abs(float(torch.corrcoef(torch.stack([x, y]))[0, 1])) < 0.08
    again = Stream(source, 10, seed=3).batch(17)
    assert torch.equal(again[1], drawn[17][1])


def test_unpaired_without_chance_and_without_sense() -> None:
    x, y = Unpaired(torch.arange(5.0)[:, None], torch.arange(3.0)[:, None]).batch(torch.tensor([4, 0, 3]))
    assert (x[:, 0].tolist(), y[:, 0].tolist()) == ([4, 0, 3], [1, 0, 0])
    with pytest.raises(DataError, match="one set holds items of 1x4x4, the other of 3x4x4; bring both to one shape"):
        Unpaired(torch.zeros(2, 1, 4, 4), torch.zeros(2, 3, 4, 4))
    with pytest.raises(DataError, match="was given no items"):
        Unpaired(torch.zeros(2, 1, 4, 4), torch.zeros(0, 1, 4, 4))


# --- ready-made ---------------------------------------------------------------------------------------------------

COLOURED = torch.rand(12, 3, 9, 14, generator=torch.Generator().manual_seed(0)) * 2 - 1
ALL = [Denoise(0.2), SuperResolve(4), Colour(), Inpaint(2, 0.6)]


@pytest.mark.parametrize("pairing", ALL, ids=repr)
def test_pairs_are_a_function_of_seed_and_step_or_of_the_item(pairing: Pairing) -> None:
    pairs = ReadyMade(COLOURED, pairing)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    straight, resumed = Stream(pairs, 4, seed=1), Stream(pairs, 4, seed=1)
    batches = [straight.batch(step) for step in range(5)]
    for step in (4, 2):
        for got, expected in zip(resumed.batch(step), batches[step], strict=True):
            assert torch.equal(got, expected)
    whole, _ = pairs.batch(torch.arange(12))
    few, targets = pairs.batch(torch.tensor([7, 2]))
    assert torch.equal(few, whole[[7, 2]])
    assert torch.equal(targets, COLOURED[[7, 2]])
    assert tuple(whole.shape[1:]) == pairs.shape
    assert torch.equal(torch.get_rng_state(), state)


def test_noise_has_the_deviation_asked_for_on_the_scale_from_0_to_1() -> None:
    images = torch.rand(50, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    noisy, clean = ReadyMade(images, Denoise(0.5)).batch(torch.arange(50))
    noise = (noisy - clean) / 2
    assert abs(float(noise.std()) - 0.5) < 0.005
    assert abs(float(noise.mean())) < 0.01
    assert abs(float((noise**4).mean()) / 0.5**4 - 3) < 0.1  # Gaussian, so nothing was clipped
    other = ReadyMade(images, Denoise(0.5)).batch(torch.arange(50), torch.Generator().manual_seed(1))[0]
    assert abs(float(torch.corrcoef(torch.stack([(other - clean).flatten(), noise.flatten()]))[0, 1])) < 0.02


def test_low_resolution_is_the_mean_of_blocks() -> None:
    small = torch.rand(3, 2, 4, 5, generator=torch.Generator().manual_seed(0)) * 2 - 1
    fine = torch.randn(3, 2, 16, 20, generator=torch.Generator().manual_seed(1))
    fine = fine - torch.nn.functional.avg_pool2d(fine, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)
    blocks = small.repeat_interleave(4, 2).repeat_interleave(4, 3) + fine  # detail that every block's mean loses
    blurred, _ = ReadyMade(blocks, SuperResolve(4)).batch(torch.arange(3))
    expected = torch.nn.functional.interpolate(small, (16, 20), mode="bilinear")
    torch.testing.assert_close(blurred, expected, atol=1e-5, rtol=0)


def test_grey_of_known_colours() -> None:
    primaries = torch.eye(3)[:, :, None, None].expand(3, 3, 4, 4)
    grey, _ = ReadyMade(primaries, Colour()).batch(torch.arange(3))
    torch.testing.assert_close(grey, torch.tensor([0.299, 0.587, 0.114])[:, None, None, None].expand(3, 1, 4, 4))
    with pytest.raises(DataError, match="images of 1 channels have no colours to learn"):
        ReadyMade(torch.zeros(2, 1, 4, 4), Colour())


def test_missing_boxes_are_boxes_of_the_promised_size_anywhere() -> None:
    images = torch.ones(400, 2, 20, 30)
    holed, _ = ReadyMade(images, Inpaint(1, 0.5)).batch(torch.arange(400))
    missing = holed == 0
    assert torch.equal(missing[:, 0], missing[:, 1])
    assert torch.equal(holed[~missing], images[~missing])
    rows, columns = missing[:, 0].any(2), missing[:, 0].any(1)
    assert torch.equal(missing[:, 0], rows[:, :, None] & columns[:, None, :])  # a rectangle
    for stretch, size in ((rows, 20), (columns, 30)):
        assert int((stretch.int().diff(dim=1).abs().sum(1) > 2).sum()) == 0  # without gaps
        lengths = stretch.sum(1)
        assert (int(lengths.min()), int(lengths.max())) == (size // 4 if size == 20 else round(7.5), size // 2)
        assert bool(stretch.any(0).all())  # reaching every row and column, the first and the last included


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Denoise(0.0),
        lambda: SuperResolve(1),
        lambda: Inpaint(0),
        lambda: Inpaint(1, 1.5),
    ],
)
def test_settings_without_sense(wrong: type) -> None:
    with pytest.raises(UsageError, match=r"; it must be a (whole )?number"):
        wrong()


def test_only_images_can_be_spoilt() -> None:
    with pytest.raises(DataError, match="not from items of shape"):
        ReadyMade(TensorSource(torch.zeros(3, 5)), Denoise())
