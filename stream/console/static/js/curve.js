// Scores as SVG paths: gaps stay gaps, and no more points than pixels. Knows nothing of axes and people.

const GAP_S = 6; // and at least four times what lies between two points as a rule

/** The `d` of a path through [{time, value}], oldest first; `x` and `y` turn these into pixels. */
export function pathOf(points, x, y) {
  const gap_s = Math.max(GAP_S, 4 * usualStep(points));
  let d = "";
  let last = null;
  for (const { time, value } of thinned(points, x)) {
    if (value === null || value === undefined) {
      last = null;
      continue;
    }
    const joined = last !== null && time - last <= gap_s;
    d += `${joined ? "L" : "M"}${x(time).toFixed(1)} ${y(value).toFixed(1)}`;
    if (!joined) d += "h.01"; // a lone point is seen, too
    last = time;
  }
  return d;
}

/** Of the points of each two pixels the lowest and the highest, and one unknown. */
function thinned(points, x) {
  if (points.length < 2) return points;
  const pixels = Math.max(1, x(points.at(-1).time) - x(points[0].time));
  if (points.length < pixels * 2) return points;
  const kept = [];
  for (let at = 0; at < points.length;) {
    const column = Math.floor(x(points[at].time) / 2);
    let low = null;
    let high = null;
    let unknown = null;
    for (; at < points.length && Math.floor(x(points[at].time) / 2) === column; at++) {
      const point = points[at];
      if (point.value === null || point.value === undefined) unknown = point;
      else {
        if (low === null || point.value < low.value) low = point;
        if (high === null || point.value > high.value) high = point;
      }
    }
    const some = [low, high, unknown].filter((point, index, all) => point && all.indexOf(point) === index);
    kept.push(...some.sort((a, b) => a.time - b.time));
  }
  return kept;
}

function usualStep(points) {
  if (points.length < 3) return 0;
  const steps = points.slice(-40).map((point, at, all) => (at ? point.time - all[at - 1].time : 0));
  return steps.slice(1).sort((a, b) => a - b)[Math.floor((steps.length - 1) / 2)] ?? 0;
}

/** The index of the point nearest in time; -1 for none. */
export function nearest(points, time) {
  if (!points.length) return -1;
  let low = 0;
  let high = points.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle].time < time) low = middle + 1;
    else high = middle;
  }
  return low > 0 && time - points[low - 1].time < points[low].time - time ? low - 1 : low;
}
