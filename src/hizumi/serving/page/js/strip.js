// The last pictures in a row, in cells that stay; the newest is on the left, before it the last alarm.

import { fill, h } from "./dom.js";
import { thumbnail } from "./thumbnails.js";
import { shape, verdictOf } from "./verdict.js";
import { clock, t } from "./words.js";

const LENGTH = 12;

export function strip(chosen) {
  const entries = [];
  let alarm = null;
  const last = cell(chosen, "alarm");
  const cells = Array.from({ length: LENGTH }, () => cell(chosen));
  const element = h("section", { class: "strip", "aria-label": t("live.strip") }, last.element, cells.map((each) => each.element));

  function add(entry) {
    entries.unshift(entry);
    entries.length = Math.min(entries.length, LENGTH);
    if (entry.anomalous) alarm = entry;
  }

  function draw(shownId) {
    cells.forEach((each, index) => each.show(entries[index], shownId));
    last.show(alarm, shownId);
  }

  function beside(id, step) {
    const place = entries.findIndex((entry) => entry.id === id);
    return entries[Math.max(0, Math.min(entries.length - 1, (place < 0 ? 0 : place) + step))];
  }

  return { element, add, draw, beside, length: LENGTH };
}

function cell(chosen, kind = "") {
  const { image, show } = thumbnail();
  const mark = h("span", { class: "mark" });
  let entry = null;
  const element = h("button", { class: `cell ${kind}`, hidden: true, onclick: () => chosen({ entry }) }, image, mark);
  return {
    element,
    show(next, shownId) {
      element.hidden = !next;
      element.classList.toggle("chosen", next?.id === shownId);
      if (!next || next === entry) return;
      entry = next;
      const verdict = verdictOf(entry);
      element.dataset.verdict = verdict;
      element.setAttribute("aria-label", `${kind ? t("live.last_alarm") : t(`verdict.${verdict}`)}, ${entry.name}, ${clock(entry.inspected_at)}`);
      element.title = kind ? t("live.last_alarm") : entry.name;
      fill(mark, shape(verdict));
      show(entry.id);
    },
  };
}
