// A question before something is done that others would notice.

import { h } from "./dom.js";
import { t } from "./words.js";

/** Whether somebody has said yes; Escape is no. */
export function agreed(title, words, yes) {
  return new Promise((answer) => {
    const dialog = h("dialog", { "aria-labelledby": "asked", onclose: () => { dialog.remove(); answer(dialog.returnValue === "yes"); } },
      h("form", { method: "dialog" }, h("h2", { id: "asked" }, title), words.map((each) => h("p", {}, each)),
        h("div", { class: "row" }, h("button", { value: "yes", class: "main" }, yes), h("button", { value: "", autofocus: true }, t("asking.no")))));
    document.body.append(dialog);
    dialog.showModal();
  });
}
