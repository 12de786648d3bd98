// Charts in the reader's language, by their codes; what has no words yet is said as the station says it.

import { either } from "./words.js";

export const title = (measure) => either(`measure.${measure}`, measure);
export const unitWords = (unit) => either(`unit.${unit}`, unit);
export const explanation = (chart) => either(`chart.${kindOf(chart)}.why`, chart.explanation);

/** "Moving average: level", or the measure alone as a heading. */
export function chartTitle(chart, heading) {
  const measure = title(chart.name.split(".")[0]);
  return heading ? measure : `${either(`chart.${kindOf(chart)}`, chart.title)} – ${measure}`;
}

const kindOf = ({ name }) => name.split(".")[1];
