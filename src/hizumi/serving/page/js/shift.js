// The counters of a shift, which begins when somebody says so.

import { get } from "./api.js";
import { fill, h } from "./dom.js";
import { shape, verdictOf } from "./verdict.js";
import { hour, number, percent, t } from "./words.js";

const BEGAN = "hizumi.shift";
const NEWEST = 250; // more than the station keeps for a listener that is slow
const KINDS = ["normal", "anomalous", "unjudged"];

export function counters() {
  const counts = { normal: 0, anomalous: 0, unjudged: 0 };
  const cells = Object.fromEntries(KINDS.map((kind) => [kind, h("b", {})]));
  const rate = h("span", { class: "rate" });
  const since = h("span", {});
  const element = h("div", { class: "shift" },
    h("p", {}, h("span", {}, since, rate), h("button", { class: "quiet", onclick: anew }, t("shift.anew"))),
    h("ul", {}, KINDS.map((kind) => h("li", { class: kind }, shape(kind), cells[kind], h("span", {}, t(`verdict.${kind}`))))));

  const began = () => localStorage.getItem(BEGAN) ?? midnight();

  let asked = 0, counted = new Set(), heard = null;

  /** Ask the log. What is heard meanwhile, or soon after, may or may not be counted in its answer: its ids tell. */
  async function begin() {
    const own = (asked += 1);
    heard ??= [];
    try {
      const { newest, ...verdicts } = await get("/counts", { since: began(), newest: NEWEST });
      if (own !== asked) return;
      counted = new Set(newest);
      Object.assign(counts, verdicts);
      heard.splice(0).forEach(add);
      draw();
    } finally {
      if (own === asked) heard = null;
    }
  }

  function count(entry) {
    heard?.push(entry);
    add(entry);
  }

  function add(entry) {
    if (!counted.delete(entry.id)) counts[verdictOf(entry)] += 1;
  }

  function anew() {
    localStorage.setItem(BEGAN, new Date().toISOString());
    for (const kind of KINDS) counts[kind] = 0;
    draw();
    begin().catch(() => {});
  }

  function draw() {
    const all = KINDS.reduce((sum, kind) => sum + counts[kind], 0);
    for (const kind of KINDS) cells[kind].textContent = number(counts[kind]);
    fill(rate, all ? t("shift.rate", { share: percent(counts.anomalous / all) }) : "");
    since.textContent = t("shift.since", { time: hour(began()) });
  }

  return { element, begin, draw, count };
}

function midnight() {
  const today = new Date();
  today.setHours(0, 0, 0, 0);
  return today.toISOString();
}
