// A picture with what lies over it: the anomaly map, the frames that were found, and what people drew.

import { mapOf, normalOf, picture, pictureOf } from "./api.js";
import { fill, h, svg } from "./dom.js";
import { couldBeKept } from "./facts.js";
import { t } from "./words.js";

/**
 * `show(entry)` resolves once the picture is seen, or what stands in its place, or another one was asked for, which is
 * never overtaken by it. All layers share one box, so that they fit each other at any size.
 */
export function layers({ longest }) {
  const photo = h("img", { class: "layer", alt: "" });
  const map = h("img", { class: "layer map", alt: "", hidden: true });
  const expected = h("img", { class: "layer", alt: "", hidden: true });
  const frames = svg("svg", { class: "layer", "aria-hidden": "true" });
  const words = h("p", { class: "instead", hidden: true });
  const element = h("figure", { class: "layers" }, photo, expected, map, frames, words);
  let shown = null, wanted = null;

  async function show(entry, signal) {
    wanted = entry;
    try {
      const found = await picture(pictureOf(entry.id, longest), signal);
      if (wanted !== entry) return URL.revokeObjectURL(found.url);
      await put(photo, found.url);
      if (wanted !== entry) return;
      say("");
      frames.setAttribute("viewBox", `0 0 ${found.width} ${found.height}`);
      fill(frames, entry.boxes.map(frame));
      shown = { ...entry, width: found.width, height: found.height };
      photo.alt = t("picture.alt", { name: entry.name });
    } catch (error) {
      if (signal?.aborted || wanted !== entry) return;
      shown = { ...entry, width: 0, height: 0 };
      photo.removeAttribute("src");
      fill(frames);
      say(t(!couldBeKept(entry) ? "picture.not_kept" : entry.pruned_at ? "picture.pruned" : "picture.missing"));
    }
    map.hidden = expected.hidden = true;
    element.dataset.id = entry.id;
  }

  /** Lay the map over the picture that is shown; resolves to whether there is one. */
  const showMap = (signal) => over(map, mapOf, signal);

  /** Put the expected picture in place of the one shown. */
  const showExpected = (signal) => over(expected, normalOf, signal);

  async function over(image, path, signal) {
    const { id } = shown ?? {};
    if (!id) return false;
    try {
      const { url } = await picture(path(id), signal);
      if (shown.id !== id) {
        URL.revokeObjectURL(url);
        return false;
      }
      await put(image, url);
      if (shown.id === id) image.hidden = false;
      return true;
    } catch {
      return false;
    }
  }

  function say(text) {
    words.hidden = text === "";
    words.textContent = text;
  }

  return {
    element,
    show,
    showMap,
    showExpected,
    hideExpected: () => { expected.hidden = true; },
    opacity: (share) => map.style.setProperty("opacity", share),
    get shown() { return shown; },
  };
}

/** Show an image by an address that is released as soon as it is decoded. */
export async function put(image, url) {
  image.src = url;
  try {
    await image.decode();
  } finally {
    URL.revokeObjectURL(url);
  }
}

function frame(box) {
  const { left, top, width, height } = box;
  return svg("rect", { x: left, y: top, width, height, class: "frame" });
}
