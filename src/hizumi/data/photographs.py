"""Pictures that are crops of one photograph, found by the pixels that they share, and where each lies in it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hizumi.data.spread import evenly_spread
from hizumi.errors import DataError
from hizumi.shapes import Bool, Integer, Shaped

if TYPE_CHECKING:
    from hizumi.data.manifest import Manifest

BLOCK = 8  # pixels, the side of what is compared
SMALLEST = 24  # pixels, the side of a picture in which enough blocks find room
ANCHORS = 500  # of a picture, about; fewer where so many pictures would fill the memory
ANCHORS_IN_ALL = 5_000_000
FEWEST_ANCHORS = 5  # that two pictures must share
SAMPLE, SAMPLED_PIXELS = 64, 4 * 2**20  # what is looked at before all are
_MULTIPLIERS = (3935559000370003845, 6364136223846793005, 2862933555777941757)  # of channels, columns and rows
_WEIGHTS = np.multiply.accumulate(np.repeat(np.array(_MULTIPLIERS, dtype=np.uint64)[:, None], BLOCK, axis=1), axis=1)


class Place(NamedTuple):
    """Where a picture lies: the number of a photograph, and a rectangle in pixels, counted from any one point of it."""

    photograph: int
    top: int
    left: int
    height: int
    width: int

    def moved(self, photograph: int, down: int, right: int) -> "Place":
        """The same rectangle in another count."""
        return Place(photograph, self.top + down, self.left + right, self.height, self.width)


class _Anchors(NamedTuple):
    """Blocks of some pictures, chosen by what they hold and so alike wherever they lie: picture, corner and content.

    A block that a picture holds twice is left out of all of them, as it tells no place.
    """

    picture: Integer[np.ndarray, "n"]
    top: Integer[np.ndarray, "n"]
    left: Integer[np.ndarray, "n"]
    content: Integer[np.ndarray, "n"]


def located(manifest: "Manifest", indices: Sequence[int]) -> dict[int, Place]:
    """Places of those of the records that show parts of a photograph that others show, too, pixel by pixel.

    Crops that were scaled, turned, or written as JPEG share no pixels and are not found. A sample is looked at first:
    where no two pictures in it overlap, no more are read. Records that cannot be read have no place.
    """
    half = SAMPLE // 2
    spread = evenly_spread(len(indices), half)
    sample = [place for pair in zip(range(half), spread, strict=False) for place in pair]
    some = dict.fromkeys(indices[place] for place in sample if place < len(indices))
    if not _places(_limited(_read(manifest, some), SAMPLED_PIXELS), len(some)):
        return {}
    return _places(_read(manifest, indices), len(indices))


def overlapping(places: Sequence[Place | None], some: Iterable[int]) -> Bool[np.ndarray, "n"]:
    """Which places share pixels with some of them, which do with themselves; what has no place shares none."""
    found = np.zeros(len(places), dtype=bool)
    in_photograph: dict[int, list[int]] = {}
    for index, place in enumerate(places):
        if place is not None:
            in_photograph.setdefault(place.photograph, []).append(index)
    chosen = set(some)
    for those in in_photograph.values():
        _, top, left, height, width = np.array([places[index] for index in those]).T
        for at in (at for at, index in enumerate(those) if index in chosen):
            found[those] |= (
                (top < top[at] + height[at])
                & (top[at] < top + height)
                & (left < left[at] + width[at])
                & (left[at] < left + width)
            )
    return found


def strips(places: Sequence[Place | None], most: int) -> list[list[int]]:
    """Indices in runs of at most so many different places, side by side along the longer side of their photograph."""
    at: dict[Place, list[int]] = {}
    for index, place in enumerate(places):
        if place is not None:
            at.setdefault(place, []).append(index)
    in_photograph: dict[int, list[Place]] = {}
    for place in at:
        in_photograph.setdefault(place.photograph, []).append(place)
    runs = []
    for those in in_photograph.values():
        _, top, left, height, width = np.array(those).T
        middles = np.stack([2 * top + height, 2 * left + width])
        order = np.argsort(middles[np.argmax(np.ptp(middles, axis=1))], kind="stable")
        parts = np.array_split(order, -(-len(those) // most))
        runs += [[index for place in part for index in at[those[place]]] for part in parts]
    return runs


def _read(manifest: "Manifest", indices: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
    for index in indices:
        try:
            yield index, manifest.read_still(index).pixels
        except DataError:  # it is named where it is read to be learned from
            continue


def _limited(pictures: Iterable[tuple[int, np.ndarray]], pixels: int) -> Iterator[tuple[int, np.ndarray]]:
    for picture in pictures:
        yield picture
        pixels -= picture[1].shape[0] * picture[1].shape[1]
        if pixels <= 0:
            return


def _places(pictures: Iterable[tuple[int, np.ndarray]], count: int) -> dict[int, Place]:
    wanted = min(ANCHORS, ANCHORS_IN_ALL // max(1, count))
    names: list[int] = []
    sizes: list[tuple[int, int]] = []
    found, share = [], 0.0
    for name, pixels in pictures:
        if min(pixels.shape[:2]) < SMALLEST:
            continue
        share = share or wanted / (pixels.shape[0] * pixels.shape[1])  # one for all, as one block is in all or none
        top, left, content = _blocks(pixels, share)
        found.append((np.full(len(top), len(names)), top, left, content))
        names.append(name)
        sizes.append((pixels.shape[0], pixels.shape[1]))
    if len(names) < 2:
        return {}
    anchors = _telling(_Anchors(*map(np.concatenate, zip(*found, strict=True))))
    of_each = _of_each(anchors, len(sizes))
    places = [Place(number, 0, 0, *size) for number, size in enumerate(sizes)]
    members = {number: [number] for number in range(len(sizes))}
    for first, second, down, right in _candidates(anchors):
        one, other = places[first], places[second]
        if one.photograph == other.photograph or not _same_pixels(of_each, first, second, down, right, sizes):
            continue
        shift = (one.top + down - other.top, one.left + right - other.left)
        for each in members.pop(other.photograph):
            places[each] = places[each].moved(one.photograph, *shift)
            members[one.photograph].append(each)
    numbers = [number for number, those in members.items() if len(those) > 1]
    return {names[each]: places[each] for number in numbers for each in sorted(members[number])}


def _blocks(
    pixels: Shaped[np.ndarray, "h w c"], share: float
) -> tuple[Integer[np.ndarray, "n"], Integer[np.ndarray, "n"], Integer[np.ndarray, "n"]]:
    """Top, left and a hash of the content of about this share of all blocks: those whose hash is low."""
    values = pixels.view(np.uint32) if pixels.dtype.kind == "f" else pixels
    height, width = (side - BLOCK + 1 for side in values.shape[:2])
    hashed = np.zeros(values.shape[:2], dtype=np.uint64)
    for channel in range(values.shape[2]):
        hashed = (hashed + values[:, :, channel]) * _WEIGHTS[0, channel % BLOCK]
    rows = sum(hashed[:, place : place + width] * _WEIGHTS[1, place] for place in range(BLOCK))
    blocks = sum(rows[place : place + height] * _WEIGHTS[2, place] for place in range(BLOCK))
    blocks = (blocks ^ (blocks >> np.uint64(32))) * _WEIGHTS[0, 0]  # so that high digits depend on all others
    top, left = np.nonzero(blocks < np.uint64(min(share, 1 - 2**-10) * 2.0**64))
    return top, left, blocks[top, left]


def _telling(anchors: _Anchors) -> _Anchors:
    """Without those whose content is more than once in one picture, ordered by content."""
    order = np.lexsort((anchors.picture, anchors.content))
    picture, content = anchors.picture[order], anchors.content[order]
    twice = content[1:][(content[1:] == content[:-1]) & (picture[1:] == picture[:-1])]
    kept = order[~np.isin(content, twice)]
    return _Anchors(anchors.picture[kept], anchors.top[kept], anchors.left[kept], anchors.content[kept])


def _of_each(anchors: _Anchors, count: int) -> list[_Anchors]:
    """Those of each picture, in their order."""
    order = np.argsort(anchors.picture, kind="stable")
    begins = np.searchsorted(anchors.picture[order], np.arange(1, count))
    columns = (np.split(column[order], begins) for column in anchors)
    return [_Anchors(*own) for own in zip(*columns, strict=True)]


def _candidates(anchors: _Anchors) -> list[list[int]]:
    """Pairs of pictures, and how far down and right the second lies of the first by several of their anchors."""
    same = np.flatnonzero(anchors.content[1:] == anchors.content[:-1])
    one, other = same, same + 1
    columns = (
        anchors.picture[one],
        anchors.picture[other],
        anchors.top[one] - anchors.top[other],
        anchors.left[one] - anchors.left[other],
    )
    found, votes = np.unique(np.stack(columns, axis=1), axis=0, return_counts=True)
    kept = found[votes >= FEWEST_ANCHORS]
    pairs: list[list[int]] = kept[np.argsort(-votes[votes >= FEWEST_ANCHORS], kind="stable")].tolist()
    return pairs


def _same_pixels(
    of_each: Sequence[_Anchors], first: int, second: int, down: int, right: int, sizes: Sequence[tuple[int, int]]
) -> bool:
    """Whether all anchors of two pictures where these overlap are those of the other, too."""
    top, left = max(0, down), max(0, right)
    bottom = min(sizes[first][0], down + sizes[second][0]) - BLOCK
    end = min(sizes[first][1], right + sizes[second][1]) - BLOCK
    shared = []
    for picture, (lower, farther) in ((first, (0, 0)), (second, (down, right))):
        own = of_each[picture]
        rows, columns = own.top + lower, own.left + farther
        inside = (rows >= top) & (rows <= bottom) & (columns >= left) & (columns <= end)
        shared.append(np.stack([rows[inside], columns[inside], own.content[inside].view(np.int64)]))
    return shared[0].shape == shared[1].shape and bool((shared[0] == shared[1]).all())
