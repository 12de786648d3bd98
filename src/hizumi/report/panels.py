"""Pictures of an input: itself, its expected normal, the distortion, and the map on a fixed scale."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
from jaxtyping import Bool, Float, Real, UInt8
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle
from PIL import Image, ImageDraw

from hizumi.calibration import Box, Calibration, Verdict
from hizumi.errors import UsageError
from hizumi.report.borders import border_of
from hizumi.report.content import CLOSE_UP, DISTORTION, EXPECTED, INPUT, MAP, NORMAL, UNKNOWN, ReportContent, Tile
from hizumi.report.generations import picture_file
from hizumi.report.style import DEFECT, GOOD, HEAT, MUTED, new_figure, png, styled
from hizumi.storage.files import printable, write_atomically

BOX_COLOUR = "#3fe0ff"  # far from every colour of the heat scale, also for colour-blind readers
TRUTH_COLOUR = "#7dff6a"  # of the line around a true defect
REGION_COLOUR = "#f5f5f5"  # of the border of the region of interest, on pictures of any colour with a dark rim
BOXES_DRAWN = 12
TILE_PIXELS = 400  # longer side of a picture on a page
SHRUNK = 3  # times, from which on a page shows a close-up, too
CLOSE_PIXELS = 200  # longer side of a close-up, in pixels of the input; the other is half of it or more
OUTLINE = 0.4  # how far the strongest edges of the part lighten its map
EDGES_BELOW = 0.98  # share of the pixels whose gradient is weaker than that of a strongest edge
FAINTEST_EDGE = 8.0  # grey levels a pixel: what is weaker is noise, and not drawn out


def tiles(verdict: Verdict, calibration: Calibration, mask: Bool[np.ndarray, "h w"] | None = None) -> list[Tile]:
    """The available pictures of one input: input, expected normal, distortion, anomaly map.

    The mask of its true defects is drawn as a line on the map, or on the input where there is no map; the border of its
    region of interest on the input. Of a large input comes a close-up, too, with the same lines as its map.
    """
    pictures = {INPUT: verdict.picture, EXPECTED: verdict.normal}
    shapes = [pixels.shape[:2] for pixels in (verdict.picture, verdict.normal) if pixels is not None]
    found = [Tile(name, pixels, shapes[0]) for name, pixels in pictures.items() if pixels is not None]
    if verdict.picture is not None and verdict.normal is not None:
        difference = distortion(verdict.picture, verdict.normal)
        found.append(Tile(DISTORTION, _heat(difference), shapes[0]))
    if (values := verdict.map_over(calibration)) is not None:
        largest = _largest_in_blocks(values, max(1, max(values.shape) // TILE_PIXELS))
        heat = _heat(on_fixed_scale(largest, calibration))
        if verdict.picture is not None:
            heat = outlined(heat, verdict.picture)
        found.append(Tile(MAP, heat, values.shape, verdict.boxes[:BOXES_DRAWN]))
    if verdict.inside is not None and verdict.picture is not None:
        found[0] = replace(found[0], region=border_of(verdict.inside, found[0].size))
    if mask is not None and mask.any() and found:
        place = -1 if verdict.map is not None else 0
        found[place] = replace(found[place], truth=border_of(mask, found[place].size))
    if verdict.map is not None and verdict.picture is not None and max(verdict.map.shape) > SHRUNK * TILE_PIXELS:
        found.append(_close_up(verdict.picture, verdict.map, verdict.boxes[:BOXES_DRAWN], mask))
    return found


def _close_up(
    picture: UInt8[np.ndarray, "h w 3"],
    map_: Real[np.ndarray, "h w"],
    boxes: Sequence[Box],
    mask: Bool[np.ndarray, "h w"] | None,
) -> Tile:
    """An input's own pixels around the highest value of its map: of a large one, a page hides what is small."""
    highest = np.unravel_index(int(map_.argmax()), map_.shape)
    in_shape = (max(CLOSE_PIXELS // 2, round(CLOSE_PIXELS * side / max(map_.shape))) for side in map_.shape)
    size = height, width = tuple(map(min, map_.shape, in_shape))
    corner = np.clip(np.subtract(highest, np.floor_divide(size, 2)), 0, np.subtract(map_.shape, size))
    top, left = corner.tolist()
    part = np.s_[top : top + height, left : left + width]
    truth = border_of(mask[part], (height, width)) if mask is not None and mask[part].any() else None
    moved = tuple(replace(box, left=box.left - left, top=box.top - top) for box in boxes)
    return Tile(CLOSE_UP, picture[part], (height, width), moved, truth)


def _largest_in_blocks(values: Real[np.ndarray, "h w"], side: int) -> Real[np.ndarray, "rows columns"]:
    """The largest value of each square: a mean would hide what is small."""
    rows, columns = (np.arange(0, length, side) for length in values.shape)
    return np.asarray(np.maximum.reduceat(np.maximum.reduceat(values, rows, axis=0), columns, axis=1))


def tiles_of(content: ReportContent, place: int) -> Sequence[Tile]:
    """The available pictures of one input of a report."""
    if place in content.cases:
        return content.cases[place]
    return tiles(content.verdicts[place], content.calibration, content.mask(place))


def thumbnail(pixels: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h2 w2 3"]:
    """A picture no larger than a page shows it."""
    image = Image.fromarray(pixels)
    image.thumbnail((TILE_PIXELS, TILE_PIXELS), Image.Resampling.LANCZOS)
    return np.asarray(image)


def on_fixed_scale(values: Real[np.ndarray, "h w"], calibration: Calibration) -> Float[np.ndarray, "h w"]:
    """A map in [0, 1] on the scale of the calibration's good inputs, so that a good part stays dark.

    Without maps in the calibration there is no such scale, and each map is spread over its own range.
    """
    low, high = calibration.map_range or (float(np.nanmin(values)), float(np.nanmax(values)))
    scaled = (values.astype(np.float64) - low) / max(high - low, np.finfo(np.float64).tiny)
    return np.clip(np.nan_to_num(scaled, nan=1.0), 0.0, 1.0)


def distortion(
    picture: UInt8[np.ndarray, "h w 3"], normal: UInt8[np.ndarray, "normal_h normal_w 3"]
) -> Float[np.ndarray, "out_h out_w"]:
    """|input - normal| in [0, 1], averaged over the colours, at the smaller of the two sizes.

    1 is half of the input's own contrast, so that the scale does not depend on the size of the distortion. What the
    detector expects has its working size, to which the input is scaled as it was for the detector: against the sharp
    input, every edge would look distorted.
    """
    width = min(picture.shape[1], normal.shape[1])
    height = min(picture.shape[0], normal.shape[0])
    first, second = (
        _resized(pixels, width, height, Image.Resampling.BILINEAR).astype(np.float64) for pixels in (picture, normal)
    )
    contrast = float(np.subtract(*np.quantile(first, [0.995, 0.005])))
    return np.asarray(np.clip(np.abs(first - second).mean(axis=2) / max(contrast / 2, 8.0), 0.0, 1.0))


def outlined(heat: UInt8[np.ndarray, "h w 3"], picture: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """A map's colours, lightened where the picture has its edges, so that the map's places can be told."""
    grey = _resized(picture, heat.shape[1], heat.shape[0]).mean(axis=2)
    edges = np.hypot(*np.gradient(grey)) if min(grey.shape) > 1 else np.zeros_like(grey)
    strength = np.clip(edges / max(float(np.quantile(edges, EDGES_BELOW)), FAINTEST_EDGE), 0, 1)[..., None]
    return np.asarray((heat + OUTLINE * strength * (255.0 - heat)).round().astype(np.uint8))


@styled
def inspection_panel(verdict: Verdict, calibration: Calibration) -> bytes:
    """PNG of one input's pictures side by side, under the verdict in words."""
    found = tiles(verdict, calibration)
    if not found:
        raise UsageError(f"{verdict.name}: nothing to draw, neither a picture nor a map; read its score instead")
    height, width = found[0].size
    figure = new_figure(2.3 * len(found), 2.3 * min(max(height / width, 0.3), 2.5) + 0.6)
    for axes, tile in zip(figure.subplots(1, len(found), squeeze=False).flat, found, strict=True):
        _show(axes, tile)
        axes.set_title(tile.caption, fontsize=9, color=MUTED, loc="center")
    judgement, sign, colour = ("alarm", ">", DEFECT) if verdict.anomalous else ("no alarm", "≤", GOOD)
    words = f"{judgement}: score {verdict.score:.4g} {sign} {verdict.threshold:.4g}, p = {verdict.p_value:.2g}"
    figure.suptitle(words, x=0.01, ha="left", fontsize=10.5, color=colour)
    return png(figure)


@styled
def overview(content: ReportContent) -> bytes | None:
    """A contact sheet of one typical good image and the clearest of each kind of defect; None without labels.

    They are chosen among the images that have pictures.
    """
    by_kind: dict[str, list[int]] = {}
    for place, label in enumerate(content.labels.tolist()):
        if label != UNKNOWN and (place in content.cases or content.verdicts[place].picture is not None):
            by_kind.setdefault("good part" if label == NORMAL else content.kinds[place], []).append(place)

    def score(place: int) -> float:
        return content.verdicts[place].score

    chosen = {kind: sorted(places, key=score) for kind, places in by_kind.items()}
    good = chosen.pop("good part", [])
    quiet = [place for place in good if not content.verdicts[place].anomalous] or good
    columns = {"good part": quiet[len(quiet) // 2]} if quiet else {}
    columns |= {kind: places[-1] for kind, places in sorted(chosen.items(), key=lambda item: -score(item[1][-1]))}
    if not columns:
        return None
    shown = [tiles_of(content, place) for place in columns.values()]
    return _sheet([content.verdicts[place] for place in columns.values()], shown, [*columns])


def contact_sheet(
    verdicts: Sequence[Verdict],
    calibration: Calibration,
    captions: Sequence[str] = (),
    masks: Sequence[Bool[np.ndarray, "_ _"] | None] = (),
) -> bytes:
    """PNG with one column for each input: its pictures from top to bottom, a caption above, the verdict below.

    `masks` are those of true defects, whose borders are drawn.
    """
    truths = masks or [None] * len(verdicts)
    columns = [tiles(verdict, calibration, mask) for verdict, mask in zip(verdicts, truths, strict=True)]
    return _sheet(verdicts, columns, captions)


@styled
def _sheet(verdicts: Sequence[Verdict], columns: Sequence[Sequence[Tile]], captions: Sequence[str]) -> bytes:
    rows = list(dict.fromkeys(tile.caption for column in columns for tile in column))
    if not rows:
        raise UsageError("contact sheet: no input has a picture or a map; give verdicts of images")
    aspect = float(np.median([tile.size[0] / tile.size[1] for column in columns for tile in column]))
    figure = new_figure(1.55 * len(columns) + 0.3, 1.55 * min(max(aspect, 0.3), 2.5) * len(rows) + 0.6, gap=0.03)
    grid = figure.subplots(len(rows), len(columns), squeeze=False)
    for column, (verdict, found) in enumerate(zip(verdicts, columns, strict=True)):
        _show_column(grid[:, column], rows, found, is_first=column == 0)
        if captions:
            grid[0, column].set_title(printable(captions[column]), fontsize=10, loc="center", parse_math=False)
        grid[-1, column].set_xlabel(
            f"{'alarm' if verdict.anomalous else 'no alarm'}, p = {verdict.p_value:.2g}",
            fontsize=9,
            color=DEFECT if verdict.anomalous else GOOD,
        )
    return png(figure)


def _show_column(column: np.ndarray, rows: Sequence[str], found: Sequence[Tile], *, is_first: bool) -> None:
    by_caption = {tile.caption: tile for tile in found}
    for axes, caption in zip(column, rows, strict=True):
        if caption in by_caption:
            _show(axes, by_caption[caption])
        else:
            axes.set_axis_off()
        if is_first:
            axes.set_ylabel(caption.replace(" ", "\n"), fontsize=9.5, color=MUTED)
            axes.yaxis.set_visible(True)


def save_map(verdict: Verdict, calibration: Calibration, path: Path) -> Path:
    """Write the map as heat over the grey input, at the input's size, with its boxes, as PNG."""
    values = verdict.map_over(calibration)
    if values is None:
        raise UsageError(f"{verdict.name}: this detector gives no map; choose one that localises (see `hizumi list`)")
    height, width = values.shape
    share = on_fixed_scale(values, calibration)[..., None]
    grey = np.zeros((height, width, 1))
    if verdict.picture is not None:
        grey = _resized(verdict.picture, width, height).mean(axis=2, keepdims=True)
    blended = (1 - share) * grey + share * _heat(share[..., 0])
    image = Image.fromarray(blended.round().astype(np.uint8))
    line_pixels = max(1, round(min(height, width) / 250))
    pencil = ImageDraw.Draw(image)
    for box in verdict.boxes:
        corner = (box.left + box.width - 1, box.top + box.height - 1)
        pencil.rectangle(((box.left, box.top), corner), outline=BOX_COLOUR, width=line_pixels)
    write_atomically(path, picture_file(np.asarray(image)))
    return path


def _show(axes: Axes, tile: Tile) -> None:
    height, width = tile.size
    small = max(tile.pixels.shape[:2]) < 100
    axes.imshow(
        tile.pixels,
        extent=(-0.5, width - 0.5, height - 0.5, -0.5),
        interpolation="bicubic" if small else "antialiased",
        aspect="equal",
    )
    for box in tile.boxes:
        axes.add_patch(
            Rectangle((box.left - 0.5, box.top - 0.5), box.width, box.height, fill=False, color=BOX_COLOUR, linewidth=1)
        )
    if tile.truth is not None:
        axes.add_collection(LineCollection(list(tile.truth - 0.5), colors=TRUTH_COLOUR, linewidths=1))
    if tile.region is not None:
        for colour, line_width in (("black", 2.0), (REGION_COLOUR, 0.8)):
            axes.add_collection(LineCollection(list(tile.region - 0.5), colors=colour, linewidths=line_width))
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _heat(share: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    return np.asarray(mpl.colormaps[HEAT](share, bytes=True)[..., :3])


def _resized(
    pixels: UInt8[np.ndarray, "h w 3"], width: int, height: int, how: Image.Resampling = Image.Resampling.LANCZOS
) -> UInt8[np.ndarray, "out_h out_w 3"]:
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), how))
