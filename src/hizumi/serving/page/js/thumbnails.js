// Small pictures, fetched two at a time; those that are no longer wanted are not fetched at all.

import { picture, pictureOf } from "./api.js";
import { h } from "./dom.js";
import { put } from "./layers.js";

const AT_ONCE = 2;
const LONGEST = 160;
let waiting = new Map();
let running = 0;

/** An image that shows an inspection's picture as soon as its turn comes, which for `isNew` ones is the next. */
export function thumbnail() {
  const image = h("img", { class: "thumbnail", alt: "", hidden: true });
  return { element: image, show: (id, { isNew = false } = {}) => want(image, id, isNew) };
}

function want(image, id, isNew) {
  if (image.dataset.id === id) return;
  image.dataset.id = id;
  image.hidden = true;
  waiting.delete(image);
  if (isNew) waiting = new Map([[image, id], ...waiting]);
  else waiting.set(image, id);
  turn();
}

async function turn() {
  if (running >= AT_ONCE || waiting.size === 0) return;
  const [[image, id]] = waiting;
  waiting.delete(image);
  running += 1;
  try {
    const { url } = await picture(pictureOf(id, LONGEST));
    if (image.dataset.id === id) {
      await put(image, url);
      image.hidden = image.dataset.id !== id;
    } else {
      URL.revokeObjectURL(url);
    }
  } catch {
    // No picture was kept: its verdict is shown all the same.
  }
  running -= 1;
  turn();
}
