// One inspection: the picture, why, and what people said of it.

import { get } from "../js/api.js";
import { fill, h } from "../js/dom.js";
import { drawing, framesOf } from "../js/drawing.js";
import { facts, sentence, terms } from "../js/facts.js";
import { layers } from "../js/layers.js";
import { reviewing } from "../js/reviewing.js";
import { badge, verdictOf } from "../js/verdict.js";
import { day, t } from "../js/words.js";

const LONGEST = 2400;

export function detail(station, id) {
  const picture = layers({ longest: LONGEST });
  const board = drawing(picture.element);
  const words = reviewing(station, { after: told, regions: () => board.regions, notes: true });
  const why = h("div", { class: "why" }), known = h("div", {}), said = h("ol", { class: "said" }), note = h("p", { class: "banner", hidden: true });
  const opacity = h("input", { type: "range", min: 0, max: 100, value: 60, "aria-label": t("live.opacity"), oninput: laid });
  const expect = h("button", { class: "quiet", "aria-pressed": "false", onclick: turnExpected }, t("live.expected"));
  const element = h("div", { class: "review-grid" },
    h("section", { class: "stage", "aria-label": t("live.picture") }, note, picture.element,
      h("div", { class: "tools" }, h("label", { class: "slider" }, h("span", {}, t("live.map")), opacity), expect,
        h("button", { class: "quiet", onclick: () => board.use(framesOf(picture.shown)) }, t("review.frames")),
        h("button", { class: "quiet", onclick: () => board.removeLast() }, t("review.remove")))),
    h("section", { class: "panel", "aria-label": t("live.facts") }, h("a", { class: "back", href: "#/history" }, t("detail.back")), why, words.element,
      h("button", { class: "quiet", onclick: () => words.undo() }, t("review.undo")), h("h2", {}, t("detail.said")), said, known));
  const end = new AbortController();

  function laid() {
    picture.opacity(opacity.value / 100);
  }

  async function turnExpected() {
    const expects = expect.getAttribute("aria-pressed") === "false";
    expect.setAttribute("aria-pressed", String(expects));
    if (!expects) picture.hideExpected();
    const isShown = expects && (await picture.showExpected(end.signal));
    note.hidden = !expects;
    note.textContent = isShown ? t("live.expected_shown") : t("live.expected_none");
  }

  async function told() {
    const { reviews } = await get(`/inspections/${id}`, {}, end.signal);
    drawSaid(reviews);
  }

  function drawSaid(reviews) {
    fill(said, reviews.length ? [...reviews].reverse().map((review) => h("li", {},
      review.label ? badge(review.label, [t(`label.${review.label}`), review.kind].filter(Boolean).join(": ")) : h("span", {}, t("review.undone")),
      h("span", { class: "hint" }, `${review.who}, ${day(review.made_at)}`), review.note && h("p", {}, review.note)))
      : h("li", { class: "hint" }, t("detail.nothing_said")));
  }

  async function begin() {
    const { inspection, reviews } = await get(`/inspections/${id}`, {}, end.signal);
    fill(why, h("h1", {}, badge(verdictOf(inspection))),
      sentence(inspection, station.recipe(inspection.recipe)),
      terms(inspection));
    fill(known, facts(inspection, { all: true }));
    words.of(inspection);
    drawSaid(reviews);
    await picture.show(inspection, end.signal);
    board.begin(picture.shown);
    const drawn = reviews.at(-1)?.regions;
    if (drawn) board.use(drawn);
    if (inspection.map_peak !== null) await picture.showMap(end.signal);
  }

  laid();
  begin().catch((error) => fill(why, h("p", { class: "problem", role: "alert" }, error.message)));
  return { element, close: () => end.abort(), keys: { ...words.keys, z: () => words.undo(), Backspace: () => board.removeLast() } };
}
