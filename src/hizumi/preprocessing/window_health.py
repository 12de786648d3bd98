"""Does the window of pixel values suit the images? Looked at after every fit."""

from hizumi.data import Store, Window
from hizumi.data.levels import Levels
from hizumi.preprocessing.choosing import levels_of
from hizumi.storage.files import few
from hizumi.training.health import Finding

USED_SHARE = 1 / 8  # of the window; 12 bits in 16 use a sixteenth, 14 bits a quarter
USED_SHARE_OF_CHANNEL = 1 / 32  # where others use more: 8 levels of 256
MOST_NAMED = 8  # channels


def check_window(store: Store) -> list[Finding]:
    """Findings on values that most pixels do not use, with the option that leaves them out."""
    window = store.window if store.manifest.motion is None else store.manifest.motion.window
    levels = None if window is None else levels_of(store.manifest, window.dtype, store.alignment, store.region)
    if window is None or levels is None or levels.lowest == levels.highest:
        return []
    used = (levels.high - levels.low) / (window.high - window.low)
    if levels.far_share and (used < USED_SHARE or _far_outside(levels, window)):
        return [_far_values(levels, used)]
    inside = min(levels.high, window.high) - max(levels.low, window.low)
    if inside < (levels.high - levels.low) / 2:
        return [_mostly_outside(levels, window)]
    if used >= USED_SHARE:
        return _flat_channels(levels, window)
    return [
        Finding(
            "narrow use of the window",
            "problem",
            f"pixels lie from {_plain(levels.low)} to {_plain(levels.high)}, {used:.1%} of the window from "
            f"{_plain(window.low)} to {_plain(window.high)}, so that all images are nearly one flat grey",
            f"fit again with --window auto, or with {_window_option(levels)}",
        )
    ]


def _mostly_outside(levels: Levels, window: Window) -> Finding:
    return Finding(
        "outside of the window",
        "problem",
        f"pixels lie from {_plain(levels.low)} to {_plain(levels.high)}, most of that outside of the window from "
        f"{_plain(window.low)} to {_plain(window.high)}, where they are expected",
        f"fit again with --window auto, or with {_window_option(levels)}",
    )


def _flat_channels(levels: Levels, window: Window) -> list[Finding]:
    """A finding where some channels vary, and by next to nothing beside others: one window is for all of them."""
    shares = [(high - low) / (window.high - window.low) for low, high in levels.of_channels]
    flat = [number for number, share in enumerate(shares, 1) if 0 < share < USED_SHARE_OF_CHANNEL]
    if not flat:
        return []
    most = max(shares[number - 1] for number in flat)
    return [
        Finding(
            "nearly flat channels",
            "problem",
            f"of {len(shares)} channels, {few(flat, MOST_NAMED)} use at most {most:.1%} of the window from "
            f"{_plain(window.low)} to {_plain(window.high)}, so that hardly anything is seen of them beside the others",
            "scale channels before the fit, so that all use about the same range of values",
        )
    ]


def _far_values(levels: Levels, used: float) -> Finding:
    if levels.nodata is None:
        farthest = levels.lowest if levels.low - levels.lowest > levels.highest - levels.high else levels.highest
        said, remedy = f"some as far as {_plain(farthest)}", f"fit again with {_window_option(levels)}"
    else:
        said = f"many images share the far value {_plain(levels.nodata)}, which may stand for no measurement"
        remedy = f"fit again with --nodata={_plain(levels.nodata)} where it does, else with {_window_option(levels)}"
    return Finding(
        "far values",
        "problem",
        f"pixels lie from {_plain(levels.low)} to {_plain(levels.high)} ({used:.1%} of the window) but for "
        f"{levels.far_share:.2%} of them: {said}",
        remedy,
    )


def _far_outside(levels: Levels, window: Window) -> bool:
    """Whether values lie farther outside the window than it is wide."""
    width = window.high - window.low
    return levels.lowest < window.low - width or levels.highest > window.high + width


def _window_option(levels: Levels) -> str:
    low, high = levels.window()
    return f"--window={_plain(low)},{_plain(high)}"


def _plain(value: float) -> str:
    return f"{value:.6g}"
