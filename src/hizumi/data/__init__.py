"""From files, folders, tables and arrays to batches: manifest, decoding, sizing, splits, and the store of pixels."""

import typing as _typing

from hizumi.lazy import lazily as _lazily

if _typing.TYPE_CHECKING:
    from hizumi.data.builtin_sets import BUILTIN_NAMES, builtin
    from hizumi.data.decoding import IMAGE_SUFFIXES, decode
    from hizumi.data.images import Decoded, Window, match_channels, prepare
    from hizumi.data.manifest import Failure, Manifest, Record
    from hizumi.data.motion import Motion
    from hizumi.data.pairs import (
        PAIRINGS,
        Colour,
        Denoise,
        Inpaint,
        Pairing,
        ReadyMade,
        SideBySide,
        SuperResolve,
        Unpaired,
        paired,
    )
    from hizumi.data.sizing import Sizing
    from hizumi.data.source import open_source
    from hizumi.data.splitting import check_disjoint, deal_folds, split
    from hizumi.data.store import Store

__getattr__, __dir__ = _lazily(
    __name__,
    {
        "builtin_sets": ["BUILTIN_NAMES", "builtin"],
        "decoding": ["IMAGE_SUFFIXES", "decode"],
        "images": ["Decoded", "Window", "match_channels", "prepare"],
        "manifest": ["Failure", "Manifest", "Record"],
        "motion": ["Motion"],
        "pairs": [
            "PAIRINGS",
            "Colour",
            "Denoise",
            "Inpaint",
            "Pairing",
            "ReadyMade",
            "SideBySide",
            "SuperResolve",
            "Unpaired",
            "paired",
        ],
        "sizing": ["Sizing"],
        "source": ["open_source"],
        "splitting": ["check_disjoint", "deal_folds", "split"],
        "store": ["Store"],
    },
)

__all__ = [
    "BUILTIN_NAMES",
    "IMAGE_SUFFIXES",
    "PAIRINGS",
    "Colour",
    "Decoded",
    "Denoise",
    "Failure",
    "Inpaint",
    "Manifest",
    "Motion",
    "Pairing",
    "ReadyMade",
    "Record",
    "SideBySide",
    "Sizing",
    "Store",
    "SuperResolve",
    "Unpaired",
    "Window",
    "builtin",
    "check_disjoint",
    "deal_folds",
    "decode",
    "match_channels",
    "open_source",
    "paired",
    "prepare",
    "split",
]
