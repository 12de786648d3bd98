// The scores that a limit rests on, and the limit among them, which can be moved.

import { svg } from "./dom.js";
import { scale } from "./scales.js";
import { score, t } from "./words.js";

const HEIGHT = 300;
const EDGE = { top: 34, right: 16, bottom: 46, left: 16 };
const ROWS = 26; // pixels for each row of reviewed ones
const BAR = 9; // pixels a bar is wide, about
const SPAN = 8; // from which on scores are drawn on a logarithmic axis

/** The axis of all these scores. */
export function axis({ scores, good, defects, threshold }, width) {
  const all = [...scores, ...good, ...defects, threshold].filter(Number.isFinite);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const logarithmic = low > 0 && high / Math.max(low, threshold / 4) > SPAN;
  const margin = logarithmic ? 0 : (high - low) * 0.04 || 1;
  const ends = logarithmic ? [low / 1.1, high * 1.1] : [low - margin, high + margin];
  return scale(ends, [EDGE.left, width - EDGE.right], { logarithmic });
}

/** The drawing; `proposed` is where the limit would go, null where it stays. */
export function histogram(state, proposed, width) {
  const across = axis(state, width);
  const floor = HEIGHT - EDGE.bottom - 2 * ROWS;
  const bars = binned(state.scores, across, width);
  const most = Math.max(1, ...bars.map(({ count }) => count));
  const tall = (count) => (count / most) * (floor - EDGE.top);
  const mark = (value, name, word, row, left) => {
    const x = across.at(value);
    return svg("g", { class: name }, svg("line", { x1: x, x2: x, y1: EDGE.top - 6, y2: HEIGHT - EDGE.bottom + 4 }),
      svg("text", { x: left ? x - 6 : x + 6, y: 14 + row * 15, "text-anchor": left ? "end" : "start" }, `${word} ${score(value)}`));
  };
  const nowIsRight = across.at(state.threshold) > width / 2; // its words are on the side with more room, else away from the new limit
  const dots = (values, name, row) => svg("g", { class: `dots ${name}` },
    svg("title", {}, t(`calibration.${name}`)),
    values.map((value) => (name === "good"
      ? svg("circle", { cx: across.at(value), cy: floor + row * ROWS - ROWS / 2 + 6, r: 5 })
      : svg("rect", { x: across.at(value) - 5, y: floor + row * ROWS - ROWS / 2 + 1, width: 10, height: 10, transform: `rotate(45 ${across.at(value)} ${floor + row * ROWS - ROWS / 2 + 6})` }))));
  return svg("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": t("calibration.chart") },
    bars.map(({ left, right, count }) => svg("rect", { class: "bin", x: left + 0.5, y: floor - tall(count), width: Math.max(1, right - left - 1), height: tall(count) })),
    svg("line", { class: "base", x1: EDGE.left, x2: width - EDGE.right, y1: floor, y2: floor }),
    dots(state.good, "good", 1), dots(state.defects, "defect", 2),
    across.ticks(Math.max(3, Math.floor(width / 120))).map((value) => svg("text", { class: "tick", x: across.at(value), y: HEIGHT - EDGE.bottom + 22, "text-anchor": "middle" }, score(value))),
    svg("text", { class: "tick", x: width - EDGE.right, y: HEIGHT - 6, "text-anchor": "end" }, t("calibration.axis")),
    mark(state.threshold, "limit-now", t("calibration.now"), 0, proposed === null ? nowIsRight : proposed > state.threshold),
    proposed !== null && mark(proposed, "limit-new", t("calibration.new"), 1, proposed <= state.threshold));
}

function binned(values, across, width) {
  const count = Math.max(8, Math.floor((width - EDGE.left - EDGE.right) / BAR));
  const step = (width - EDGE.left - EDGE.right) / count;
  const bins = Array.from({ length: count }, (_, index) => ({ left: EDGE.left + index * step, right: EDGE.left + (index + 1) * step, count: 0 }));
  for (const value of values) bins[Math.max(0, Math.min(count - 1, Math.floor((across.at(value) - EDGE.left) / step)))].count += 1;
  return bins.filter((bin) => bin.count > 0);
}
