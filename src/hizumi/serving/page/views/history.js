// What was inspected, newest first, by what is asked for.

import { addressOf, get } from "../js/api.js";
import { fill, h } from "../js/dom.js";
import { thumbnail } from "../js/thumbnails.js";
import { badge, verdictOf } from "../js/verdict.js";
import { day, number, score, t } from "../js/words.js";

const ASKED = 50;
const MOST = 500; // that the station gives at once
const PATIENCE_MS = 300; // after the last letter
const LOOK_MS = 1000; // between two looks for new ones
const left = { asked: {}, count: 0, id: null }; // what was asked for; rows, and the one that was opened of them

export function history(station, asked) {
  if (asked) left.asked = Object.fromEntries(new URLSearchParams(asked));
  const isChoice = station.system.recipes.length > 1;
  const rows = h("tbody", {});
  const words = h("p", { class: "hint", role: "status" });
  const more = h("button", { hidden: true, onclick: () => ask({ before: next }) }, t("history.more"));
  const news = h("button", { class: "news", hidden: true, onclick: showNew });
  const filters = fields(station, left.asked, () => { clearTimeout(waiting); waiting = setTimeout(() => ask(), PATIENCE_MS); });
  const table = h("div", { class: "table", hidden: true, tabindex: "0", role: "region", "aria-label": t("tab.history") },
    h("table", {}, header(isChoice), rows));
  const csv = h("a", { class: "button", download: "" }, t("history.csv"));
  const element = h("div", { class: "wide" }, h("div", { class: "head" }, h("h1", {}, t("tab.history")), csv), filters.element, h("div", { class: "row between shown" }, words, news), table, more);
  let next = null, waiting = 0, looking = 0, question = new AbortController();

  async function ask({ before = null, limit = ASKED } = {}) {
    question.abort();
    question = new AbortController();
    try {
      const asked = filters.values();
      csv.href = addressOf("/inspections.csv", asked);
      window.history.replaceState(null, "", addressOf("#/history", filters.typed())); // which can be kept, or sent to somebody
      const page = await get("/inspections", { ...asked, limit, before }, question.signal);
      const drawn = page.inspections.map((entry) => row(entry, page.reviews[entry.id], isChoice));
      if (before) rows.append(...drawn);
      else { fill(rows, drawn); news.hidden = true; }
      next = page.next;
      more.hidden = next === null;
      const count = rows.children.length;
      table.hidden = count === 0;
      if (count) words.textContent = t("history.shown", { count: number(count) });
      else words.textContent = t(Object.values(asked).some(Boolean) ? "history.none" : "history.empty");
    } catch (error) {
      if (error.name !== "AbortError") words.textContent = error.message;
    }
  }

  /** Something came that may fit: the rows stay where they are, and a button tells how many there are above them. */
  function heard() {
    looking ||= setTimeout(look, LOOK_MS);
  }

  async function look() {
    try {
      const { signal } = question;
      const { inspections } = await get("/inspections", { ...filters.values(), limit: ASKED }, signal);
      const known = new Set([...rows.children].map((each) => each.dataset.id)), oldest = rows.lastElementChild?.dataset.id ?? "";
      const count = inspections.filter(({ id }) => !known.has(id) && id > oldest).length;
      if (known.size === 0 && count > 0) ask();
      else if (!signal.aborted) {
        news.hidden = count === 0;
        news.textContent = t(count < ASKED ? "history.new" : "history.new_many", { count: number(count) });
      }
    } catch {
      // The next picture is another chance.
    } finally {
      looking = 0;
    }
  }

  async function showNew() {
    await ask();
    rows.querySelector("a")?.focus();
  }

  /** As it was left; where somebody comes back from one inspection, with its row in sight. */
  async function begin() {
    await ask({ limit: Math.min(MOST, Math.max(ASKED, left.count)) });
    const opened = [...rows.children].find((each) => each.dataset.id === left.id);
    opened?.scrollIntoView({ block: "center" });
    opened?.querySelector("a").focus({ preventScroll: true });
  }

  function close() {
    offs.forEach((off) => off());
    clearTimeout(waiting);
    clearTimeout(looking);
    question.abort();
    const [, id = null] = /^#\/inspection\/(\w+)/.exec(location.hash) ?? [];
    Object.assign(left, { asked: filters.typed(), count: id ? rows.children.length : 0, id });
  }

  const offs = [station.on("inspection", heard), station.on("missed", heard), station.on("link", heard)];
  begin();
  return { element, close };
}

function fields(station, before, changed) {
  const choice = (name, values) => h("label", {}, h("span", {}, t(`history.${name}`)),
    h("select", { name, onchange: changed }, h("option", { value: "" }, t("history.all")), values.map(([value, word]) => h("option", { value, selected: value === before[name] }, word))));
  const input = (name, type) => h("label", {}, h("span", {}, t(`history.${name}`)), h("input", { name, type, value: before[name] ?? "", oninput: changed, maxlength: 200 }));
  const element = h("form", { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
    choice("verdict", ["normal", "anomalous", "unjudged"].map((kind) => [kind, t(`verdict.${kind}`)])),
    choice("reviewed", [["true", t("history.reviewed_yes")], ["false", t("history.reviewed_no")]]),
    station.system.recipes.length > 1 && choice("recipe", station.system.recipes.map(({ name }) => [name, name])),
    input("since", "datetime-local"), input("until", "datetime-local"), input("text", "search"));
  const typed = () => Object.fromEntries(new FormData(element));
  return {
    element,
    typed,
    values() {
      const values = typed();
      // What is typed is the reader's own time; the station counts in UTC.
      for (const name of ["since", "until"]) if (values[name]) values[name] = new Date(values[name]).toISOString();
      return values;
    },
  };
}

const COLUMNS = ["picture", "time", "verdict", "review", "name", "recipe", "part", "score", "p"];

/** The recipe only where there is a choice. */
const header = (isChoice) => h("thead", {}, h("tr", {}, COLUMNS.filter((name) => isChoice || name !== "recipe").map((name) => h("th", { scope: "col", class: name }, t(`history.${name}`)))));

function row(entry, review, isChoice) {
  const { element, show } = thumbnail();
  show(entry.id);
  return h("tr", { "data-id": entry.id, onclick: () => { location.hash = `#/inspection/${entry.id}`; } },
    h("td", { class: "picture" }, element),
    h("td", {}, h("a", { href: `#/inspection/${entry.id}` }, day(entry.inspected_at))),
    h("td", {}, badge(verdictOf(entry))),
    h("td", {}, review?.label ? badge(review.label, [t(`label.${review.label}`), review.kind].filter(Boolean).join(": ")) : "–"),
    h("td", { class: "name", title: entry.name }, entry.name), isChoice && h("td", { class: "name", title: entry.recipe }, entry.recipe), h("td", { class: "name part", title: entry.part }, entry.part),
    h("td", { class: "figure" }, score(entry.score)), h("td", { class: "figure" }, score(entry.p_value)));
}
