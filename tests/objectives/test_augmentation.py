"""Changes to what a discriminator sees, each against what it should have done, found by brute force."""

import torch

from hizumi.objectives import augmented


def pictures(count: int = 6, channels: int = 3, height: int = 16, width: int = 24) -> torch.Tensor:
    return torch.rand(count, channels, height, width, generator=torch.Generator().manual_seed(1)).double() * 2 - 1


def test_moved_by_at_most_an_eighth_and_filled_with_zeros() -> None:
    torch.manual_seed(0)
    images = pictures(40)
    moved = augmented(images, ["translation"])
    found = set()
    for image, its in zip(images, moved, strict=True):
        matches = [
            (down, right) for down in range(-4, 5) for right in range(-5, 6) if _is_moved(image, its, down, right)
        ]
        assert len(matches) == 1
        found |= set(matches)
    downs, rights = ({place[axis] for place in found} for axis in (0, 1))
    assert (min(downs), max(downs), min(rights), max(rights)) == (-2, 2, -3, 3)


def _is_moved(image: torch.Tensor, moved: torch.Tensor, down: int, right: int) -> bool:
    rows, columns = (torch.arange(side) + by for side, by in zip(image.shape[1:], (down, right), strict=True))
    inside = ((rows >= 0) & (rows < image.shape[1]))[:, None] & ((columns >= 0) & (columns < image.shape[2]))
    taken = image[:, rows.clamp(0, image.shape[1] - 1)][:, :, columns.clamp(0, image.shape[2] - 1)]
    return torch.equal(torch.where(inside, taken, 0.0), moved)


def test_a_rectangle_of_half_of_either_side_is_cut_out_and_nothing_else_changes() -> None:
    torch.manual_seed(0)
    images = pictures(200)
    cut = augmented(images, ["cutout"])
    for image, its in zip(images, cut, strict=True):
        gone = (its == 0).all(0)
        rows, columns = gone.any(1), gone.any(0)
        assert torch.equal(gone, rows[:, None] & columns)
        assert int(rows.sum()) <= 8
        assert int(columns.sum()) <= 12
        assert torch.equal(its[:, ~gone], image[:, ~gone])
    sizes = (cut == 0).all(1).sum((1, 2))
    assert int(sizes.max()) == 8 * 12


def test_of_a_window_half_of_the_time_is_cut_out_in_all_channels() -> None:
    torch.manual_seed(0)
    windows = pictures(100, 2, 1, 24)
    gone = augmented(windows, ["cutout"])[:, :, 0] == 0
    assert torch.equal(gone[:, 0], gone[:, 1])
    lengths = gone[:, 0].sum(1)
    assert (int(lengths.min()), int(lengths.max())) == (6, 12)  # its centre may be a window's end
    assert all(bool((row.diff() != 0).sum() <= 2) for row in gone[:, 0].int())


def test_colour_changes_brightness_saturation_and_contrast_alone() -> None:
    torch.manual_seed(0)
    images = pictures(300)
    changed = augmented(images, ["colour"])
    grey, its_grey = images.mean(1, keepdim=True), changed.mean(1, keepdim=True)
    # Contrast is what deviations of grey from its mean are multiplied by, saturation times contrast those of colours.
    contrast = (its_grey - its_grey.mean((2, 3), keepdim=True)) / (grey - grey.mean((2, 3), keepdim=True))
    colourfulness = (changed - its_grey) / (images - grey)
    brightness = (its_grey - grey).mean((1, 2, 3))
    for ratio in (contrast, colourfulness):
        flat = ratio.flatten(1)
        torch.testing.assert_close(flat, flat[:, :1].expand_as(flat), rtol=1e-6, atol=1e-6)
    contrast, saturation = contrast[:, 0, 0, 0], colourfulness[:, 0, 0, 0] / contrast[:, 0, 0, 0]
    for values, low, high in ((contrast, 0.5, 1.5), (saturation, 0.0, 2.0), (brightness, -0.5, 0.5)):
        assert low <= float(values.min()) < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < float(values.max()) <= high


def test_gradients_flow_through_all_of_them() -> None:
    images = pictures(2, 3, 8, 8).requires_grad_()

    def changed(images: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(0)
        return augmented(images, ["colour", "translation", "cutout"])

    assert torch.autograd.gradcheck(changed, images)


def test_without_changes_images_are_as_they_were() -> None:
    images = pictures()
    assert augmented(images, []) is images
