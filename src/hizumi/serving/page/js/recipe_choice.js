// Which recipe a view is about; shown only where there is a choice.

import { h } from "./dom.js";
import { t } from "./words.js";

const KEPT = "hizumi.recipe";

/** Let the next view be about this one. */
export const choose = (name) => localStorage.setItem(KEPT, name);

export function recipeChoice(station, changed) {
  const names = station.system.recipes.map(({ name }) => name);
  const kept = localStorage.getItem(KEPT);
  const choice = h("select", { onchange: () => { choose(choice.value); changed(); } },
    names.map((name) => h("option", { value: name, selected: name === kept }, name)));
  return { element: h("label", { class: "field", hidden: names.length < 2 }, h("span", {}, t("facts.recipe")), choice), get name() { return choice.value; } };
}
