// What the station judges by, and another bundle in its place.

import { get, post } from "../js/api.js";
import { agreed } from "../js/asking.js";
import { fill, h } from "../js/dom.js";
import { either, number, percent, said, score, t } from "../js/words.js";

const HASH = 12; // of its digits that people compare

export function recipes(station) {
  const cards = h("div", { class: "cards" });
  const element = h("div", { class: "wide" }, h("h1", {}, t("tab.recipes")), cards);

  async function begin() {
    try {
      draw(await get("/recipes"));
    } catch (error) {
      fill(cards, h("p", { class: "problem", role: "alert" }, error.message));
    }
  }

  function draw(found, told = {}) {
    fill(cards, found.map((recipe) => card(recipe, station.may("admin") && ((what) => exchange(recipe, what)), told[recipe.name])));
  }

  /** Another bundle, once somebody has agreed; what became of it is said on the recipe's card. */
  async function exchange(recipe, what) {
    const values = { recipe: recipe.name, bundle: recipe.bundle_sha256.slice(0, HASH), before: (recipe.bundle_before ?? "").slice(0, HASH) };
    const words = [t(`recipes.${what}_why`, values), t("recipes.meanwhile")];
    if (!(await agreed(t(`recipes.${what}_title`, values), words, t(`recipes.${what}`)))) return;
    let told;
    try {
      const now = await post(`/recipes/${recipe.name}/${what}`, {});
      told = h("p", { class: "done", role: "status" }, outcome(recipe, now));
      await station.refresh();
    } catch (error) {
      told = h("p", { class: "problem", role: "alert" }, t("recipes.refused"), t("facts.between_sentences"), error.message);
    }
    draw(await get("/recipes"), { [recipe.name]: told });
    station.say(told.textContent);
  }

  begin();
  return { element };
}

/** Whether the bundle is another one, and where its limit lies. */
function outcome(before, now) {
  if (before.bundle_sha256 === now.bundle_sha256) return t("recipes.unchanged");
  return t("recipes.changed", { bundle: now.bundle_sha256.slice(0, HASH), before: score(before.threshold), now: score(now.threshold) });
}

function card(recipe, exchange, told) {
  const rows = [
    ["detector", recipe.detector],
    ["threshold", score(recipe.threshold)],
    ["rate", recipe.false_alarm_rate === null ? null : percent(recipe.false_alarm_rate, 3)],
    ["rule", either(`rule.${recipe.rule}`, recipe.rule)],
    ["held", number(recipe.held_out_images)],
    ["region", recipe.has_region ? t("recipes.region_some") : t("recipes.region_all")],
    ["parts", recipe.parts.join(", ")],
    ["views", recipe.views.join(", ")],
    ["bundle", recipe.bundle_sha256.slice(0, HASH)],
  ];
  return h("article", { class: "card" }, h("h2", {}, recipe.name),
    h("dl", { class: "facts" }, rows.filter(([, value]) => value).map(([name, value]) => [h("dt", {}, t(`recipes.${name}`)), h("dd", {}, value)])),
    h("p", { class: "promise" }, said(recipe.promise)), told,
    h("div", { class: "row" }, h("a", { class: "button", href: `#/region/${recipe.name}` }, t("recipes.draw")),
      exchange && [h("button", { class: "quiet", onclick: () => exchange("reload") }, t("recipes.reload")),
        h("button", { class: "quiet", disabled: !recipe.bundle_before, onclick: () => exchange("rollback") }, t("recipes.rollback"))]));
}
