// Alarms and charts in the reader's language, made from their codes; what has no words yet is said as the station says it.

import { either, number, percent, t } from "./words.js";

const WAYS = { 1: "higher", "-1": "lower", 0: "unsteady" };
const IN_PERCENT = ["brightness", "contrast"];

export const title = (measure) => either(`measure.${measure}`, measure);
export const unitWords = (unit) => either(`unit.${unit}`, unit);
export const explanation = (chart) => either(`chart.${kindOf(chart)}.why`, chart.explanation);

/** "Moving average: level", or the measure alone as a heading. */
export function chartTitle(chart, heading) {
  const measure = title(chart.name.split(".")[0]);
  return heading ? measure : `${either(`chart.${kindOf(chart)}`, chart.title)} – ${measure}`;
}

/** What has happened, how much, and where to look. */
export function alarmWords(alarm) {
  const changes = alarm.moved.map(change).join(t("drift.and"));
  const first = either(`drift.${alarm.code}`, "");
  if (first) return [first, changes && t("drift.changed", { changes })].filter(Boolean).join(" ");
  const look = either(`look.${alarm.code.replace(/_[a-z]+$/, "")}`, "");
  return changes && look ? `${t("drift.changed", { changes })} ${t("drift.look", { where: look })}` : alarm.words;
}

function change({ measure, way, before, now }) {
  const how = either(`change.${measure}_${WAYS[way]}`, `${measure} ${WAYS[way]}`);
  if (way === 0 || measure === "score") return how;
  const much = IN_PERCENT.includes(measure) ? `${percent(before, 0)} → ${percent(now, 0)}` : t("drift.times", { factor: number(2 ** (now - before), 2) });
  return t("drift.change", { how, much });
}

const kindOf = ({ name }) => name.split(".")[1];
