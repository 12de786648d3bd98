// The counters of a shift, which begins when somebody says so.

import { get } from "./api.js";
import { fill, h } from "./dom.js";
import { shape, verdictOf } from "./verdict.js";
import { hour, number, percent, t } from "./words.js";

const BEGAN = "hizumi.shift";
const KINDS = ["normal", "anomalous", "unjudged"];

export function counters() {
  const counts = { normal: 0, anomalous: 0, unjudged: 0 };
  const cells = Object.fromEntries(KINDS.map((kind) => [kind, h("b", {})]));
  const rate = h("span", { class: "rate" });
  const since = h("span", {});
  const element = h("div", { class: "shift" },
    h("p", {}, since, h("button", { class: "quiet", onclick: anew }, t("shift.anew"))),
    h("ul", {}, KINDS.map((kind) => h("li", { class: kind }, shape(kind), cells[kind], h("span", {}, t(`verdict.${kind}`))))), rate);

  const began = () => localStorage.getItem(BEGAN) ?? midnight();

  async function begin() {
    Object.assign(counts, await get("/counts", { since: began() }));
    draw();
  }

  function anew() {
    localStorage.setItem(BEGAN, new Date().toISOString());
    for (const kind of KINDS) counts[kind] = 0;
    draw();
  }

  function draw() {
    const all = KINDS.reduce((sum, kind) => sum + counts[kind], 0);
    for (const kind of KINDS) cells[kind].textContent = number(counts[kind]);
    fill(rate, all ? t("shift.rate", { share: percent(counts.anomalous / all) }) : "");
    since.textContent = t("shift.since", { time: hour(began()) });
  }

  return { element, begin, draw, count: (entry) => { counts[verdictOf(entry)] += 1; } };
}

function midnight() {
  const today = new Date();
  today.setHours(0, 0, 0, 0);
  return today.toISOString();
}
