// The page: what is at the top, which view is below it, and who hears of what happens at the station.
// No framework and no chart library: each view is built once from plain values, and charts are drawings with a few lines,
// so that there is nothing to vendor, to keep up to date, or to let past the content security policy.

import { get } from "./js/api.js";
import { fill, h, svg } from "./js/dom.js";
import { areOver, isUnseen, toBeSaid } from "./js/alarms.js";
import { couldBeKept } from "./js/facts.js";
import { listen, listenAnew } from "./js/stream.js";
import { LANGUAGES, language, speak, speakFirst, t } from "./js/words.js";
import { calibration } from "./views/calibration.js";
import { detail } from "./views/detail.js";
import { drift } from "./views/drift.js";
import { history } from "./views/history.js";
import { live } from "./views/live.js";
import { recipes } from "./views/recipes.js";
import { region } from "./views/region.js";
import { review } from "./views/review.js";
import { system } from "./views/system.js";

const VIEWS = { live, review, history, calibration, drift, recipes, system, inspection: detail, region };
const UNDER = { region: "recipes", inspection: "history" }; // views without a tab of their own
const TABS = ["live", "review", "history", "calibration", "drift", "recipes", "system"];
const THEME = "hizumi.theme";
const FIND_MS = 60_000; // between two looks whether the end of a drift has been said for long enough
const dark = matchMedia("(prefers-color-scheme: dark)");
const head = document.getElementById("head");
const main = document.getElementById("main");

/** What every view is given: the station's state, its events, and a voice for screen readers. */
const station = {
  system: null,
  isOpen: false,
  keeps: true, // whether the newest inspection and its picture could be kept
  alarms: [], // of drift, that have to be said, the oldest first
  listeners: new Map(),
  on(name, heard) {
    if (!this.listeners.has(name)) this.listeners.set(name, new Set());
    this.listeners.get(name).add(heard);
    return () => this.listeners.get(name).delete(heard);
  },
  tell(name, data) {
    for (const heard of this.listeners.get(name) ?? []) heard(data);
  },
  recipe(name) {
    return this.system.recipes.find((each) => each.name === name);
  },
  may(role) {
    const roles = ["read", "review", "admin"];
    return roles.indexOf(this.system.role) >= roles.indexOf(role);
  },
  async refresh() {
    this.system = await get("/system");
  },
  say(text) {
    document.getElementById("spoken").textContent = text;
  },
};

let view = { element: h("div") };
let tabs = [];
let finding = 0;

function open() {
  const [name, argument] = location.hash.slice(2).split(/[/?]/);
  if (name === "region" && station.recipe(argument) === undefined) {
    location.replace("#/recipes"); // there is nothing to draw on without a recipe; its own link has one
    return;
  }
  const known = name in VIEWS ? name : "live";
  view.close?.();
  view = VIEWS[known](station, argument ?? "");
  fill(main, view.element);
  main.className = known;
  document.title = `${t(`tab.${known}`)} – ${station.system.station} – hizumi`;
  markTabs();
}

/** Elements at the top stay while a language is spoken, so that no press or focus is lost to a change of view. */
function drawHead() {
  tabs = TABS.map((name) => h("a", { href: `#/${name}` }, t(`tab.${name}`)));
  const other = language === "en" ? "ja" : "en";
  fill(head,
    h("button", { class: "skip", onclick: () => main.focus() }, t("head.skip")),
    h("div", { class: "brand" }, brandmark(), h("b", {}, "hizumi"), h("span", {}, station.system.station)),
    h("nav", { "aria-label": t("head.views") }, tabs),
    h("div", { class: "tools" },
      h("span", { id: "link", role: "status" }),
      h("button", { class: "quiet", lang: other, onclick: () => change(other) }, LANGUAGES[other]),
      h("button", { class: "quiet icon", "aria-label": t("head.theme"), title: t("head.theme"), onclick: turnLight }, lightmark())));
  drawLink();
  markTabs();
}

