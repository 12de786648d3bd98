"""A recording in words: its alarms, and which channel is off where they are worst, since when."""

import numpy as np

from hizumi.data.series.form import Steps
from hizumi.report.traces import Trace
from hizumi.storage.files import printable
from hizumi.words import counted

CHANNELS_NAMED = 3
LEAST_OFF = 2.0  # times how far a channel usually lies from what is expected: by less, over an alarm, it is not off
UNUSUAL = 4.0  # times how far a channel usually lies from what is expected; shares of scores grow as the square


def describe_trace(trace: Trace) -> str:
    """How many alarms and labelled events a recording has, and what is off at the worst of its alarms."""
    parts = [f"{counted(len(trace.alarms), 'alarm')} in {counted(len(trace), 'step')}"]
    if trace.labelled is not None:
        found = sum(bool(trace.over[slice(*event)].any()) for event in trace.events)
        events = f"{found} of {counted(len(trace.events), 'labelled event')} within an alarm"
        parts.append(events if trace.events else "nothing in it labelled anomalous")
    worst = int(np.nanargmax(trace.scores))
    alarm = next((run for run in trace.alarms if run.start <= worst < run.stop), None)
    sentence = f"{', '.join(parts)}."
    if alarm is None:
        return f"{sentence} The highest score, {trace.scores[worst]:.4g}, is at {moment(trace, worst)}."
    return f"{sentence} {_of_alarm(trace, alarm, worst)}"


def describe_windows(typical: Trace, worst: Trace) -> str:
    """Text alternative of the two windows side by side."""
    return f"A typical normal window, {_span(typical)}, beside the worst, {_span(worst)}."


def moment(trace: Trace, step: int) -> str:
    """When a step of a trace was, for people: a date, else its number in the recording."""
    if trace.times is None:
        return f"step {trace.start + step:,}"
    stamp = np.datetime64(int(trace.times[step]), "ns")
    return str(stamp.astype("datetime64[s]")).replace("T", " ")


def _span(trace: Trace) -> str:
    return f"of {printable(trace.name)} from {moment(trace, 0)} to {moment(trace, len(trace) - 1)}"


def _of_alarm(trace: Trace, alarm: Steps, worst: int) -> str:
    run = trace.cut(alarm)
    sentence = f"The worst alarm lasts from {moment(trace, alarm.start)} to {moment(trace, alarm.stop - 1)}"
    sentence += f", and is highest at {moment(trace, worst)}"
    contributions = run.contributions
    if contributions is None:
        return f"{sentence}."
    means = contributions.mean(0)
    named = []
    order = np.argsort(-means, kind="stable")[:CHANNELS_NAMED].tolist()
    for channel in [each for each in order if run.usual is None or means[each] > LEAST_OFF] or order[:1]:
        since = first_unusual(run, channel)
        when = "" if since is None else f" since {moment(run, since)}"
        named.append(f"{printable(trace.columns[channel])} ({means[channel]:.3g}{when})")
    return f"{sentence}. Most off in it, in {run.unit}: {', '.join(named)}."


def first_unusual(alarm: Trace, channel: int) -> int | None:
    """The first step of an alarm at which a channel contributes many times what is usual for it; None of no step.

    An alarm begins earlier than what is wrong: the windows that reach into it cover steps before it, too.
    """
    contributions = alarm.contributions
    if contributions is None or alarm.usual is None:
        return None
    unusual = np.flatnonzero(contributions[:, channel] > (UNUSUAL if alarm.shares is None else UNUSUAL**2))
    return int(unusual[0]) if len(unusual) else None
