// A person's word on an inspection: good, defect of a kind, unsure, or a word taken back.

import { post } from "./api.js";
import { fill, h } from "./dom.js";
import { shape } from "./verdict.js";
import { t } from "./words.js";

const KINDS = "hizumi.kinds";
const MOST = 9;
const LABELS = { g: "good", d: "defect", u: "unsure" };

/** The kinds of defect that were named before on this page, the first nine with a key each. */
export const kindsNamed = () => JSON.parse(localStorage.getItem(KINDS) ?? "[]").slice(0, MOST);

/**
 * Buttons and keys for one inspection at a time. `after(record)` hears what was said; `regions()` tells what was drawn.
 * A word counts for the picture that is seen, so it is refused, aloud, while the next one is on its way.
 */
export function reviewing(station, { after = () => {}, regions = () => null, notes = false } = {}) {
  const decided = []; // ids, the last one last
  let entry = null, turn = Promise.resolve(), storing = 0;
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const note = h("input", { type: "text", maxlength: 2000, "aria-label": t("review.note"), placeholder: t("review.note") });
  const kindName = h("input", { type: "text", maxlength: 100, "aria-label": t("review.kind_new"), placeholder: t("review.kind_new"),
    onkeydown: (event) => event.key === "Enter" && named() });
  const kinds = h("div", { class: "kinds" });
  const element = h("div", { class: "reviewing", role: "group", "aria-label": t("review.word") },
    h("div", { class: "labels" }, Object.entries(LABELS).map(([key, label]) =>
      h("button", { class: `label ${label}`, onclick: () => say(label), "aria-keyshortcuts": key }, shape(label), t(`label.${label}`), h("kbd", {}, key)))),
    kinds, notes && h("div", { class: "more" }, kindName, note), problem);

  function say(label, kind = "") {
    if (!station.may("review")) return complain(t("review.not_allowed"));
    if (storing > 0) return complain(t("review.storing"));
    if (!entry) return complain(t("review.not_shown"));
    const drawn = label === "defect" ? regions() : null;
    const said = { inspection_id: entry.id, label, kind, note: note.value, regions: drawn?.length ? drawn : null };
    inTurn(() => store(said));
  }

  function undo() {
    inTurn(() => {
      if (decided.length === 0) return complain(t("review.nothing_to_undo"));
      return store({ inspection_id: decided.at(-1), label: null, note: note.value });
    });
  }

  /** One after the other: however soon a word is taken back, it is the last one. */
  function inTurn(act) {
    storing += 1;
    turn = turn.then(act).catch((error) => complain(error.message)).finally(() => { storing -= 1; });
  }

  async function store(said) {
    const record = await post("/reviews", said);
    const { inspection_id: id, label } = said;
    decided.splice(0, decided.length, ...decided.filter((each) => each !== id), ...(label === null ? [] : [id]));
    if (note.value === said.note) note.value = ""; // not the next one's
    complain("");
    station.say(label === null ? t("review.undone") : t(`label.${label}`));
    after(record);
  }

  function named() {
    const name = kindName.value.trim();
    if (!name) return;
    localStorage.setItem(KINDS, JSON.stringify([...new Set([...kindsNamed(), name])].slice(0, MOST)));
    kindName.value = "";
    drawKinds();
    say("defect", name);
  }

  function numbered(index) {
    const name = kindsNamed()[index];
    if (name) say("defect", name);
    else complain(t("review.no_kind", { key: index + 1 }));
  }

  function drawKinds() {
    fill(kinds, kindsNamed().map((name, index) => h("button", { onclick: () => say("defect", name) }, name, h("kbd", {}, String(index + 1)))));
  }

  function complain(text) {
    problem.textContent = text;
    problem.hidden = text === "";
  }

  drawKinds();
  return {
    element,
    of: (next) => { entry = next; }, // null: none is seen
    undo,
    keys: {
      ...Object.fromEntries(Object.entries(LABELS).map(([key, label]) => [key, () => say(label)])),
      ...Object.fromEntries(Array.from({ length: MOST }, (_, index) => [String(index + 1), () => numbered(index)])),
    },
  };
}
