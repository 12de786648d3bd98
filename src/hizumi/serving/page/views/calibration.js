// Where the limit lies, and what another one would do, before it does it.

import { get, post } from "../js/api.js";
import { fill, h } from "../js/dom.js";
import { axis, histogram } from "../js/histogram.js";
import { recipeChoice } from "../js/recipe_choice.js";
import { sized } from "../js/sized.js";
import { thumbnail } from "../js/thumbnails.js";
import { shape } from "../js/verdict.js";
import { day, number, percent, said, score, t } from "../js/words.js";

const SHOWN = 8; // of the pictures whose verdict would change
const PATIENCE_MS = 150; // after the last move of the slider
const STEPS = 1000;
const THUMB = 8; // pixels by which the slider's own ends lie inside of it
const JOINS = ["sample", "reviewed", "keep", "none"];
const WAYS = ["threshold", "false_alarm_rate", "cost"];

export function calibration(station) {
  const recipe = recipeChoice(station, begin);
  const now = h("div", { class: "now" }), outcome = h("div", { class: "outcome", role: "status" }), past = h("ol", { class: "past" });
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const slider = h("input", { type: "range", min: 0, max: STEPS, step: 1, disabled: true, "aria-label": t("calibration.slider"), oninput: slid });
  const chart = sized((width) => { placeSlider(width); return histogram(state, proposed, width); }, { class: "plot" });
  const why = h("textarea", { rows: 2, maxlength: 2000, required: true, placeholder: t("calibration.why"), "aria-label": t("calibration.why"), oninput: () => allow() });
  const apply = h("button", { class: "main", type: "submit", disabled: true }, t("calibration.apply"));
  const undo = h("button", { class: "quiet", type: "button", onclick: () => send("undo", {}) }, t("calibration.undo"));
  const form = h("form", { class: "apply", onsubmit: (event) => { event.preventDefault(); send("apply", { join: join.value, ...wish }); } }, why, h("div", { class: "row" }, apply, undo));
  const drawn = h("p", { role: "status" });
  const share = h("input", { name: "share", type: "number", min: 0, max: 100, step: "any", required: true });
  const sampleWhy = h("input", { type: "text", maxlength: 2000, required: true, placeholder: t("calibration.sample_reason"), "aria-label": t("calibration.sample_reason") });
  const setSample = h("button", {}, t("calibration.sample_set"));
  const sample = h("form", { class: "sample", onsubmit: (event) => { event.preventDefault(); takeSample(); } },
    h("label", { class: "field" }, h("span", {}, t("calibration.sample_share")), share), sampleWhy, setSample);
  const join = h("select", { onchange: () => wish && ask(wish) }, JOINS.map((each) => h("option", { value: each }, t(`calibration.join_${each}`))));
  const ways = chooser((next) => ask(next));
  const element = h("div", { class: "wide" }, h("div", { class: "head" }, h("h1", {}, t("tab.calibration")), recipe.element), problem,
    h("div", { class: "calibration-grid" },
      h("section", { class: "card", "aria-label": t("calibration.chart") }, legend(), chart.element, slider, h("div", { class: "row between" }, ways.element, h("label", { class: "field" }, h("span", {}, t("calibration.join")), join)), now),
      h("section", { class: "card", "aria-label": t("calibration.outcome") }, h("h2", {}, t("calibration.outcome")), outcome, form)),
    h("div", { class: "calibration-grid" },
      h("section", { class: "card" }, h("h2", {}, t("calibration.past")), past),
      h("section", { class: "card" }, h("h2", {}, t("calibration.sample")), h("p", { class: "hint" }, t("calibration.sample_why")), drawn, sample)));
  let state = { scores: [], good: [], defects: [], threshold: 0, sample_share: 0 }, proposed = null, wish = null, waiting = 0;
  let question = new AbortController(), loading = new AbortController(), shareShown = "";

  /** Forget what was asked, and show the limit in use. */
  function begin() {
    question.abort();
    clearTimeout(waiting);
    proposed = wish = null;
    why.value = "";
    shareShown = share.value;
    fill(outcome, h("p", { class: "hint" }, t("calibration.move")));
    allow();
    return load();
  }

  /** Show the limit in use; what was asked or typed meanwhile stays. */
  async function load() {
    loading.abort();
    loading = new AbortController();
    try {
      state = await get("/calibration", { recipe: recipe.name }, loading.signal);
      draw();
    } catch (error) {
      if (error.name !== "AbortError") complain(error);
    }
  }

  /** Somebody has moved the limit: what is asked would do something else now. */
  async function moved() {
    await load();
    if (wish) ask(wish);
  }

  function draw() {
    fill(now, h("p", {}, t("calibration.promise_now")), h("p", { class: "promise" }, said(state.promise)));
    fill(past, state.changes.length ? state.changes.map(event) : h("li", { class: "hint" }, t("calibration.never")));
    drawSample();
    undo.disabled = !state.parent_sha256 || !station.may("admin");
    slider.disabled = false;
    chart.again();
    allow();
  }

  function slid() {
    const width = chart.element.clientWidth;
    proposed = axis(state, width).value(THUMB + (slider.value / STEPS) * (width - 2 * THUMB));
    chart.again();
    clearTimeout(waiting);
    waiting = setTimeout(() => ask({ threshold: proposed }), PATIENCE_MS);
  }

  function placeSlider(width) {
    const place = ((axis(state, width).at(proposed ?? state.threshold) - THUMB) / (width - 2 * THUMB)) * STEPS;
    if (document.activeElement !== slider) slider.value = place;
    slider.setAttribute("aria-valuetext", score(proposed ?? state.threshold));
  }

  async function ask(next) {
    question.abort();
    question = new AbortController();
    try {
      const preview = await post("/calibration/preview", { recipe: recipe.name, join: join.value, ...next }, question.signal);
      wish = next;
      proposed = preview.after.value;
      complain(null);
      fill(outcome, consequences(preview));
      station.say(t("calibration.previewed", { threshold: score(preview.after.value) }));
      chart.again();
    } catch (error) {
      if (error.name === "AbortError") return;
      wish = null;
      complain(error);
    }
    allow();
  }

  async function send(what, asked) {
    if (!why.value.trim()) return why.reportValidity();
    try {
      await post(`/calibration/${what}`, { recipe: recipe.name, ...asked, why: why.value.trim() });
      await Promise.all([begin(), station.refresh()]);
      outcome.prepend(h("p", { class: "done" }, t(`calibration.done_${what}`))); // which is read aloud, too
    } catch (error) {
      complain(error);
    }
  }

  /** From now on chance chooses another share of pictures for review. */
  async function takeSample() {
    try {
      const set = await post("/calibration/sample", { recipe: recipe.name, share: Number(share.value) / 100, why: sampleWhy.value.trim() });
      state.sample_share = set.share;
      shareShown = share.value;
      sampleWhy.value = "";
      complain(null);
      drawSample();
    } catch (error) {
      complain(error);
    }
  }

  function drawSample() {
    drawn.textContent = state.sample_share > 0 ? t("calibration.sample_now", { share: percent(state.sample_share, 2) }) : t("calibration.sample_off");
    if (share.value === shareShown) share.value = shareShown = String(Number((100 * state.sample_share).toPrecision(6))); // not over what is being typed
    for (const field of [share, sampleWhy, setSample]) field.disabled = !station.may("admin");
  }

  function allow() {
    apply.disabled = wish === null || !why.value.trim() || !station.may("admin");
  }

  function complain(error) {
    problem.hidden = error === null;
    problem.textContent = error?.message ?? "";
  }

  begin();
  const off = station.on("calibration", moved);
  return { element, close() { off(); clearTimeout(waiting); chart.close(); question.abort(); loading.abort(); } };
}

