// All cameras at once, with what is going on. Knows nothing of how pictures come.

import { ask, cameraPath, query } from "./api.js";
import { empty, fill, h, paced, setText } from "./dom.js";
import { EventList } from "./events.js";
import { onKeys } from "./keys.js";
import { Pictures } from "./pictures.js";
import { newestFirst } from "./store.js";
import { CURVE_S, leading, Tile } from "./tile.js";
import { now } from "./time.js";
import { count, stateOf } from "./words.js";

const LATEST = 12;
const PAINT_EVERY_MS = 500;
const CURVES_AT_ONCE = 2; // HTTP/1.1 allows six connections, and the stream and pictures need most of them
const ALERTS_EVERY_MS = 100; // alerts come first

export const title = () => "Wall";

export function show(main, _route, { store, mayChange }, signal) {
  const pictures = new Pictures(signal);
  const tiles = new Map();
  const summary = h("p", { class: "soft counted" });
  const publish = h("a", { href: "/publish", class: "publish", hidden: true }, "Use this device as a camera");
  const grid = h("ul", { class: "tiles" });
  const latest = new EventList();
  const rail = h(
    "aside",
    { class: "rail", "aria-labelledby": "latest" },
    h("h2", { id: "latest" }, "Latest alerts"),
    latest.node,
  );
  const body = h("div", { class: "wall-body" }, h("section", { "aria-label": "Cameras" }, grid), rail);
  fill(main, h("div", { class: "wall" }, h("div", { class: "head" }, h("h1", {}, "Wall"), summary, publish), body));
  const dirty = new Set();

  const paint = paced(
    () => {
      for (const name of dirty) {
        const camera = store.cameras.get(name);
        if (camera)
          tiles.get(name)?.paint(camera, store.points(name, leading(camera).name), store.open(name)[0], store.words);
      }
      dirty.clear();
    },
    PAINT_EVERY_MS,
    signal,
  );

  const paintLatest = paced(
    () => {
      const events = [...store.events.values()].sort(newestFirst).slice(0, LATEST);
      latest.paint(events, {
        nothing: h("p", { class: "soft" }, "Nothing has happened yet. Alerts appear here as they come."),
      });
    },
    ALERTS_EVERY_MS,
    signal,
  );

  function arrange() {
    if (!store.loaded)
      return fill(
        grid,
        store.problem
          ? h(
              "li",
              { class: "wide" },
              empty(store.problem.title, store.problem.detail, "It is tried again every few seconds."),
            )
          : waiting(),
      );
    if (!tiles.size) fill(grid);
    for (const [name, tile] of tiles) if (!store.cameras.has(name)) (tile.remove(), tiles.delete(name));
    for (const name of store.cameras.keys()) {
      if (!tiles.has(name)) tiles.set(name, new Tile(name, pictures));
      if (!tiles.get(name).node.isConnected) grid.append(tiles.get(name).node);
      dirty.add(name);
    }
    if (!tiles.size) fill(grid, h("li", { class: "wide" }, noCameras()));
    grid.dataset.many = tiles.size <= 1 ? "one" : tiles.size <= 4 ? "few" : tiles.size <= 9 ? "some" : "many";
    setText(summary, summaryOf([...store.cameras.values()]));
    publish.hidden = !(mayChange && [...store.cameras.values()].some(({ source }) => source.startsWith("webrtc://")));
    paint();
  }

  /** The curves begin with what was before this page was opened: of a few cameras at a time. */
  function fetchCurves() {
    const curves = [...store.cameras.values()].flatMap((camera) =>
      camera.definitions.map((each) => [camera, each.name]),
    );
    const fetchSome = async () => {
      for (let next; !signal.aborted && (next = curves.shift());) {
        const [{ name }, definition] = next;
        if (store.points(name, definition)[0]?.time < now() - CURVE_S + 5) continue;
        const asked = `${cameraPath(name)}/timeline${query({ since: now() - CURVE_S, definition })}`;
        const found = await ask(asked, { signal }).catch(() => null);
        if (found) store.remember(name, definition, found.points);
      }
    };
    for (let each = 0; each < CURVES_AT_ONCE; each++) fetchSome();
  }

  const look = (name) => (dirty.add(name), paint());
  store.addEventListener("cameras", arrange, { signal });
  store.addEventListener("camera", ({ detail }) => look(detail), { signal });
  store.addEventListener("score", ({ detail }) => look(detail), { signal });
  store.addEventListener("event", ({ detail }) => (look(detail.event.camera), paintLatest()), { signal });
  store.addEventListener("reset", paintLatest, { signal });
  arrange();
  paintLatest();
  if (store.loaded) fetchCurves();
  else store.addEventListener("cameras", fetchCurves, { signal, once: true });

  const move = (columns) => () => {
    const links = [...tiles.values()].map((tile) => tile.link);
    const at = links.indexOf(document.activeElement);
    const step = columns ? columns * rowLength(grid) : 0;
    const next = links[at < 0 ? 0 : at + step];
    if (!next || (at < 0 && document.activeElement !== document.body && document.activeElement !== main)) return false;
    next.focus();
  };
  const along = (step) => () => {
    const links = [...tiles.values()].map((tile) => tile.link);
    const at = links.indexOf(document.activeElement);
    if (at < 0) return move(0)();
    links[at + step]?.focus();
  };
  onKeys({ ArrowRight: along(1), ArrowLeft: along(-1), ArrowDown: move(1), ArrowUp: move(-1) }, signal);
}

function rowLength(grid) {
  const tops = [...grid.children].map((child) => child.offsetTop);
  return Math.max(1, tops.filter((top) => top === tops[0]).length);
}

function summaryOf(cameras) {
  const states = new Map();
  for (const camera of cameras) {
    const { word } = stateOf(camera);
    states.set(word, (states.get(word) ?? 0) + 1);
  }
  const each = [...states].map(([word, n]) => `${n} ${word.toLowerCase()}`);
  return [count(cameras.length, "camera"), ...each].join(" · ");
}

function waiting() {
  return Array.from({ length: 4 }, () =>
    h("li", { class: "tile waiting", "aria-hidden": "true" }, h("div", { class: "picture" })),
  );
}

function noCameras() {
  return empty(
    "No cameras yet",
    "Name one when you start Vigil, or add it to the configuration file: it appears here by itself.",
    h("pre", {}, h("code", {}, "vigil watch front=rtsp://user:password@192.168.1.20/stream1 --console")),
  );
}
