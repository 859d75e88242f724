// Begins and ends everything: who looks, the line to the backend, and which view is shown.

import { say, sayNew, sayUpdate } from "./announce.js";
import { session, signOut, whoAmI } from "./api.js";
import { showHelp, showSettings } from "./dialogs.js";
import { chip, empty, fill, h, notice, setText } from "./dom.js";
import { onKeys } from "./keys.js";
import { parse, to } from "./router.js";
import { Store } from "./store.js";
import { Stream } from "./stream.js";
import { now, when, zoneName } from "./time.js";

const VIEWS = {
  wall: () => import("./wall.js"),
  camera: () => import("./camera.js"),
  alerts: () => import("./alerts.js"),
  definitions: () => import("./definitions.js"),
  health: () => import("./health.js"),
};
const AGAIN_MS = 3_000;
const LINKS = {
  connecting: ["quiet", "Connecting"],
  open: ["ok", "Connected"],
  lost: ["warn", "Reconnecting"],
  gone: ["bad", "No answer"],
};

const main = document.getElementById("main");
const place = (id) => document.getElementById(id);

/** Until somebody has signed in; then {name, role}. */
async function enter() {
  for (;;) {
    try {
      return await whoAmI();
    } catch (problem) {
      if (problem.status === 401) return (await import("./signin.js")).askWho(main);
      fill(main, empty(problem.title, problem.detail, "It is tried again every few seconds."));
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

/** Shows the page until `signal`. */
function live(who, signal) {
  const stream = new Stream();
  const store = new Store(stream);
  const app = { store, stream, who, mayChange: who.role !== "viewer" };
  place("bar").hidden = place("foot").hidden = false;
  setText(place("zone"), `Times are in your zone: ${zoneName()}`);
  setText(place("who"), `${who.name}, ${who.role}`);

  stream.addEventListener("state", () => tellLink(stream), { signal });
  store.addEventListener(
    "event",
    ({ detail: { event, type, told } }) => {
      if (type === "new") sayNew(event, now() - told);
      else if (type === "update" || type === "end") sayUpdate(event);
      tellOpen(store);
    },
    { signal },
  );
  store.addEventListener("reset", () => tellOpen(store), { signal });
  document.addEventListener("visibilitychange", () => document.hidden || store.refresh(), { signal });
  place("open-help").addEventListener("click", showHelp, { signal });
  place("open-settings").addEventListener("click", () => showSettings(who, who.csrf ? leave : null), { signal });
  onKeys(
    {
      w: () => go("wall"),
      a: () => go("alerts"),
      d: () => go("definitions"),
      h: () => go("health"),
      "?": showHelp,
    },
    signal,
  );

  let shown = { name: null, view: null, go: null, life: new AbortController() };
  const route = async () => {
    const asked = parse(location.hash);
    if (shown.name === asked.view && shown.go?.(asked)) return entitle(shown.view.title(asked));
    shown.life.abort();
    const { signal: stay } = (shown.life = new AbortController());
    const first = shown.name === null;
    shown.name = asked.view;
    shown.go = null;
    for (const link of document.querySelectorAll(".nav a")) {
      if (link.dataset.view === asked.view) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    const known = Object.hasOwn(VIEWS, asked.view);
    const view = known ? await VIEWS[asked.view]().catch(() => null) : null;
    if (stay.aborted) return;
    if (view) Object.assign(shown, { view, go: view.show(main, asked, app, stay) });
    else fill(main, known ? notHad() : nowhere());
    entitle(view ? view.title(asked) : "Not found");
    scrollTo(0, 0);
    if (!first) main.focus({ preventScroll: true });
  };
  addEventListener("hashchange", route, { signal });
  signal.addEventListener("abort", () => shown.life.abort());
  route();
  tellLink(stream);
  stream.run(signal);
  store.run(signal);
}

let entitled = "";
let open = 0;

function entitle(title = entitled) {
  entitled = title;
  document.title = `${open ? `(${open}) ` : ""}${title} · Vigil`;
}

function tellOpen(store) {
  open = store.open().length;
  place("open-count").hidden = !open;
  fill(place("open-count"), open ? [String(open), h("span", { class: "unseen" }, " open")] : null);
  entitle();
}

function tellLink(stream) {
  const [tone, word] = LINKS[stream.state];
  fill(place("link-state"), chip(tone, word));
  document.body.dataset.link = stream.state;
  const notices = place("notices");
  const before = notices.childElementCount;
  if (stream.state === "open") {
    fill(notices);
    if (before) say("Connected again.");
  } else if (stream.state === "lost") {
    fill(
      notices,
      notice("warn", "Connection lost. Reconnecting; nothing is lost: alerts of the meantime will follow."),
    );
  } else if (stream.state === "gone") {
    const again = h("button", { type: "button", onclick: () => stream.hurry() }, "Try now");
    const since = `Vigil has not answered since ${when(stream.lastHeard_ms / 1000)}. `;
    fill(
      notices,
      notice("bad", since, "What you see is old. Is it running? It is tried again every few seconds. ", again),
    );
  }
}

const go = (view) => void (location.hash = to(view));

async function leave() {
  await signOut().catch(() => {});
  session.dispatchEvent(new Event("signed-out"));
}

function notHad() {
  return empty(
    "This part of the page could not be fetched",
    h("p", {}, h("button", { type: "button", onclick: () => location.reload() }, "Reload")),
  );
}

function nowhere() {
  return empty("There is nothing at this address", h("p", {}, h("a", { href: "#/" }, "To the wall")));
}

place("skip").addEventListener("click", () => main.focus());
for (;;) {
  const who = await enter();
  const life = new AbortController();
  live(who, life.signal);
  await new Promise((resolve) => session.addEventListener("signed-out", resolve, { once: true }));
  life.abort();
  document.querySelector("dialog[open]")?.close();
  place("bar").hidden = place("foot").hidden = true;
  fill(place("notices"));
}
