"""Do good images show one part twice? Looked at after every fit."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, normalize

from hizumi.data import Store
from hizumi.data.photographs import Place
from hizumi.data.splitting import numbers_of_units
from hizumi.data.spread import evenly_spread
from hizumi.shapes import Float, Integer
from hizumi.storage.files import few
from hizumi.training.health import Finding

SIDE = 64  # cells, of a picture in which the details of a part remain
SURROUNDINGS = 5  # cells, across: what is brighter or darker than these is a detail
MOST_COMPARED = 2048  # images; among more, evenly spread ones tell whether likeness is common
RANK = 8  # of the image that says how like each other images of this set are
NEARER = 0.4  # times as far as the one of that rank
NOTABLE_SHARE = 0.05  # of the images; fewer move what is promised by less than chance does
MOST_NAMED = 3
AT_ONCE = 64


def check_likeness(store: Store) -> list[Finding]:
    """A finding where many images have one that is far more like them than others are, as copies have.

    So have images that were scaled or written as JPEG, and photographs of one part; those of other parts that lie
    alike have not. Copies byte by byte, and those of a named group, count as one image already. Items without pixels,
    and frames of a film, are not looked at.
    """
    manifest = store.manifest
    if store.window is None or manifest.motion is not None:
        return []
    some = evenly_spread(len(store), MOST_COMPARED)
    units, places = numbers_of_units(manifest), manifest.places()
    unit = np.array([units[store.kept[index]] for index in some])
    place = [places[store.kept[index]] for index in some]
    pairs = [
        pair for pair in _alike(_details(store, some), unit) if not _of_one_photograph(*(place[at] for at in pair))
    ]
    if len(pairs) < max(2, NOTABLE_SHARE * len(some)):
        return []
    named = [" and ".join(store.name(some[at]) for at in pair) for pair in _each_once(pairs)]
    return [
        Finding(
            "images nearly alike",
            "warning",
            f"{len(pairs)} of {len(some)} good {manifest.noun}s compared look nearly the same as another: "
            f"{few(named, MOST_NAMED)}; if they are copies, or photographs of one part, more good ones may be flagged "
            "than promised, since each counts as a part of its own",
            f"keep one of each, or name what belongs together in a column group of a list of {manifest.noun}s",
        )
    ]


def _details(store: Store, indices: Sequence[int]) -> Float[Tensor, "n d"]:
    """What is brighter or darker than its surroundings in each image, cell by cell."""
    details = []
    for begin in range(0, len(indices), AT_ONCE):
        cells = adaptive_avg_pool2d(store.batch(indices[begin : begin + AT_ONCE]).mean(1, keepdim=True), SIDE)
        around = avg_pool2d(cells, SURROUNDINGS, 1, SURROUNDINGS // 2, count_include_pad=False)
        details.append((cells - around).flatten(1))
    return torch.cat(details)


def _alike(details: Float[Tensor, "n d"], unit: Integer[np.ndarray, "n"]) -> list[tuple[int, int]]:
    """Each image that has one of another unit far nearer than the others are, and that one.

    That all have the same shape, or one has more contrast, does not count.
    """
    if len(np.unique(unit)) <= RANK + 1:
        return []
    unit_length = normalize(details)
    correlation = unit_length @ unit_length.T
    of_unit = torch.from_numpy(unit)
    correlation[of_unit[:, None] == of_unit] = -torch.inf
    highest, nearest = correlation.topk(RANK)
    distance = (2 - 2 * highest.double()).clamp_min(0).sqrt()
    alike = distance[:, 0] < NEARER * distance[:, -1]
    return [(one, int(nearest[one, 0])) for one in alike.nonzero().flatten().tolist()]


def _of_one_photograph(one: Place | None, other: Place | None) -> bool:
    """Whether they are crops of one, which have been told of, and are dealt by their place."""
    return one is not None and other is not None and one.photograph == other.photograph


def _each_once(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return list(dict.fromkeys((min(pair), max(pair)) for pair in pairs))
