// Drawings that are made anew for the width they have.

import { h } from "./dom.js";

/** An element that holds what `draw(width)` returns; `again()` draws at once. */
export function sized(draw, attributes = {}) {
  const element = h("div", attributes);
  let width = 0;
  const again = () => { if (width > 0) element.replaceChildren(draw(width)); };
  const watch = new ResizeObserver(([{ contentRect }]) => {
    if (Math.round(contentRect.width) === width) return;
    width = Math.round(contentRect.width);
    again();
  });
  watch.observe(element);
  return { element, again, close: () => watch.disconnect() };
}
