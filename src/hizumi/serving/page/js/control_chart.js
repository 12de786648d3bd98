// One measure over time between its limits.

import { h, svg } from "./dom.js";
import { chartTitle, explanation, unitWords } from "./drift_words.js";
import { scale } from "./scales.js";
import { sized } from "./sized.js";
import { clock, score, t } from "./words.js";

const HEIGHT = 170;
const EDGE = { top: 12, right: 76, bottom: 24, left: 10 };

export function control(chart, { heading, alarmed }) {
  const drawing = sized((width) => drawn(chart, width), { class: "plot" });
  const element = h("article", { class: `card chart ${alarmed ? "anomalous" : ""}` },
    h("h2", {}, chartTitle(chart, heading), h("span", { class: "hint" }, unitWords(chart.unit))), drawing.element,
    !heading && h("p", { class: "hint" }, explanation(chart)));
  return { element, close: drawing.close };
}

function drawn(chart, width) {
  const { points, centre, lower, upper } = chart;
  const values = [...points.map(({ value }) => value), centre, lower, upper].filter(Number.isFinite);
  const [low, high] = values.length ? [Math.min(...values), Math.max(...values)] : [0, 1];
  const margin = (high - low) * 0.08 || 1;
  const down = scale([low - margin, high + margin], [HEIGHT - EDGE.bottom, EDGE.top]);
  const across = scale([0, Math.max(1, points.length - 1)], [EDGE.left, width - EDGE.right]);
  const place = ({ value }, index) => `${across.at(index).toFixed(1)},${down.at(value).toFixed(1)}`;
  const line = (value, name, word) => Number.isFinite(value) && svg("g", { class: name },
    svg("line", { x1: EDGE.left, x2: width - EDGE.right, y1: down.at(value), y2: down.at(value) }),
    svg("text", { x: width - EDGE.right + 6, y: down.at(value) + 4 }, score(value)), svg("title", {}, word));
  const last = points.at(-1);
  const label = last ? t("drift.latest", { value: score(last.value), count: points.length }) : t("drift.no_points");
  return svg("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": label },
    line(centre, "centre", t("drift.centre")), line(lower, "bound", t("drift.lower")), line(upper, "bound", t("drift.upper")),
    svg("polyline", { class: "series", points: points.map(place).join(" ") }),
    points.map((point, index) => point.alarmed && svg("rect", { class: "out", x: across.at(index) - 3, y: down.at(point.value) - 3, width: 6, height: 6 })),
    last && svg("circle", { class: "last", cx: across.at(points.length - 1), cy: down.at(last.value), r: 4 }),
    points.length > 0 && [svg("text", { class: "tick", x: EDGE.left, y: HEIGHT - 6 }, clock(points[0].at)),
      svg("text", { class: "tick", x: width - EDGE.right, y: HEIGHT - 6, "text-anchor": "end" }, clock(last.at))]);
}
