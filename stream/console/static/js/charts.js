// Scores over time to look at and to step through, with a pointer or by keyboard. Knows nothing of where they come
// from.

import { nearest, pathOf } from "./curve.js";
import { fill, h, s } from "./dom.js";
import { clock, minute } from "./time.js";

const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
const LEFT = 30;
const BOTTOM = 20;
const TOP = 6;

/** A curve without axes, for a tile. */
export class Sparkline {
  #curve = s("path", { class: "curve" });
  #line = s("line", { class: "threshold", x1: 0, x2: 200, "vector-effect": "non-scaling-stroke" });
  #over = s("rect", { class: "over", x: 0, y: 0, width: 200 });
  node = s(
    "svg",
    { class: "spark", viewBox: "0 0 200 40", preserveAspectRatio: "none", "aria-hidden": "true" },
    this.#over,
    this.#line,
    this.#curve,
  );

  constructor() {
    this.#curve.setAttribute("vector-effect", "non-scaling-stroke");
  }

  draw(points, from, until, threshold) {
    const x = (time) => (200 * (time - from)) / (until - from);
    const y = (value) => 38.5 - 37 * value;
    const seen = points.slice(Math.max(0, points.findIndex((point) => point.time >= from) - 1));
    const shown = points.length && points.at(-1).time >= from ? seen : [];
    this.#curve.setAttribute(
      "d",
      pathOf(
        shown.map(({ time, score, held }) => ({ time, value: held ? null : score })),
        x,
        y,
      ),
    );
    this.#line.setAttribute("y1", y(threshold));
    this.#line.setAttribute("y2", y(threshold));
    this.#over.setAttribute("height", Math.max(0, y(threshold)));
  }
}

/**
 * With axes, events and a cursor. `draw` takes
 * {from, until, thresholds: [value], series: [{kind, points: [{time, value}]}], spans: [{from, until, severity, href}]}
 * and the cursor steps through the first series. `describe(time)` gives the lines of text for it, and `choose(time)` is
 * called when a moment is clicked, or Enter pressed on it.
 */
export class Chart {
  #height;
  #describe;
  #tick;
  #choose;
  #shown = null;
  #at = -1;
  #plot = s("g");
  #cursor = s("g", { class: "cursor" });
  #svg = s("svg", { "aria-hidden": "true" }, this.#plot, this.#cursor);
  #tip = h("div", { class: "tip", hidden: true });
  node;

