// Regions drawn on a picture: a line around a place makes one, or a drag from corner to corner a rectangle, as `tool` says
// ("outline", "rectangle"); corners can be moved, a press on it with Delete or
// Backspace takes it away. Coordinates are pixels of the picture as it was taken.

import { svg } from "./dom.js";

const NEAR = 14; // screen pixels within which a corner is caught: a fingertip
const ROUGHNESS = 3; // screen pixels by which a line may be off its corners
const SMALLEST = 8; // screen pixels a region has to span

/** Draws over `figure`, whose pictures fill it as `object-fit: contain` does. */
export function drawing(figure, changed = () => {}) {
  const board = svg("svg", { class: "layer drawn", "aria-hidden": "true" });
  let regions = [], size = null, line = null, moved = null, tool = "outline";
  figure.append(board);

  function at(event) {
    const matrix = board.getScreenCTM();
    const x = (event.clientX - matrix.e) / matrix.a, y = (event.clientY - matrix.f) / matrix.d;
    return [Math.max(0, Math.min(size.width, x)), Math.max(0, Math.min(size.height, y))];
  }

  const pixels = (count) => count / board.getScreenCTM().a;

  board.addEventListener("pointerdown", (event) => {
    if (!size || event.button !== 0) return;
    board.setPointerCapture(event.pointerId);
    const point = at(event);
    moved = cornerAt(regions, point, pixels(NEAR));
    if (!moved) line = [point];
    event.preventDefault();
  });
  board.addEventListener("pointermove", (event) => {
    if (moved) regions[moved.region][moved.corner] = at(event);
    else if (line) line.push(at(event));
    else return;
    draw();
  });
  board.addEventListener("pointerup", () => {
    if (line && spans(outlined(), pixels(SMALLEST))) regions.push(tool === "rectangle" ? outlined() : simplified(line, pixels(ROUGHNESS)));
    line = moved = null;
    draw();
    changed(regions);
  });

  const outlined = () => (tool === "rectangle" ? cornersOf(line[0], line.at(-1)) : line);

  function draw() {
    const polygons = regions.map((region) => svg("polygon", { points: region.join(" ") }));
    const corners = regions.flat().map(([x, y]) => svg("circle", { cx: x, cy: y, r: pixels(4) }));
    board.replaceChildren(...polygons, ...(line ? [svg(tool === "rectangle" ? "polygon" : "polyline", { points: outlined().join(" ") })] : []), ...corners);
  }

  return {
    /** Begin anew on a picture of that size. */
    begin(shown) {
      size = shown?.width ? { width: shown.width, height: shown.height } : null;
      regions = [];
      line = moved = null;
      if (size) board.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
      board.replaceChildren();
    },
    use(next) {
      if (!size) return;
      regions = next.map((region) => region.map((corner) => [...corner]));
      draw();
    },
    removeLast() { regions.pop(); draw(); changed(regions); },
    get regions() { return regions; },
    set tool(chosen) { tool = chosen; },
  };
}

/** The frames that the detector found, as regions to begin with. */
export const framesOf = (entry) =>
  entry.boxes.map(({ left, top, width, height }) => [[left, top], [left + width, top], [left + width, top + height], [left, top + height]]);

const cornersOf = ([ax, ay], [bx, by]) => [[ax, ay], [bx, ay], [bx, by], [ax, by]];

function cornerAt(regions, [x, y], near) {
  let best = null, least = near;
  regions.forEach((region, index) => region.forEach(([cx, cy], corner) => {
    const distance = Math.hypot(cx - x, cy - y);
    if (distance < least) [best, least] = [{ region: index, corner }, distance];
  }));
  return best;
}

function spans(line, least) {
  const xs = line.map(([x]) => x), ys = line.map(([, y]) => y);
  return line.length > 2 && Math.max(...xs) - Math.min(...xs) > least && Math.max(...ys) - Math.min(...ys) > least;
}

/** Douglas and Peucker's: fewer corners, none further than `rough` from the line that was drawn. */
export function simplified(line, rough) {
  const [first, last] = [line[0], line.at(-1)];
  let farthest = 0, most = 0;
  for (let index = 1; index < line.length - 1; index += 1) {
    const distance = fromSegment(line[index], first, last);
    if (distance > most) [farthest, most] = [index, distance];
  }
  if (most <= rough) return [first, last];
  return [...simplified(line.slice(0, farthest + 1), rough).slice(0, -1), ...simplified(line.slice(farthest), rough)];
}

function fromSegment([x, y], [ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay];
  const along = Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy || 1)));
  return Math.hypot(x - ax - along * dx, y - ay - along * dy);
}
