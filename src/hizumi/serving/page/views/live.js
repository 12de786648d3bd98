// What the line shows now. Pictures may come faster than they can be shown: the newest is shown, the others are counted.

import { foremost, isUnseen, seenBy, standing, stateOf } from "../js/alarms.js";
import { get } from "../js/api.js";
import { fill, h } from "../js/dom.js";
import { facts, sentence, terms } from "../js/facts.js";
import { layers } from "../js/layers.js";
import { choose } from "../js/recipe_choice.js";
import { reviewing } from "../js/reviewing.js";
import { counters } from "../js/shift.js";
import { strip } from "../js/strip.js";
import { shape, verdictOf } from "../js/verdict.js";
import { hour, t } from "../js/words.js";

const LONGEST = 1280;
const SETTLED_MS = 700; // a picture that stays this long gets its map even where it is normal
const SPOKEN_MS = 5000; // between two alarms that a screen reader is told of
const STOPS = "hizumi.stops";
const OPACITY = "hizumi.opacity";

export function live(station) {
  const picture = layers({ longest: LONGEST });
  const verdict = h("section", { class: "verdict", "aria-label": t("live.verdict") });
  const below = h("div", { class: "why" });
  const shift = counters();
  const row = strip(({ entry }) => hold(entry));
  const banner = h("p", { class: "banner", hidden: true });
  const warning = h("a", { class: "warning", href: "#/drift", hidden: true, onclick: () => choose(foremost(station.alarms).recipe) });
  const unkept = h("a", { class: "warning", href: "#/system", hidden: true }, shape("unjudged"), h("b", {}, t("live.not_kept")), h("span", {}, t("live.not_kept_why")));
  const correct = reviewing(station, { after: () => release() });
  const release_ = h("button", { class: "release", hidden: true, onclick: () => release() });
  const end = new AbortController();
  let newest = null, wanted = null, held = null, passed = 0, busy = false, drawing = 0, settling = 0, spokenAt = -Infinity;
  let stops = localStorage.getItem(STOPS) === "yes", expects = false;

  const opacity = h("input", {
    type: "range", min: 0, max: 100, value: localStorage.getItem(OPACITY) ?? 60, "aria-label": t("live.opacity"),
    oninput: () => { localStorage.setItem(OPACITY, opacity.value); laid(); },
  });
  const stop = h("input", { type: "checkbox", onchange: () => { stops = stop.checked; localStorage.setItem(STOPS, stops ? "yes" : "no"); } });
  stop.checked = stops;
  const expect = h("button", { class: "quiet", "aria-pressed": "false", onclick: () => turnExpected() }, t("live.expected"));
  const tools = h("div", { class: "tools" },
    h("label", { class: "slider" }, h("span", {}, t("live.map")), opacity), expect,
    h("label", { class: "switch" }, stop, h("span", {}, t("live.stop"))), release_);
  const stage = h("section", { class: "stage", "aria-label": t("live.picture") }, banner, picture.element, tools);
  const grid = h("div", { class: "live-grid" }, verdict, stage,
    h("section", { class: "panel", "aria-label": t("live.facts") }, below, correct.element, shift.element), row.element);
  const element = h("div", { class: "live-view" }, h("h1", { class: "unseen" }, t("tab.live")), warning, unkept, grid);

  function laid() {
    picture.opacity(opacity.value / 100);
  }

  function heard(entry) {
    newest = entry;
    shift.count(entry);
    row.add(entry);
    if (held) passed += 1;
    else if (stops && entry.anomalous !== false) hold(entry);
    else want(entry);
    speak(entry);
    draw();
  }

  function speak(entry) {
    if (entry.anomalous === false || performance.now() - spokenAt < SPOKEN_MS) return;
    spokenAt = performance.now();
    station.say(`${t(`verdict.${verdictOf(entry)}`)}: ${entry.name}`);
  }

  /** At most once a frame, whatever comes. */
  function draw() {
    drawing ||= requestAnimationFrame(() => {
      drawing = 0;
      shift.draw();
      row.draw(picture.shown?.id);
      release_.hidden = held === null;
      release_.textContent = passed ? t("live.release_passed", { count: passed }) : t("live.release");
      grid.classList.toggle("held", held !== null);
      correct.element.hidden = held === null;
    });
  }

  function want(entry) {
    wanted = entry;
    if (!busy) pump();
  }

  async function pump() {
    busy = true;
    while (wanted && !end.signal.aborted) {
      const entry = wanted;
      wanted = null;
      await show(entry);
    }
    busy = false;
  }

  async function show(entry) {
    clearTimeout(settling);
    await picture.show(entry, end.signal);
    if (end.signal.aborted) return;
    told(entry);
    if (entry.map_key) await picture.showMap(end.signal);
    if (expects) await showExpected();
    if (!entry.map_key && entry.map_peak !== null) settling = setTimeout(() => !wanted && picture.showMap(end.signal), SETTLED_MS);
    draw();
  }

  function told(entry) {
    const kind = verdictOf(entry);
    verdict.className = `verdict ${kind}`;
    stage.dataset.verdict = kind;
    fill(verdict, h("div", {}, shape(kind), h("strong", {}, t(`verdict.${kind}`)),
      sentence(entry, station.recipe(entry.recipe))));
    fill(below, terms(entry), facts(entry));
    correct.of(entry);
  }

  function hold(entry) {
    if (!held) passed = 0;
    held = entry;
    want(entry);
    draw();
  }

  function release() {
    if (!held) return;
    held = null;
    passed = 0;
    if (newest) want(newest);
    draw();
  }

  async function turnExpected() {
    expects = !expects;
    expect.setAttribute("aria-pressed", String(expects));
    if (expects) await showExpected();
    else { picture.hideExpected(); note(); }
  }

  async function showExpected() {
    note(await picture.showExpected(end.signal) ? t("live.expected_shown") : t("live.expected_none"));
  }

  function note(text = "") {
    linked(station.isOpen, text);
  }

  function linked(isOpen, text = "") {
    banner.hidden = isOpen && !text;
    banner.textContent = isOpen ? text : t("link.lost_long");
    banner.classList.toggle("lost", !isOpen);
    stage.classList.toggle("stale", !isOpen);
  }

  /** Verdicts cannot be trusted while the lamp has drifted: say so above them, more quietly once somebody knows. */
  function warned(alarms) {
    const alarm = foremost(alarms);
    warning.hidden = !alarm;
    if (!alarm) return;
    warning.className = `warning ${stateOf(alarm)}`;
    const doubt = alarm.ended_at ? t("drift.back_since", { when: hour(alarm.ended_at) }) : t("drift.doubt");
    fill(warning, standing(alarm), h("span", { title: alarm.words }, station.system.recipes.length > 1 && h("b", {}, `${alarm.recipe}: `), alarm.words,
      h("span", { class: "doubt" }, doubt), !isUnseen(alarm) && h("span", { class: "doubt" }, seenBy(alarm))));
  }

  function keeping(keeps) {
    unkept.hidden = keeps;
  }

  async function begin() {
    const { inspections } = await get("/inspections", { limit: row.length }, end.signal);
    await shift.begin();
    if (newest) return;
    for (const entry of [...inspections].reverse()) row.add(entry);
    newest = inspections[0] ?? null;
    if (newest) want(newest);
    else fill(verdict, h("div", {}, h("strong", {}, t("live.waiting")), h("p", {}, t("live.how"))));
    draw();
  }

  /** Something happened that the page was not told of. */
  function again() {
    newest = null;
    begin().catch(() => {});
  }

  laid();
  draw();
  warned(station.alarms);
  keeping(station.keeps);
  begin().catch(() => {});
  const offs = [
    station.on("inspection", heard),
    station.on("alarms", warned),
    station.on("keeping", keeping),
    station.on("link", (isOpen) => { linked(isOpen); if (isOpen) again(); }),
    station.on("missed", again),
  ];
  if (!station.isOpen) setTimeout(() => !end.signal.aborted && linked(station.isOpen), 1500);
  return {
    element,
    close() { offs.forEach((off) => off()); clearTimeout(settling); cancelAnimationFrame(drawing); end.abort(); },
    keys: {
      " ": () => (held ? release() : newest && hold(picture.shown ?? newest)),
      Escape: release,
      ArrowLeft: () => { const next = row.beside(picture.shown?.id, 1); if (next) hold(next); },
      ArrowRight: () => { const next = row.beside(picture.shown?.id, -1); if (next) hold(next); },
      n: turnExpected,
      m: () => { opacity.value = opacity.value > 0 ? 0 : 60; laid(); },
      ...Object.fromEntries(Object.entries(correct.keys).map(([key, act]) => [key, () => held && act()])),
    },
  };
}
