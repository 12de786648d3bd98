// Elements from plain values. Text is only ever set as text, so that nobody's file name or note becomes markup.

const SVG = "http://www.w3.org/2000/svg";
const madeFrom = new WeakMap(); // elements: JSON

/** An element: `on…` functions listen, `style` is an object of CSS properties, true and false set bare attributes. */
export function h(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** An element of a drawing. */
export function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

/** Put these children in place of all that an element held. */
export function fill(element, ...children) {
  element.replaceChildren(...nodes(children));
  return element;
}

/** `fill`, where what the children are made of has changed: no press is to meet a button that is just being replaced. */
export function refill(element, from, make) {
  const now = JSON.stringify(from);
  if (madeFrom.get(element) === now) return;
  madeFrom.set(element, now);
  fill(element, make());
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [property, each] of Object.entries(value)) element.style.setProperty(property, each);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...nodes(children));
  return element;
}

function nodes(children) {
  return children.flat(3).filter((child) => child !== null && child !== undefined && child !== false);
}
