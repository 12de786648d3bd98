// What the station judges by.

import { get } from "../js/api.js";
import { fill, h } from "../js/dom.js";
import { number, percent, score, t } from "../js/words.js";

export function recipes(station) {
  const cards = h("div", { class: "cards" });
  const element = h("div", { class: "wide" }, h("h1", {}, t("tab.recipes")), cards);
  get("/recipes").then((found) => fill(cards, found.map(card))).catch((error) => fill(cards, h("p", { class: "problem" }, error.message)));
  fill(cards, station.system.recipes.map(card));
  return { element };
}

function card(recipe) {
  const rows = [
    ["detector", recipe.detector],
    ["threshold", score(recipe.threshold)],
    ["rate", percent(recipe.false_alarm_rate, 3)],
    ["rule", recipe.rule],
    ["held", number(recipe.held_out_images)],
    ["parts", recipe.parts.join(", ")],
    ["views", recipe.views.join(", ")],
    ["bundle", recipe.bundle_sha256.slice(0, 16)],
  ];
  return h("article", { class: "card" }, h("h2", {}, recipe.name),
    h("dl", { class: "facts" }, rows.filter(([, value]) => value).map(([name, value]) => [h("dt", {}, t(`recipes.${name}`)), h("dd", {}, value)])),
    h("p", { class: "promise", lang: "en" }, recipe.promise));
}
