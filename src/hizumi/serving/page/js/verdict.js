// A verdict in three ways at once, word, shape and colour, so that none of them is needed alone.

import { h, svg } from "./dom.js";
import { t } from "./words.js";

/** "normal", "anomalous" or "unjudged". */
export const verdictOf = (entry) => (entry.anomalous === null ? "unjudged" : entry.anomalous ? "anomalous" : "normal");

const SHAPES = {
  normal: ["M16 2a14 14 0 1 0 0 28 14 14 0 0 0 0-28z", "M9 16.5l5 5 9.5-10.5"],
  anomalous: ["M10.2 2h11.6L30 10.2v11.6L21.8 30H10.2L2 21.8V10.2z", "M16 8.5v9.5M16 23v.6"],
  unjudged: ["M16 2.5L31 29H1z", "M13 16a3 3 0 1 1 4.5 2.6c-1 .6-1.5 1.2-1.5 2.2M16 25v.4"],
  good: ["M16 2a14 14 0 1 0 0 28 14 14 0 0 0 0-28z", "M9 16.5l5 5 9.5-10.5"],
  defect: ["M10.2 2h11.6L30 10.2v11.6L21.8 30H10.2L2 21.8V10.2z", "M11 11l10 10M21 11L11 21"],
  drifting: ["M16 2.5L31 29H1z", "M16 12v8M16 25v.4"],
  unsure: ["M16 2L30 16 16 30 2 16z", "M13 13a3 3 0 1 1 4.5 2.6c-1 .6-1.5 1.2-1.5 2.6M16 22v.4"],
};

/** The shape of a verdict, a review or an alarm: a circle, an octagon, a triangle or a diamond, with its sign. */
export function shape(kind) {
  const [body, sign] = SHAPES[kind];
  return svg("svg", { viewBox: "0 0 32 32", class: `shape ${kind}`, "aria-hidden": "true" },
    svg("path", { d: body, class: "body" }), svg("path", { d: sign, class: "sign" }));
}

/** Shape and word in one line. */
export const badge = (kind, word = t(`verdict.${kind}`)) => h("span", { class: `badge ${kind}` }, shape(kind), h("span", {}, word));
