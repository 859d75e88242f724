// Making elements. All text goes in as text nodes, never as HTML. Knows nothing of what is shown.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes, `on…` listeners and children; what is null, undefined or false is left out. */
export function h(tag, props = {}, ...children) {
  return filled(document.createElement(tag), props, children);
}

/** The same for SVG. */
export function s(tag, props = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), props, children);
}

function filled(node, props, children) {
  for (const [key, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...present(children));
  return node;
}

function present(children) {
  return children.flat(2).filter((child) => child !== null && child !== undefined && child !== false);
}

/** Put these children in place of the old ones. */
export function fill(node, ...children) {
  node.replaceChildren(...present(children));
}

const keys = new WeakMap();

/** Fill it with what `make` gives, only where `key` differs from last time: focus and selection stay. */
export function refill(node, key, make) {
  if (keys.get(node) === key) return;
  keys.set(node, key);
  fill(node, make());
}

/** Set a text only where it differs, so that nothing is laid out or read aloud again for nothing. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setData(node, key, value) {
  if (value === null || value === undefined || value === false) delete node.dataset[key];
  else if (node.dataset[key] !== String(value)) node.dataset[key] = value;
}

const PATHS = {
  alert: "M8 1.5 15 14H1z M8 6v4 M8 11.8v.4",
  ok: "M2.5 8.5 6.5 12.5 13.5 4",
  quiet: "M3 8h10",
  warn: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13z M8 4.5v4.5 M8 11v.4",
  bad: "M3.5 3.5l9 9 M12.5 3.5l-9 9",
};

/** A small sign beside a word. It is decoration: the word says it all. */
export function icon(name) {
  return s(
    "svg",
    { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" },
    s("path", { d: PATHS[name] ?? PATHS.quiet }),
  );
}

/** A word with its sign, in the colour of its tone: ok, warn, bad, alert or quiet. */
export function chip(tone, text) {
  return h("span", { class: "chip", "data-tone": tone }, icon(tone), h("span", {}, text));
}

/** A line across the view that tells how something went; tones are those of chips. */
export function notice(tone, ...content) {
  return h("p", { class: "notice", "data-tone": tone }, content);
}

/** What stands where there is nothing to show: what that means, and what to do. */
export function empty(title, ...more) {
  return h(
    "div",
    { class: "empty" },
    h("h2", {}, title),
    more.map((each) => (typeof each === "string" ? h("p", {}, each) : each)),
  );
}

/** Call `paint` at most once a frame and once in `every_ms`, however often the result is called. */
export function paced(paint, every_ms, signal) {
  let timer = 0;
  let last_ms = -Infinity;
  const run = () => {
    timer = 0;
    if (signal.aborted) return;
    last_ms = performance.now();
    paint();
  };
  return () => {
    if (timer || signal.aborted) return;
    timer = setTimeout(() => requestAnimationFrame(run), Math.max(0, last_ms + every_ms - performance.now()));
  };
}