const legend = () => h("ul", { class: "legend" },
  h("li", {}, h("i", { class: "bin" }), t("calibration.held")), h("li", { class: "good" }, h("i", { class: "dot" }), t("calibration.good")), h("li", { class: "defect" }, h("i", { class: "diamond" }), t("calibration.defect")));

/** Three ways to say which limit is wished for. */
function chooser(asked) {
  const fields = h("form", { class: "row", onsubmit: (submitted) => { submitted.preventDefault(); asked(wish()); } });
  const entry = (name, value, step) => h("label", { class: "field" }, h("span", {}, t(`calibration.${name}`)), h("input", { name, type: "number", value, step, min: 0, required: true }));
  const contents = {
    threshold: () => [],
    false_alarm_rate: () => [entry("percent", 1, "any"), h("button", {}, t("calibration.preview"))],
    cost: () => [entry("cost_miss", 100, "any"), entry("cost_alarm", 1, "any"), entry("defect_share", 1, "any"), h("button", {}, t("calibration.preview"))],
  };
  let chosen = "threshold";

  function wish() {
    const values = Object.fromEntries([...new FormData(fields)].map(([name, value]) => [name, Number(value)]));
    if (chosen === "false_alarm_rate") return { false_alarm_rate: values.percent / 100 };
    return { ...values, defect_share: values.defect_share / 100 };
  }

  const buttons = WAYS.map((way) => h("button", { class: "quiet", type: "button", "aria-pressed": String(way === chosen), onclick: () => choose(way) }, t(`calibration.by_${way}`)));
  function choose(way) {
    chosen = way;
    buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(WAYS[index] === way)));
    fill(fields, contents[way]());
  }

  choose(chosen);
  return { element: h("div", { class: "ways" }, h("div", { class: "row", role: "group", "aria-label": t("calibration.by") }, buttons), fields) };
}

