// What a verdict rests on: the score beside its limit, the terms it is made of, and what else is known of the picture.

import { h } from "./dom.js";
import { clock, day, either, number, score, t, unusual } from "./words.js";

const SHORT = 5; // terms shown

/** Whether an inspection and its picture could be kept, although retention may have removed the picture later. */
export const couldBeKept = (entry) => entry.kept !== false && entry.pruned_at !== entry.inspected_at;

/** A verdict in a sentence: how unusual the picture is among good ones, or why it could not be judged. */
export function sentence(entry, recipe) {
  return h("p", {}, entry.anomalous === null ? entry.reason : unusual(entry.p_value, recipe?.held_out_images));
}

/** The score as a bar on which the threshold is marked. */
export function limit(entry) {
  if (entry.score === null || entry.threshold === null) return null;
  const whole = 1.6 * Math.max(Math.abs(entry.threshold), 1e-12);
  const share = (value) => `${Math.max(0, Math.min(100, (100 * value) / whole))}%`;
  return h("div", { class: "limit" },
    h("p", {}, h("span", {}, t("facts.score"), " ", h("b", {}, score(entry.score))), h("span", {}, t("facts.threshold"), " ", h("b", {}, score(entry.threshold)))),
    h("div", { class: `bar ${entry.anomalous ? "over" : ""}`, "aria-hidden": "true" },
      h("span", { style: { width: share(entry.score) } }), h("i", { style: { left: share(entry.threshold) } })));
}

/** The score and its terms, in the detector's order; of many, the largest. No bars: each term has a unit of its own. */
export function terms(entry) {
  const known = Object.entries(entry.terms).filter(([, value]) => value !== null);
  if (known.length > SHORT) known.sort(([, a], [, b]) => b - a);
  const rows = known.slice(0, SHORT).map(([name, value]) => h("li", {}, h("span", {}, called(name)), h("b", {}, score(value))));
  return [limit(entry), known.length > 1 && h("ul", { class: "terms", "aria-label": t("facts.terms") }, rows)];
}

/** A term in the page's language, where it has words for it: "level 2" among them, and not the column of a table. */
function called(term) {
  const [, name, level] = /^(.+?)( \d+)?$/.exec(term);
  return either(`term.${name}`, name) + (level ?? "");
}

/** What else is known, as a list of names and values. */
export function facts(entry, { all = false } = {}) {
  const rows = [
    ["name", entry.name],
    ["time", all ? day(entry.inspected_at) : clock(entry.inspected_at)],
    ["recipe", entry.recipe],
    ["part", entry.part],
    ["view", entry.view],
    ["regions", entry.boxes.length ? number(entry.boxes.length) : ""],
    ["notes", entry.notes.join(t("facts.between"))],
  ];
  if (all) rows.push(["source", entry.source], ["latency", t("facts.milliseconds", { count: number(entry.latency_ms) })],
    ["rule", either(`rule.${entry.rule}`, entry.rule)], ["sampled", entry.sampled ? t("facts.yes") : ""],
    ["picture", entry.picture_sha256.slice(0, 16)], ["bundle", entry.bundle_sha256.slice(0, 16)]);
  return h("dl", { class: "facts" }, rows.filter(([, value]) => value).map(([name, value]) =>
    [h("dt", {}, t(`facts.${name}`)), h("dd", { title: value }, value)]));
}
