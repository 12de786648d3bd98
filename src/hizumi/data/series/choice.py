"""Length and distance of windows, chosen from the autocorrelation of recordings where they are not said."""

from collections.abc import Sequence

import numpy as np

from hizumi.data.series.options import SeriesOptions
from hizumi.errors import UsageError
from hizumi.shapes import Float
from hizumi.words import counted

USUAL_LENGTH = 64  # steps, where no period is clear
LENGTHS = (32, 64, 128, 256)
PERIODS = 2  # in a window, about
LEAST_WINDOWS = 40  # side by side, of a length above the usual
ENOUGH_WINDOWS = 1000  # to learn from: fewer overlap more
CLEAR = 0.5  # autocorrelation of a clear period, and of values that are still alike
FUNDAMENTAL = 0.75  # of the highest peak: the first that comes so near to it is the period, not its multiples
MOST_LAGS, MOST_STEPS, MOST_RECORDINGS = 1024, 2**15, 8
LARGEST_OVERLAP, SMALLEST_OVERLAP = 0.9, 0.5
SHORTEST = 4  # steps of a window


def chosen_windows(recordings: Sequence[Float[np.ndarray, "_ c"]], options: SeriesOptions) -> tuple[int, int, str]:
    """Length and hop of windows in steps, as the options say or the autocorrelation does, and why, in a sentence.

    A window holds about two of the periods of a clear one, from 32 to 256 steps; else 64. Windows follow each other
    when values are no longer alike, or sooner where there would be few, and share half to nine tenths of their steps.
    Raises UsageError for impossible lengths and overlaps.
    """
    length, overlap = options.length, options.overlap
    if length is not None and length < SHORTEST:
        raise UsageError(f"windows of {length} steps are too short; give {SHORTEST} or more (--length)")
    if overlap is not None and not 0 <= overlap < 1:
        raise UsageError(
            f"windows cannot overlap by {overlap:g}; give a part from 0 up to, not including, 1 (--overlap)"
        )
    correlation = autocorrelation(recordings)
    reasons = []
    if length is None:
        length, reason = _length(_period(correlation), correlation, sum(map(len, recordings)))
        reasons.append(reason)
    if overlap is None:
        hop, reason = _hop(length, correlation, sum(map(len, recordings)))
        reasons.append(reason)
    else:
        hop = _hop_by(overlap, length)
    why = f", since {', and '.join(reasons)}; --length and --overlap say otherwise" if reasons else ""
    return length, hop, f"windows of {length} steps, one every {hop}{why}"


def autocorrelation(recordings: Sequence[Float[np.ndarray, "_ c"]]) -> Float[np.ndarray, "lags"]:
    """Median over all channels that vary, of the longest recordings, without their linear trend; from lag 0 on.

    Empty where nothing varies.
    """
    if not recordings:
        return np.zeros(0)
    longest = sorted(recordings, key=len, reverse=True)[:MOST_RECORDINGS]
    longest = [values[:MOST_STEPS] for values in longest if 2 * len(values) >= len(longest[0])]
    lags = min(MOST_LAGS, min(map(len, longest)) // 3)
    found = [part for values in longest for part in _correlations(np.asarray(values, dtype=float), lags).T]
    return np.median(found, axis=0) if found else np.zeros(0)


def _correlations(values: Float[np.ndarray, "t c"], lags: int) -> Float[np.ndarray, "lags v"]:
    """Of each channel that varies, at lags 0 to `lags` - 1."""
    from scipy import fft  # which exported bundles do without

    count = len(values)
    spread = values.std(axis=0)
    values = values[:, spread > 1e-9 * np.abs(values).max(axis=0, initial=0)]
    moments = np.linspace(-1, 1, count)[:, np.newaxis]
    centred = values - values.mean(axis=0)
    rest = centred - moments * (moments * centred).sum(axis=0) / (moments**2).sum()
    rest = rest[:, rest.std(axis=0) > 1e-9 * np.abs(centred).max(axis=0, initial=0)]  # not a straight line
    spectrum = fft.rfft(rest, fft.next_fast_len(2 * count, real=True), axis=0)
    products = fft.irfft(np.abs(spectrum) ** 2, fft.next_fast_len(2 * count, real=True), axis=0)[:lags]
    return products / products[:1] * (count / (count - np.arange(len(products))))[:, np.newaxis]


def _period(correlation: Float[np.ndarray, "lags"]) -> int | None:
    """The lag of the first high peak after values have become opposite; None without a clear one."""
    opposite = np.flatnonzero(correlation < 0)
    if not len(opposite):
        return None
    start = int(opposite[0])
    inner = correlation[start:]
    highest = float(inner[1:-1].max(initial=0)) if len(inner) > 2 else 0.0
    if highest < CLEAR:
        return None
    is_peak = (inner[1:-1] >= inner[:-2]) & (inner[1:-1] >= inner[2:]) & (inner[1:-1] >= FUNDAMENTAL * highest)
    peaks = np.flatnonzero(is_peak)
    return start + 1 + int(peaks[0]) if len(peaks) else None


def _length(period: int | None, correlation: Float[np.ndarray, "lags"], steps: int) -> tuple[int, str]:
    if period is None:
        return USUAL_LENGTH, "no period is clear"

    def distance(length: int) -> float:
        return abs(float(np.log2(length / (PERIODS * period))))

    affordable = [length for length in LENGTHS if length <= max(USUAL_LENGTH, steps // LEAST_WINDOWS)]
    length = min(affordable, key=distance)
    reason = f"a period of about {period} steps is clear (autocorrelation {correlation[period]:.2f})"
    return length, reason if length == min(LENGTHS, key=distance) else f"{reason}, but longer windows would be few"


def _steps_until_unlike(correlation: Float[np.ndarray, "lags"]) -> int | None:
    """The first lag at which values are no longer alike; None where there is none."""
    unlike = np.flatnonzero(correlation < CLEAR)
    return int(unlike[0]) if len(unlike) else None


def _hop(length: int, correlation: Float[np.ndarray, "lags"], steps: int) -> tuple[int, str]:
    usual = [
        divisor for divisor in _divisors(length) if 1 - LARGEST_OVERLAP <= divisor / length <= 1 - SMALLEST_OVERLAP
    ]
    until = _steps_until_unlike(correlation)
    few = steps // ENOUGH_WINDOWS < min(until or length, length // 2)
    wanted = steps // ENOUGH_WINDOWS if few else until or length
    hop = min(usual or [1], key=lambda divisor: abs(divisor - wanted))
    if few:
        return hop, f"less overlap would leave few windows of {steps:,} steps"
    if until is None:
        return hop, "values stay alike" if len(correlation) else "nothing varies"
    after = counted(until, "step")
    return hop, f"values are no longer alike after {after} (autocorrelation below {CLEAR:g})"


def _hop_by(overlap: float, length: int) -> int:
    """The divisor of the length by which windows come nearest to this overlap."""
    return min(_divisors(length), key=lambda divisor: abs(divisor - (1 - overlap) * length))


def _divisors(length: int) -> list[int]:
    return [divisor for divisor in range(1, length + 1) if length % divisor == 0]


def refuse_other_windows(options: SeriesOptions, length: int, hop: int) -> None:
    """Raise UsageError where options ask for other windows than were learned from."""
    if options.length not in (None, length) or (
        options.overlap is not None and _hop_by(options.overlap, length) != hop
    ):
        raise UsageError(
            f"windows have {length} steps, one every {hop}, as learned from; leave out --length and --overlap"
        )
