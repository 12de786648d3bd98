// The last pictures in a row, in cells that stay; the newest is on the left, before it the last alarm.

import { fill, h } from "./dom.js";
import { thumbnail } from "./thumbnails.js";
import { shape, verdictOf } from "./verdict.js";
import { clock, t } from "./words.js";

const LENGTH = 12;

export function strip(chosen) {
  // Each picture is fetched once, and its image goes from cell to cell; that of the oldest is used again.
  const images = Array.from({ length: LENGTH }, thumbnail);
  const shown = [];
  const last = cell(chosen, "alarm"), lastImage = thumbnail();
  let alarm = null;
  const cells = Array.from({ length: LENGTH }, () => cell(chosen));
  const element = h("section", { class: "strip", "aria-label": t("live.strip") }, last.element, cells.map((each) => each.element));

  function add(entry) {
    if (shown.some((each) => each.entry.id === entry.id)) return;
    const image = shown.length < LENGTH ? images[shown.length] : shown.pop().image;
    image.show(entry.id, { isNew: true });
    shown.unshift({ entry, image });
    if (!entry.anomalous) return;
    lastImage.show(entry.id, { isNew: true });
    alarm = { entry, image: lastImage };
  }

  function draw(shownId) {
    cells.forEach((each, index) => each.show(shown[index], shownId));
    last.show(alarm, shownId);
  }

  function beside(id, step) {
    const place = shown.findIndex(({ entry }) => entry.id === id);
    return shown[Math.max(0, Math.min(shown.length - 1, (place < 0 ? 0 : place) + step))]?.entry;
  }

  return { element, add, draw, beside, length: LENGTH };
}

function cell(chosen, kind = "") {
  const mark = h("span", { class: "mark" });
  let entry = null;
  const element = h("button", { class: `cell ${kind}`, hidden: true, onclick: () => chosen({ entry }) });
  return {
    element,
    show(next, shownId) {
      element.hidden = !next;
      element.classList.toggle("chosen", next?.entry.id === shownId);
      if (!next || next.entry === entry) return;
      entry = next.entry;
      const verdict = verdictOf(entry);
      element.dataset.verdict = verdict;
      element.setAttribute("aria-label", `${kind ? t("live.last_alarm") : t(`verdict.${verdict}`)}, ${entry.name}, ${clock(entry.inspected_at)}`);
      element.title = kind ? t("live.last_alarm") : entry.name;
      fill(mark, shape(verdict));
      fill(element, next.image.element, mark);
    },
  };
}
