// Where a value lies on an axis, and which values are worth a tick.

/** A scale from values to pixels and back. Logarithmic where values span too much for a straight one. */
export function scale([low, high], [from, to], { logarithmic = false } = {}) {
  const bend = logarithmic ? Math.log : (value) => value;
  const unbend = logarithmic ? Math.exp : (value) => value;
  const [a, b] = [bend(low), bend(high)];
  const across = b - a || 1;
  return {
    at: (value) => from + ((bend(Math.max(value, logarithmic ? low : value)) - a) / across) * (to - from),
    value: (pixel) => unbend(a + ((pixel - from) / (to - from)) * across),
    ticks: (count) => (logarithmic ? logarithmicTicks(low, high) : straightTicks(low, high, count)),
  };
}

function straightTicks(low, high, count) {
  const rough = (high - low) / count || 1;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * [1, 2, 5, 10].find((factor) => factor * unit >= rough);
  const ticks = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step / 1e6; value += step) ticks.push(Math.abs(value) < step / 1e6 ? 0 : value);
  return ticks;
}

function logarithmicTicks(low, high) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1)
    for (const factor of [1, 2, 5]) {
      const value = factor * 10 ** power;
      if (value >= low && value <= high) ticks.push(value);
    }
  return ticks;
}