  constructor({ label, describe, choose = () => {}, height = 200, tick = null }) {
    this.#height = height;
    this.#describe = describe;
    this.#tick = tick;
    this.#choose = choose;
    this.node = h(
      "div",
      {
        class: "chart",
        role: "slider",
        tabindex: 0,
        "aria-label": label,
        "aria-valuemin": 0,
        "aria-valuemax": 0,
        "aria-valuenow": 0,
        "aria-valuetext": "no scores yet",
      },
      this.#svg,
      this.#tip,
    );
    new ResizeObserver(() => this.#paint()).observe(this.node);
    this.node.addEventListener("pointermove", (event) => this.#point(event));
    this.node.addEventListener("pointerleave", () => document.activeElement === this.node || this.#stop());
    this.node.addEventListener("blur", () => this.#stop());
    this.node.addEventListener("focus", () => this.#at < 0 && this.#go(this.#points.length - 1));
    this.node.addEventListener("keydown", (event) => this.#key(event));
    this.node.addEventListener("click", (event) => this.#open(event));
  }

  draw(what) {
    const time = this.#at >= 0 ? this.#points[this.#at]?.time : null;
    this.#shown = what;
    this.#paint();
    if (time !== null && time !== undefined) this.#go(nearest(this.#points, time));
    else this.#say();
  }

  get #points() {
    return this.#shown?.series[0]?.points ?? [];
  }

  #paint() {
    const width = this.node.clientWidth;
    if (!this.#shown || width < 40) return;
    const { from, until, series, thresholds = [], spans = [] } = this.#shown;
    const { x, y } = this.#scales(width);
    this.#svg.setAttribute("viewBox", `0 0 ${width} ${this.#height}`);
    this.#svg.setAttribute("height", this.#height);
    const floor = y(0);
    fill(
      this.#plot,
      [0, 0.5, 1].map((value) => [
        s("line", { class: "grid", x1: LEFT, x2: width, y1: y(value), y2: y(value) }),
        s("text", { class: "axis", x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, String(value)),
      ]),
      this.#ticks(from, until, width).map((time) => [
        s("line", { class: "grid", x1: x(time), x2: x(time), y1: floor, y2: floor + 4 }),
        s(
          "text",
          {
            class: "axis",
            x: x(time),
            y: this.#height - 3,
            "text-anchor": x(time) < LEFT + 20 ? "start" : x(time) > width - 20 ? "end" : "middle",
          },
          this.#tickText(time, until - from),
        ),
      ]),
      spans
        .filter((span) => (span.until ?? until) > from && span.from < until)
        .map((span) => {
          const left = Math.max(LEFT, x(span.from));
          const right = Math.min(width, x(span.until ?? until));
          return s(
            "g",
            { class: "span", "data-severity": span.severity },
            s("rect", { x: left, y: TOP, width: Math.max(2, right - left), height: floor - TOP }),
            s("rect", { class: "cap", x: left, y: TOP, width: Math.max(2, right - left), height: 4 }),
          );
        }),
      this.#unknowns(x, floor),
      thresholds.map((value, at) =>
        s("line", { class: "threshold", "data-nth": at, x1: LEFT, x2: width, y1: y(value), y2: y(value) }),
      ),
      series
        .map(({ kind, points }) =>
          s("path", { class: "curve", "data-kind": kind, d: pathOf(this.#inside(points), x, y) }),
        )
        .reverse(),
    );
    this.#mark();
  }

  #scales(width) {
    const { from, until } = this.#shown;
    const inner = width - LEFT - 2;
    return {
      x: (time) => LEFT + (inner * (time - from)) / Math.max(0.001, until - from),
      y: (value) => TOP + (this.#height - BOTTOM - TOP) * (1 - value),
    };
  }

  #inside(points) {
    const { from, until } = this.#shown;
    return points.filter((point) => point.time >= from && point.time <= until);
  }

  /** Unknown is not zero: it is a hatched foot of the chart. */
  #unknowns(x, floor) {
    const bars = [];
    let began = null;
    const points = this.#inside(this.#points);
    points.forEach((point, at) => {
      const unknown = point.value === null || point.value === undefined;
      if (unknown && began === null) began = point.time;
      const ends = began !== null && (!unknown || at === points.length - 1);
      if (!ends) return;
      bars.push(
        s("rect", {
          class: "unknown",
          x: x(began),
          y: floor - 6,
          width: Math.max(3, x(point.time) - x(began)),
          height: 6,
        }),
      );
      began = null;
    });
    return bars;
  }

  #ticks(from, until, width) {
    const most = Math.max(2, Math.floor(width / 90));
    const step = STEPS_S.find((each) => (until - from) / each <= most) ?? STEPS_S.at(-1);
    const ticks = [];
    for (let time = Math.ceil(from / step) * step; time <= until; time += step) ticks.push(time);
    return ticks;
  }

  #tickText(time, length_s) {
    return this.#tick ? this.#tick(time) : length_s < 240 ? clock(time) : minute(time);
  }

  #point(event) {
    const box = this.node.getBoundingClientRect();
    if (!this.#shown) return;
    const { from, until } = this.#shown;
    const share = (event.clientX - box.left - LEFT) / (box.width - LEFT - 2);
    this.#go(nearest(this.#points, from + share * (until - from)));
  }

  #open(event) {
    const box = this.node.getBoundingClientRect();
    if (!this.#shown) return;
    const { from, until, spans = [] } = this.#shown;
    const time = from + ((event.clientX - box.left - LEFT) / (box.width - LEFT - 2)) * (until - from);
    const span = spans.find((each) => each.href && each.from <= time && time <= (each.until ?? until));
    if (span) location.hash = span.href;
    else this.#choose(time);
  }

  #key(event) {
    if (event.key === "Enter" && this.#points[this.#at]) return this.#choose(this.#points[this.#at].time);
    const last = this.#points.length - 1;
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 60, PageDown: -60 };
    const to = { Home: 0, End: last }[event.key] ?? (event.key in steps ? this.#at + steps[event.key] : null);
    if (to === null || last < 0) return;
    event.preventDefault();
    event.stopPropagation();
    this.#go(Math.max(0, Math.min(last, to)));
  }

  #go(at) {
    this.#at = at;
    this.#mark();
    this.#say();
  }

  #stop() {
    this.#at = -1;
    this.#mark();
  }

  #mark() {
    const width = this.node.clientWidth;
    const point = this.#points[this.#at];
    this.#tip.hidden = !point;
    fill(this.#cursor);
    if (!point || !this.#shown) return;
    const { x, y } = this.#scales(width);
    const left = x(point.time);
    fill(
      this.#cursor,
      s("line", { x1: left, x2: left, y1: TOP, y2: y(0) }),
      point.value === null || point.value === undefined ? null : s("circle", { cx: left, cy: y(point.value), r: 4 }),
    );
    fill(
      this.#tip,
      this.#describe(point.time).map((line) => h("span", {}, line)),
    );
    const wide = this.#tip.offsetWidth;
    this.#tip.style.left = `${Math.max(0, Math.min(width - wide, left > width / 2 ? left - wide - 10 : left + 10))}px`;
  }

  #say() {
    const at = this.#at < 0 ? this.#points.length - 1 : this.#at;
    const point = this.#points[at];
    this.node.setAttribute("aria-valuemax", Math.max(0, this.#points.length - 1));
    this.node.setAttribute("aria-valuenow", Math.max(0, at));
    this.node.setAttribute("aria-valuetext", point ? this.#describe(point.time).join(". ") : "no scores yet");
  }
}
