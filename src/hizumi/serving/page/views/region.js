// A region of interest, drawn on a recipe's last picture. What is drawn changes no verdict here: scores would be others, and
// neither the limit nor what it promises would hold for them. It is taken along as a mask, which another fit takes.

import { get } from "../js/api.js";
import { fill, h, svg } from "../js/dom.js";
import { drawing } from "../js/drawing.js";
import { layers } from "../js/layers.js";
import { covered, maskOf } from "../js/mask.js";
import { percent, t } from "../js/words.js";

const LONGEST = 2400;
const TOOLS = ["rectangle", "outline"];
const MEANINGS = { roi: "--roi", ignore: "--ignore-region" };
const SIDES = ["left", "top", "width", "height"];

export function region(station, name) {
  const recipe = station.recipe(name);
  const picture = layers({ longest: LONGEST });
  const shade = svg("svg", { class: "layer shade", "aria-hidden": "true" });
  picture.element.append(shade);
  const board = drawing(picture.element, drawn);
  let meaning = "roi";
  [board.tool] = TOOLS;
  const end = new AbortController();

  const share = h("p", { class: "share", role: "status" }), command = h("code", {});
  const download = h("button", { class: "main", disabled: true, onclick: save }, t("region.download"));
  const next = h("ol", { class: "steps" }, h("li", {}, t("region.step_download"), download),
    h("li", {}, t("region.step_fit"), h("pre", { tabindex: 0 }, command)), h("li", {}, t("region.step_reload")));
  const tools = choice(TOOLS, (tool) => { board.tool = tool; }, "region.tool", (tool) => t(`region.tool_${tool}`));
  const meanings = choice(Object.keys(MEANINGS), (each) => { meaning = each; drawn(); }, "region.meaning", (each) => t(`region.meaning_${each}`));
  const numbers = Object.fromEntries(SIDES.map((side) => [side, h("input", { type: "number", min: 0, step: 1, required: true, name: side })]));
  const exact = h("form", { class: "exact", onsubmit: (event) => { event.preventDefault(); add(); } },
    SIDES.map((side) => h("label", { class: "field" }, h("span", {}, t(`region.${side}`)), numbers[side])), h("button", {}, t("region.add")));
  const element = h("div", { class: "review-grid region" },
    h("section", { class: "stage", "aria-label": t("live.picture") }, picture.element,
      h("div", { class: "tools" }, tools, h("button", { class: "quiet", onclick: () => board.removeLast() }, t("region.remove")),
        h("span", { class: "hint" }, t("region.draw")))),
    h("section", { class: "panel", "aria-label": t("region.title", { recipe: name }) },
      h("a", { class: "back", href: "#/recipes" }, t("region.back")), h("h1", {}, t("region.title", { recipe: name })), meanings, share,
      h("details", {}, h("summary", {}, t("region.numbers")), exact), next, h("p", { class: "hint" }, t("region.why")),
      recipe?.is_aligned && h("p", { class: "problem", role: "alert" }, t("region.aligned"))));

  const file = () => `${name}-${meaning}.png`; // names of recipes are plain

  function drawn() {
    const { regions } = board, size = picture.shown;
    download.disabled = regions.length === 0 || !size?.width || recipe?.is_aligned === true;
    const line = ["hizumi", "fit", t("region.photos"), MEANINGS[meaning], file(), "-o", `${name}.hizumi`];
    fill(command, line.map((word, index) => [index ? " " : "", h("span", {}, word)])); // no line ends inside of --roi
    if (!size?.width) return;
    const part = covered(regions, size);
    const looked = meaning === "roi" ? part : 1 - part;
    share.textContent = regions.length ? t("region.share", { share: percent(looked, 1) }) : t("region.none");
    shadeOutside(shade, regions, size, meaning);
  }

  function add() {
    const [left, top, width, height] = SIDES.map((side) => Number(numbers[side].value)), size = picture.shown;
    const right = Math.min(size.width, left + width), bottom = Math.min(size.height, top + height);
    if (right <= left || bottom <= top) {
      share.textContent = t("region.outside");
      return;
    }
    board.use([...board.regions, [[left, top], [right, top], [right, bottom], [left, bottom]]]);
    drawn();
  }

  async function save() {
    const link = h("a", { href: URL.createObjectURL(await maskOf(board.regions, picture.shown)), download: file() });
    link.click();
    URL.revokeObjectURL(link.href);
    station.say(t("region.downloaded", { file: file() }));
  }

  async function begin() {
    const { inspections } = await get("/inspections", { recipe: name, verdict: "normal", limit: 1 }, end.signal);
    if (inspections.length === 0) {
      fill(next, h("li", { class: "hint" }, t("region.no_picture")));
      return;
    }
    await picture.show({ ...inspections[0], boxes: [] }, end.signal);
    board.begin(picture.shown);
    drawn();
  }

  drawn();
  begin().catch((error) => fill(next, h("li", {}, h("p", { class: "problem", role: "alert" }, error.message))));
  return { element, close: () => end.abort(), keys: { Backspace: () => board.removeLast(), Delete: () => board.removeLast() } };
}

/** Buttons of which one is pressed; the first to begin with. */
function choice(values, chosen, label, word) {
  const buttons = values.map((value) => h("button", { class: "quiet", onclick: () => press(value) }, word(value)));
  function press(value) {
    buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(values[index] === value)));
    chosen(value);
  }
  buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(index === 0)));
  return h("div", { class: "row", role: "group", "aria-label": t(label) }, buttons);
}

/** Darken what is not looked at. */
function shadeOutside(shade, regions, { width, height }, meaning) {
  shade.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const whole = { width, height, x: 0, y: 0 }, [outside, inside] = meaning === "roi" ? ["white", "black"] : ["black", "white"];
  shade.replaceChildren(
    svg("mask", { id: "looked", maskUnits: "userSpaceOnUse", ...whole }, svg("rect", { ...whole, fill: outside }),
      regions.map((each) => svg("polygon", { points: each.join(" "), fill: inside }))),
    svg("rect", { ...whole, mask: "url(#looked)", hidden: regions.length === 0 }));
}
