// A drift alarm in words: whether somebody has seen to it, and whether what it tells of still holds.

import { h } from "./dom.js";
import { shape } from "./verdict.js";
import { hour, t } from "./words.js";

const TOLD_MS = 600_000; // how long it is said that a drift is over

/** Of the alarms of recipes, those that have to be said, the oldest first. */
export function toBeSaid(alarms) {
  const since = Date.now() - TOLD_MS;
  return alarms.filter((alarm) => isUnseen(alarm) || !alarm.ended_at || Date.parse(alarm.ended_at) > since)
    .sort((a, b) => a.raised_at.localeCompare(b.raised_at));
}

export const isUnseen = (alarm) => !alarm.acknowledged;

/** Whether one that held before is over now. */
export const areOver = (before, now) =>
  now.some(({ id, ended_at }) => ended_at && before.some((other) => other.id === id && !other.ended_at));

/** What is said first of all: what nobody has seen, then what still holds, then what is over; the newest of each. */
export const foremost = (alarms) => alarms.findLast(isUnseen) ?? alarms.findLast((alarm) => !alarm.ended_at) ?? alarms.at(-1);

/** "anomalous" until somebody has seen it, "drifting" while it still holds, and then "good". */
export const stateOf = (alarm) => (isUnseen(alarm) ? "anomalous" : alarm.ended_at ? "good" : "drifting");

/** Its shape and, in a word or two, how it stands. */
export const standing = (alarm) => [shape(stateOf(alarm)), h("b", {}, t(`drift.is_${stateOf(alarm)}`))];

/** Who has seen it, and when, and what they said. */
export function seenBy({ acknowledged: { who, at, note } }, moment = hour) {
  return t(note ? "drift.seen_by_noted" : "drift.seen_by", { who, when: moment(at), note });
}
