"""From files, folders, tables and arrays to batches: manifest, decoding, sizing, splits, and the store of pixels."""

import typing as _typing

from hizumi.lazy import lazily as _lazily

if _typing.TYPE_CHECKING:
    from hizumi.data.builtin_sets import BUILTIN_NAMES as BUILTIN_NAMES
    from hizumi.data.builtin_sets import builtin as builtin
    from hizumi.data.decoding import IMAGE_SUFFIXES as IMAGE_SUFFIXES
    from hizumi.data.decoding import decode as decode
    from hizumi.data.images import Decoded as Decoded
    from hizumi.data.images import Window as Window
    from hizumi.data.images import match_channels as match_channels
    from hizumi.data.images import prepare as prepare
    from hizumi.data.manifest import Failure as Failure
    from hizumi.data.manifest import Manifest as Manifest
    from hizumi.data.manifest import Record as Record
    from hizumi.data.motion import Motion as Motion
    from hizumi.data.pairs import PAIRINGS as PAIRINGS
    from hizumi.data.pairs import Colour as Colour
    from hizumi.data.pairs import Denoise as Denoise
    from hizumi.data.pairs import Inpaint as Inpaint
    from hizumi.data.pairs import Pairing as Pairing
    from hizumi.data.pairs import ReadyMade as ReadyMade
    from hizumi.data.pairs import SideBySide as SideBySide
    from hizumi.data.pairs import SuperResolve as SuperResolve
    from hizumi.data.pairs import Unpaired as Unpaired
    from hizumi.data.pairs import paired as paired
    from hizumi.data.sizing import Sizing as Sizing
    from hizumi.data.source import open_source as open_source
    from hizumi.data.splitting import check_disjoint as check_disjoint
    from hizumi.data.splitting import deal_folds as deal_folds
    from hizumi.data.splitting import split as split
    from hizumi.data.store import Store as Store

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
__all__ = __dir__()
