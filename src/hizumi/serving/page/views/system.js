// How the station does: whether it takes pictures, what waits, what could not be kept.

import { get } from "../js/api.js";
import { fill, h } from "../js/dom.js";
import { shape } from "../js/verdict.js";
import { number, t } from "../js/words.js";

const EVERY_MS = 5000;

export function system(station) {
  const cards = h("div", { class: "cards" });
  const element = h("div", { class: "wide" }, h("h1", {}, t("tab.system")), cards);

  async function ask() {
    try {
      draw(await get("/system"));
    } catch (error) {
      fill(cards, h("p", { class: "problem", role: "alert" }, error.message));
    }
  }

  function draw(state) {
    const { readiness } = state, { deliveries, delivery_troubles: troubles } = readiness;
    const lost = readiness.entries_not_kept + readiness.pictures_not_kept;
    fill(cards,
      card("taking", readiness.ready, h("p", {}, readiness.ready ? t("system.ready") : t("system.not_ready")),
        [["in_flight", `${number(readiness.in_flight)} / ${number(readiness.waiting_limit)}`]]),
      card("memory", lost === 0, h("p", {}, lost === 0 ? t("system.all_kept") : readiness.reason),
        [["entries", number(readiness.entries_not_kept)], ["pictures", number(readiness.pictures_not_kept)]]),
      card("sources", Object.values(readiness.sources).every((trouble) => !trouble), h("p", {}, t("system.http")),
        Object.entries(readiness.sources).map(([name, trouble]) => [name, trouble || t("system.fine")])),
      card("deliveries", Object.keys(troubles).length === 0 && Object.values(deliveries).every(([, given]) => given === 0),
        Object.keys(deliveries).length ? Object.entries(troubles).map(([name, trouble]) => h("p", {}, `${name}: ${trouble}`)) : h("p", {}, t("system.no_sinks")),
        Object.entries(deliveries).map(([name, [waiting, given]]) => [name, t("system.backlog", { waiting: number(waiting), given: number(given) })])),
      card("you", true, h("p", {}, t("system.role", { name: state.you, role: t(`role.${state.role}`) })),
        [["station", state.station], ["version", state.version]]));
  }

  ask();
  const asking = setInterval(ask, EVERY_MS);
  return { element, close: () => clearInterval(asking) };
}

function card(name, isWell, words, rows) {
  return h("article", { class: "card" }, h("h2", {}, shape(isWell ? "normal" : "unjudged"), t(`system.${name}`)),
    words,
    h("dl", { class: "facts" }, rows.map(([key, value]) => [h("dt", {}, key in NAMES ? t(`system.${key}`) : key), h("dd", {}, value)])));
}

const NAMES = { in_flight: 1, entries: 1, pictures: 1, station: 1, version: 1 };
