"""Does the window of pixel values suit the images? Looked at after every fit."""

from collections.abc import Iterable

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
    if window is None or levels is None:
        return []
    if not window.of_channels:
        finding = _check(levels, window.low, window.high, "pixels", _window_option([levels.window()]))
        return _flat_channels(levels, window) if finding is None else [finding]
    if len(levels.of_channels) != len(window.of_channels):
        return []
    option, findings = _window_option([part.window() for part in levels.of_channels]), []
    for channel, (part, (low, high)) in enumerate(zip(levels.of_channels, window.of_channels, strict=True), 1):
        findings.append(_check(part, low, high, f"pixels of channel {channel}", option))
    return [finding for finding in findings if finding is not None][:MOST_NAMED]


def _check(levels: Levels, low: float, high: float, which: str, option: str) -> Finding | None:
    """A finding on the values of all pixels, or of those of one channel, within their window."""
    if levels.lowest == levels.highest:
        return None
    used, lie = (levels.high - levels.low) / (high - low), f"{which} lie {_range(levels.low, levels.high)}"
    far_outside = levels.lowest < low - (high - low) or levels.highest > high + (high - low)
    if levels.far_share and (used < USED_SHARE or far_outside):
        return _far_values(levels, f"{lie} ({used:.1%} of the window)", option)
    if min(levels.high, high) - max(levels.low, low) < (levels.high - levels.low) / 2:
        return Finding(
            "outside of the window",
            "problem",
            f"{lie}, most of that outside of the window {_range(low, high)}, where they are expected",
            f"fit again with --window auto, or with {option}",
        )
    if used >= USED_SHARE:
        return None
    return Finding(
        "narrow use of the window",
        "problem",
        f"{lie}, {used:.1%} of the window {_range(low, high)}, so that all images are nearly one flat grey",
        f"fit again with --window auto, or with {option}",
    )


def _flat_channels(levels: Levels, window: Window) -> list[Finding]:
    """A finding where some channels vary, and by next to nothing beside others, whose window they have."""
    shares = [(part.high - part.low) / (window.high - window.low) for part in levels.of_channels]
    flat = [number for number, share in enumerate(shares, 1) if 0 < share < USED_SHARE_OF_CHANNEL]
    if not flat:
        return []
    most = max(shares[number - 1] for number in flat)
    return [
        Finding(
            "nearly flat channels",
            "problem",
            f"of {len(shares)} channels, {few(flat, MOST_NAMED)} use at most {most:.1%} of the window "
            f"{_range(window.low, window.high)}, so that hardly anything is seen of them beside the others",
            "where channels measure different things, give each a range of its own: fit again with "
            + _window_option([part.window() for part in levels.of_channels]),
        )
    ]


def _far_values(levels: Levels, lie: str, option: str) -> Finding:
    if levels.nodata is None:
        farthest = levels.lowest if levels.low - levels.lowest > levels.highest - levels.high else levels.highest
        said, remedy = f"some as far as {_plain(farthest)}", f"fit again with {option}"
    else:
        said = f"many images share the far value {_plain(levels.nodata)}, which may stand for no measurement"
        remedy = f"fit again with --nodata={_plain(levels.nodata)} where it does, else with {option}"
    return Finding(
        "far values",
        "problem",
        f"{lie} but for {levels.far_share:.2%} of them: {said}",
        remedy,
    )


def _window_option(ranges: Iterable[tuple[float, float]]) -> str:
    return "--window=" + "/".join(f"{_plain(low)},{_plain(high)}" for low, high in ranges)


def _range(low: float, high: float) -> str:
    return f"from {_plain(low)} to {_plain(high)}"


def _plain(value: float) -> str:
    return f"{value:.6g}"
