"""From files, folders, tables and arrays to batches: manifest, decoding, sizing, splits, and the store of pixels."""

import typing as _typing

from hizumi.lazy import lazily as _lazily

if _typing.TYPE_CHECKING:
    from hizumi.data.builtin_sets import builtin as builtin
    from hizumi.data.decoding import IMAGE_SUFFIXES as IMAGE_SUFFIXES, decode as decode
    from hizumi.data.images import (
        Decoded as Decoded,
        Window as Window,
        match_channels as match_channels,
        prepare as prepare,
    )
    from hizumi.data.manifest import Failure as Failure, Manifest as Manifest, Record as Record
    from hizumi.data.motion import Motion as Motion
    from hizumi.data.pairs import (
        PAIRINGS as PAIRINGS,
        Colour as Colour,
        Denoise as Denoise,
        Inpaint as Inpaint,
        Pairing as Pairing,
        ReadyMade as ReadyMade,
        SideBySide as SideBySide,
        SuperResolve as SuperResolve,
        Unpaired as Unpaired,
        paired as paired,
    )
    from hizumi.data.places import BUILTIN_NAMES as BUILTIN_NAMES
    from hizumi.data.sizing import Sizing as Sizing
    from hizumi.data.source import open_source as open_source
    from hizumi.data.splitting import check_disjoint as check_disjoint, deal_folds as deal_folds, split as split
    from hizumi.data.store import Store as Store

__getattr__, __dir__ = _lazily(
    __name__,
    {
        "builtin_sets": ["builtin"],
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
        "places": ["BUILTIN_NAMES"],
        "sizing": ["Sizing"],
        "source": ["open_source"],
        "splitting": ["check_disjoint", "deal_folds", "split"],
        "store": ["Store"],
    },
)
__all__ = __dir__()
