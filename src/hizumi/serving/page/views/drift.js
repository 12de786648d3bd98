// Whether lamp, lens or parts have changed: a chart of each measure with its limits, and the alarms with who saw to them.

import { isUnseen, seenBy, standing, stateOf } from "../js/alarms.js";
import { addressOf, get, post } from "../js/api.js";
import { fill, h, refill } from "../js/dom.js";
import { control } from "../js/control_chart.js";
import { title } from "../js/drift_words.js";
import { recipeChoice } from "../js/recipe_choice.js";
import { shape } from "../js/verdict.js";
import { day, number, t } from "../js/words.js";

const EVERY_MS = 10_000; // how often charts are asked for anew
const FIRST = "ewma"; // of each measure's charts the one that shows most in one look

export function drift(station) {
  const recipe = recipeChoice(station, ask);
  const words = h("p", { class: "hint", role: "status" }), alarms = h("div", { class: "alarms" }), charts = h("div", { class: "charts" });
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const csv = h("a", { class: "button", download: "" }, t("drift.csv"));
  const measures = h("div", { class: "measures", role: "group", "aria-label": t("drift.measures") });
  const element = h("div", { class: "wide" }, h("div", { class: "head" }, h("h1", {}, t("tab.drift")), h("div", { class: "row" }, recipe.element, csv)), problem, words, alarms, measures, charts);
  const end = new AbortController();
  let chosen = "", drawn = [], noting = false, latest = null;

  async function ask() {
    csv.href = addressOf("/drift/alarms.csv", { recipe: recipe.name });
    try {
      draw(await get("/drift", { recipe: recipe.name }, end.signal));
    } catch (error) {
      if (error.name !== "AbortError" && !latest) fill(charts, h("p", { class: "problem", role: "alert" }, error.message));
    }
  }

  function draw(state) {
    latest = state;
    words.textContent = state.words;
    if (!noting) refill(alarms, [state.alarms, state.changes], () => [...state.alarms].reverse().map(alarm));
    const said = state.alarms.filter((each) => isUnseen(each) || !each.ended_at);
    const alarmed = new Set(said.flatMap((each) => [...each.moved.map(({ measure }) => measure), ...each.charts.map((name) => measureOf({ name }))]));
    // What gave alarm, and what has moved with it, comes first.
    const ordered = [...state.charts].sort((a, b) => alarmed.has(measureOf(b)) - alarmed.has(measureOf(a)));
    const names = [...new Set(ordered.map(measureOf))];
    refill(measures, [names, chosen, [...alarmed]], () => ordered.length > 0 && ["", ...names].map((name) => h("button", { class: "quiet", "aria-pressed": String(name === chosen), onclick: () => { chosen = name; draw(latest); } },
      alarmed.has(name) && shape("anomalous"), name ? title(name) : t("drift.overview"))));
    drawn.forEach((each) => each.close());
    drawn = ordered.filter((chart) => (chosen ? measureOf(chart) === chosen : isOverview(chart, ordered)))
      .map((chart) => control(chart, { heading: chosen === "", alarmed: alarmed.has(measureOf(chart)) }));
    fill(charts, drawn.length ? drawn.map((each) => each.element) : h("p", { class: "hint" }, t("drift.no_charts")));
  }

  function alarm(each) {
    const note = h("input", { type: "text", maxlength: 2000, placeholder: t("drift.note"), "aria-label": t("drift.note"), onfocus: () => { noting = true; }, onblur: () => { noting = false; } });
    const change = latest.changes.find(({ alarm_id }) => alarm_id === each.id);
    return h("article", { class: `card alarm ${stateOf(each)}` },
      h("h2", {}, standing(each)),
      h("p", {}, each.words),
      h("p", { class: "hint" }, t("drift.when", { raised: day(each.raised_at), since: day(each.since), count: number(each.pictures) })),
      each.reminders > 0 && h("p", { class: "hint" }, t("drift.reminded", { count: number(each.reminders), when: day(each.reminded_at) })),
      change ? h("p", { class: "hint" }, t("drift.accepted", { who: change.who, when: day(change.at) }))
        : each.ended_at && h("p", { class: "hint" }, t("drift.back_since", { when: day(each.ended_at) })),
      !isUnseen(each) ? h("p", { class: "hint" }, seenBy(each, day))
        : station.may("review") && h("form", { class: "row", onsubmit: (event) => { event.preventDefault(); acknowledge(each.id, note.value); } }, note, h("button", { class: "main" }, t("drift.acknowledge")),
          station.may("admin") && h("button", { type: "button", class: "quiet", onclick: () => accept(each.id, note.value) }, t("drift.accept"))));
  }

  async function acknowledge(id, note) {
    await told(() => post("/drift/acknowledge", { alarm_id: id, note, recipe: recipe.name }));
  }

  /** The alarm is seen to, and what has changed is normal from now on. */
  async function accept(id, note) {
    await told(async () => {
      await post("/drift/acknowledge", { alarm_id: id, note, recipe: recipe.name });
      await post("/drift/accept", { note, recipe: recipe.name });
    });
  }

  async function told(tell) {
    problem.hidden = true;
    try {
      await tell();
    } catch (error) {
      problem.hidden = false;
      problem.textContent = error.message;
    }
    noting = false;
    station.tell("drift", {});
  }

  ask();
  const asking = setInterval(ask, EVERY_MS);
  const off = station.on("drift", ask);
  return { element, close() { off(); clearInterval(asking); drawn.forEach((each) => each.close()); end.abort(); } };
}

const measureOf = ({ name }) => name.split(".")[0];
const kindOf = ({ name }) => name.split(".")[1];

/** In the overview each measure has one chart: the moving average, or where it has none the only one. */
const isOverview = (chart, all) => kindOf(chart) === FIRST || !all.some((other) => measureOf(other) === measureOf(chart) && kindOf(other) === FIRST);