/** Which view is open, how many alarms wait, and whether something is amiss with the log. */
function markTabs() {
  const current = TABS.indexOf(UNDER[main.className] ?? main.className);
  tabs.forEach((tab, index) => (index === current ? tab.setAttribute("aria-current", "page") : tab.removeAttribute("aria-current")));
  const unseen = station.alarms.filter(isUnseen).length;
  const count = unseen > 0 && h("span", { class: "count" }, String(unseen));
  fill(tabs[TABS.indexOf("drift")], t("tab.drift"), count);
  const amiss = !station.keeps && h("span", { class: "count", role: "img", "aria-label": t("live.not_kept"), title: t("live.not_kept") }, "!");
  fill(tabs[TABS.indexOf("system")], t("tab.system"), amiss);
  tabs[current]?.scrollIntoView({ block: "nearest", inline: "nearest" }); // a phone shows some of them at a time
}

function drawLink() {
  const link = document.getElementById("link");
  if (link === null) return;
  link.className = station.isOpen ? "open" : "lost";
  link.textContent = station.isOpen ? t("link.open") : t("link.lost");
}

async function change(chosen) {
  await speak(chosen, { remember: true });
  listenAnew();
  await station.refresh();
  drawHead();
  open();
  findAlarms(); // which the station words in the language they are asked for
}

function turnLight() {
  const chosen = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem(THEME, chosen);
  light();
}

function light() {
  document.documentElement.dataset.theme = localStorage.getItem(THEME) ?? (dark.matches ? "dark" : "light");
}

const brandmark = () =>
  svg("svg", { viewBox: "0 0 32 32", "aria-hidden": "true" },
    svg("path", { d: "M3 20h7c4 0 4-11 8-11s2 11 11 11", class: "wave" }));

const lightmark = () =>
  svg("svg", { viewBox: "0 0 32 32", "aria-hidden": "true" },
    svg("path", { d: "M16 5a11 11 0 1 0 0 22z" }), svg("circle", { cx: 16, cy: 16, r: 11, class: "rim" }));

function pressed(event) {
  const typing = event.target.closest?.("input:not([type=range], [type=checkbox]), textarea, select");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const act = view.keys?.[event.key];
  // Space and Enter belong to the control that has the focus.
  if (!act || ((event.key === " " || event.key === "Enter") && event.target.closest?.("button, a, input"))) return;
  event.preventDefault();
  act();
}

async function findAlarms() {
  clearTimeout(finding);
  const asked = station.system.recipes.map(({ name }) => get("/drift", { recipe: name }).catch(() => ({ alarms: [] })));
  const before = station.alarms;
  station.alarms = toBeSaid((await Promise.all(asked)).flatMap(({ alarms, recipe }) => alarms.map((alarm) => ({ ...alarm, recipe }))));
  if (station.alarms.filter(isUnseen).length > before.filter(isUnseen).length) station.say(t("drift.is_anomalous"));
  else if (areOver(before, station.alarms)) station.say(t("drift.is_good"));
  if (station.alarms.some(({ ended_at }) => ended_at)) finding = setTimeout(findAlarms, FIND_MS);
  markTabs();
  station.tell("alarms", station.alarms);
}

function noteKept(entry) {
  const keeps = couldBeKept(entry);
  if (keeps === station.keeps) return;
  station.keeps = keeps;
  if (!keeps) station.say(t("live.not_kept"));
  markTabs();
  station.tell("keeping", keeps);
}

light();
dark.addEventListener("change", light);
addEventListener("keydown", pressed);
await speakFirst(); // in which language the station is asked
await station.refresh();
drawHead();
open();
addEventListener("hashchange", open); // not before: a view needs the station's state
station.on("drift", findAlarms);
station.on("calibration", findAlarms); // another detector has other alarms
station.on("inspection", noteKept);
findAlarms();
listen(
  (name, data) => station.tell(name, data),
  (isOpen) => {
    if (isOpen === station.isOpen) return;
    station.isOpen = isOpen;
    drawLink();
    station.tell("link", isOpen);
  },
);
