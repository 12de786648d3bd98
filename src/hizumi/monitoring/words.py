"""Everything that a watch says, in English; a translation can stand beside it, by the codes of alarms and measures."""

from collections.abc import Sequence

from hizumi.calibration import Statement
from hizumi.data.appearance import IN_PERCENT, WORDS

TITLES = {
    "score": "score",
    "p_value": "p-value",
    "brightness": "level",
    "contrast": "contrast",
    "sharpness": "sharpness",
    "blocks": "JPEG blocks",
    "noise": "noise",
    "warmth": "red against blue",
    "tint": "green against red and blue",
    "set_aside": "very unusual pictures",
    "size": "size",
}
WAYS = WORDS | {
    "blocks": ("less compressed", "more strongly compressed"),
    "noise": ("less noisy", "noisier"),
    "warmth": ("bluer", "redder"),
    "tint": ("more magenta", "greener"),
    "score": ("less unusual to the detector", "a little more unusual to the detector, many of them at once"),
}
LOOK_AT = {
    "brightness": "the lamp and the exposure",
    "contrast": "the lamp's direction, and dirt on the lens",
    "sharpness": "the lens and its focus",
    "blocks": "the camera's compression, and what the pictures go through",
    "noise": "the camera's gain, the exposure and the lamp",
    "warmth": "the lamp's colour and the white balance",
    "tint": "the lamp's colour and the white balance",
    "score": "the parts and the material, then the lamp and the lens",
}
CHARTS = {
    "mean": ("Mean of five", "The mean of each five pictures. Beyond a limit: a large shift."),
    "deviation": ("Spread of five", "How much five neighbouring pictures differ. Above the limit: it flickers."),
    "ewma": ("Moving average", "An average that slowly forgets (EWMA). Beyond a limit: a lasting shift."),
    "cusum_rising": ("Sum of rises", "What has come together above the centre (CUSUM). Above the limit: it has risen."),
    "cusum_falling": (
        "Sum of falls",
        "What has come together below the centre (CUSUM). Above the limit: it has fallen.",
    ),
    "value": ("Each picture", "Good pictures lie anywhere from 0 to 1; many low ones in a row are a drift."),
    "martingale": (
        "Evidence against steady scores",
        "Powers of ten won by betting that p-values are not uniform. Good pictures hardly ever reach the limit.",
    ),
    "majority": (
        "Evidence of a majority",
        "Counts pictures of this kind. Up to a fifth of them do not raise it. Above the limit: most pictures are.",
    ),
}
SIGMA = "sigma"
UNITS = {"score": SIGMA, **dict.fromkeys(IN_PERCENT, "%")}
DOUBLINGS = "doublings"


def unit(measure: str) -> str:
    """Of values of a measure, as `shown` gives them."""
    return UNITS.get(measure, DOUBLINGS)


def shown(measure: str, value: float) -> float:
    """A value of a measure in the unit in which it is drawn."""
    return 100 * value if measure in IN_PERCENT else value


def change(measure: str, way: int, before: float, now: float) -> str:
    """What has happened to one measure, with its numbers."""
    title = TITLES[measure]
    if way == 0:
        return f"less steady: {title} flickers"
    how = WAYS[measure][way > 0]
    if measure in IN_PERCENT:
        return f"{how}: {title} {before:.0%} → {now:.0%}"
    if measure == "score":
        return f"{how}: typically by {now:+.1f} sigma"
    return f"{how}: {title} {2 ** (now - before):.2f} times what it was"


def alarm(code: str, changes: Sequence[str]) -> str:
    """The alarm's reasons, and where to look."""
    measure = code.rpartition("_")[0]
    others = f" Also {'; '.join(changes[1:])}." if len(changes) > 1 else ""
    match code:
        case "many_anomalous":
            also = f" They have become {'; '.join(changes)}." if changes else ""
            return (
                f"Many pictures are very unusual, not a few.{also} Look at the lamp, the lens and the camera, "
                "then at the parts."
            )
        case "size_changed":
            return "Most pictures are of another size. Look at the camera's settings."
    return f"Pictures have become {changes[0]}.{others} Look at {LOOK_AT[measure]}."


def learning(known: int, needed: int) -> Statement:
    """A watch that learns what is normal."""
    words = (
        f"Learning what is normal at this station: {known} of {needed} pictures. Until then it does not watch "
        "what it does not know."
    )
    return Statement("learning", {"known": known, "needed": needed}, words)


def armed(run_length: float, ever: float | None) -> Statement:
    """A watch at work, and what it promises; `ever` is None where p-values are not tested."""
    charts = f"Watching. False alarms of its charts: one in {run_length:,.0f} good pictures on average"
    if ever is None:
        return Statement("watching", {"run_length": run_length}, f"{charts}.")
    words = f"{charts}; of its test of p-values: none ever, with a probability of {100 * (1 - ever):.6g}%."
    return Statement("watching_p_values", {"run_length": run_length, "ever_rate": ever}, words)


def wandering(measures: Sequence[str]) -> Statement:
    """A watch over what was not steady to begin with."""
    names = " and ".join(TITLES[name] for name in measures)
    words = (
        f"Among the good pictures learned from, {names} wandered too slowly to tell how far they go: "
        "false alarms about that may come more often."
    )
    return Statement("wandering", {"measures": len(measures)}, words)
