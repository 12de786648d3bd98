// What a person should look at next, in the station's order, answered from the keyboard.

import { get } from "../js/api.js";
import { fill, h } from "../js/dom.js";
import { drawing, framesOf } from "../js/drawing.js";
import { facts, sentence, terms } from "../js/facts.js";
import { layers } from "../js/layers.js";
import { reviewing } from "../js/reviewing.js";
import { badge, verdictOf } from "../js/verdict.js";
import { either, number, t } from "../js/words.js";

const LONGEST = 1600;
const ASKED = 50;
const KEYS = ["g", "d", "u", "1–9", "z", "← →", "r", "⌫", "m"];

export function review(station) {
  const picture = layers({ longest: LONGEST });
  const board = drawing(picture.element);
  const words = reviewing(station, { after: said, regions: () => board.regions.map(rounded), notes: true });
  const why = h("div", { class: "why" });
  const left = h("p", { class: "left", role: "status" });
  const opacity = h("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": t("live.opacity"), oninput: laid });
  const tools = h("div", { class: "tools" },
    h("label", { class: "slider" }, h("span", {}, t("live.map")), opacity),
    h("button", { class: "quiet", onclick: found }, t("review.frames"), h("kbd", {}, "r")),
    h("button", { class: "quiet", onclick: () => board.removeLast() }, t("review.remove"), h("kbd", {}, "⌫")),
    h("span", { class: "hint" }, t("review.draw")));
  const stage = h("section", { class: "stage", "aria-label": t("live.picture") }, picture.element, tools);
  const undo = h("button", { class: "quiet", onclick: words.undo }, t("review.undo"), h("kbd", {}, "z"));
  const element = h("div", { class: "review-grid" }, stage,
    h("section", { class: "panel", "aria-label": t("review.word") }, left, words.element, undo, why, keys()));
  const end = new AbortController();
  let items = [], place = 0;

  function laid() {
    picture.opacity(opacity.value / 100);
  }

  function found() {
    const item = items[place];
    if (item) board.use(framesOf(item.inspection));
  }

  /** With the inspection of that id, where it is among those to be reviewed. */
  async function begin(id = null) {
    const queue = await get("/reviews/queue", { limit: ASKED }, end.signal);
    items = queue.items;
    place = Math.max(0, placeOf(id));
    await show();
  }

  const placeOf = (id) => items.findIndex((item) => item.inspection.id === id);

  async function show() {
    const item = items[place];
    left.textContent = item ? t("review.left", { place: number(place + 1), count: number(items.length) }) : "";
    element.classList.toggle("empty", !item);
    words.of(null);
    if (!item) {
      fill(why, h("h1", {}, t("review.empty")), h("p", {}, t("review.empty_why")));
      return;
    }
    const entry = item.inspection;
    fill(why, h("h1", {}, badge(verdictOf(entry))), sentence(entry, station.recipe(entry.recipe)),
      h("ul", { class: "reasons", "aria-label": t("review.why") }, item.reasons.map((reason) => h("li", {}, either(`reason.${reason}`, reason)))),
      terms(entry), facts(entry));
    board.begin(null);
    await picture.show(entry, end.signal);
    if (items[place] !== item) return;
    board.begin(picture.shown);
    words.of(entry);
    if (entry.map_peak !== null) await picture.showMap(end.signal);
  }

  function said({ inspection_id: id, label }) {
    const reviewed = placeOf(id);
    if (label === null && reviewed >= 0) {
      place = reviewed;
      show();
    } else if (label === null || place + 1 >= items.length) {
      begin(label === null ? id : null).catch(complain);
    } else if (place === reviewed) { // nobody has gone elsewhere meanwhile
      place += 1;
      show();
    }
  }

  function complain(error) {
    if (error.name !== "AbortError") fill(why, h("p", { class: "problem", role: "alert" }, error.message));
  }

  function step(by) {
    const next = place + by;
    if (next < 0 || next >= items.length) return;
    place = next;
    show();
  }

  laid();
  begin().catch(complain);
  return {
    element,
    close: () => end.abort(),
    keys: {
      ...words.keys, z: words.undo, r: found, Backspace: () => board.removeLast(), Delete: () => board.removeLast(),
      ArrowRight: () => step(1), ArrowLeft: () => step(-1),
      m: () => { opacity.value = opacity.value > 0 ? 0 : 50; laid(); },
    },
  };
}

const rounded = (region) => region.map((corner) => corner.map((value) => Math.round(value * 10) / 10));

const keys = () => h("dl", { class: "keys", "aria-label": t("review.keys") },
  KEYS.map((key, index) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, t(`review.key_${index}`))]));