/** What the preview says, with what happens to reviewed parts before and after. */
function consequences(preview) {
  const changes = preview.would_be_good + preview.would_be_anomalous;
  return [
    h("p", { class: "step" }, h("span", {}, score(preview.before.value)), " → ", h("b", {}, score(preview.after.value))),
    h("ul", { class: "turns" },
      h("li", { class: "normal" }, shape("normal"), h("b", {}, number(preview.would_be_good)), h("span", {}, t("calibration.would_be_good"))),
      h("li", { class: "anomalous" }, shape("anomalous"), h("b", {}, number(preview.would_be_anomalous)), h("span", {}, t("calibration.would_be_anomalous")))),
    h("p", { class: "hint" }, changes ? t("calibration.of_past", { count: number(preview.past) }) : t("calibration.no_changes", { count: number(preview.past) })),
    preview.changed.length > 0 && h("div", { class: "changed" }, preview.changed.slice(0, SHOWN).map(example)),
    shares("of_sample", preview.of_sample), shares("of_reviewed", preview.of_reviewed),
    h("h3", {}, t("calibration.promise")), h("ul", { class: "promise" }, preview.guarantee.map(({ words }) => h("li", {}, words))),
  ];
}

function example(id) {
  const { element, show } = thumbnail();
  show(id);
  return h("a", { href: `#/inspection/${id}`, "aria-label": t("calibration.example") }, element);
}

/** How many good parts are flagged and how many defects missed, of those that somebody reviewed. */
function shares(name, [before, after]) {
  if (after.good + after.defects === 0) return null;
  const row = (word, count, former, of, [low, high]) => of > 0 && h("tr", {}, h("th", { scope: "row" }, t(`calibration.${word}`)),
    h("td", { class: "figure" }, number(former)), h("td", { class: "figure" }, h("b", {}, number(count)), ` / ${number(of)}`),
    h("td", { class: "figure hint" }, `${percent(low)} – ${percent(high)}`));
  return h("table", { class: "shares" }, h("caption", {}, t(`calibration.${name}`)),
    h("thead", {}, h("tr", {}, h("td", {}), ["now", "new", "interval"].map((column) => h("th", { scope: "col", class: "figure" }, t(`calibration.${column}`))))),
    h("tbody", {}, row("false_alarms", after.false_alarms, before.false_alarms, after.good, after.false_alarm_interval),
      row("missed", after.missed, before.missed, after.defects, after.missed_interval)));
}

const event = (each) => h("li", {}, h("b", {}, `${each.who}, ${day(each.happened_at)}`),
  h("span", {}, `${score(each.details.threshold_before)} → ${score(each.details.threshold_after)}`), h("p", {}, each.why));
