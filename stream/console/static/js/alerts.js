// The events that were told: a list that can be searched, and one of them at a time beside it. Knows nothing of how
// one event is shown.

import * as one from "./alert.js";
import { ask, query } from "./api.js";
import { say } from "./announce.js";
import { empty, fill, h, paced, setText } from "./dom.js";
import { EventList } from "./events.js";
import { onKeys } from "./keys.js";
import { to } from "./router.js";
import { newestFirst } from "./store.js";
import { fromField, toField } from "./time.js";
import { count } from "./words.js";

const PAGE = 50;
const NAMES = ["q", "camera", "definition", "severity", "mark", "open", "since", "until"];
const SEVERITIES = [
  ["", "Any severity"],
  ["detection", "Detection"],
  ["alert", "Alert"],
  ["fault", "Camera fault"],
];
const MARKS = [
  ["", "Marked or not"],
  ["none", "Not marked"],
  ["acknowledged", "Acknowledged"],
  ["true", "True alarm"],
  ["false", "False alarm"],
];
const TYPING_MS = 300;
const CHECK_EVERY_MS = 500;
const CHECKED_AT_ONCE = 100;

export const title = ({ name }) => (name ? "Alert" : "Alerts");

export function show(main, route, app, signal) {
  const { store, stream } = app;
  let values = valuesOf(route);
  let current = null;
  let found = new Map(); // id -> event: what the filters let through
  const unsure = new Set(); // ids of events of which only the backend knows whether the filters let them through
  let next_before_seq = null;
  let problem = null;
  let loaded = false;
  let asking = new AbortController();
  let pane = new AbortController();

  const list = new EventList();
  const older = h("button", { type: "button", onclick: () => fetchPage(next_before_seq) }, "Older alerts");
  const wrong = h("p", { class: "wrong", role: "alert" });
  const told = h("p", { class: "soft", role: "status" });
  const detail = h("article", { class: "detail", "aria-label": "Alert" });
  const filters = filterForm(app, values, (changed) => location.replace(to("alerts", current, changed)), signal);
  const view = h(
    "div",
    { class: "alerts" },
    h(
      "section",
      { class: "list", "aria-label": "Alerts" },
      h("div", { class: "head" }, h("h1", {}, "Alerts"), told),
      filters,
      list.node,
      wrong,
      older,
    ),
    detail,
  );
  fill(main, view);

  const paint = paced(
    () => {
      const events = [...found.values()].sort(newestFirst);
      list.paint(events, { values, current, nothing: nothing() });
      older.hidden = next_before_seq === null;
      setText(wrong, problem && events.length ? `Not all could be fetched. ${problem.message}` : "");
      setText(
        told,
        loaded ? `${count(events.length, "event")}${next_before_seq === null ? "" : " and older ones"}` : "",
      );
    },
    100,
    signal,
  );

  function nothing() {
    if (problem)
      return empty(
        problem.title,
        problem.detail,
        h("p", {}, h("button", { type: "button", onclick: () => fetchPage() }, "Try again")),
      );
    if (!loaded) return h("p", { class: "loading" }, "Loading");
    if (filtered())
      return empty("Nothing fits these filters", h("p", {}, h("a", { href: "#/alerts" }, "Show everything")));
    return empty("Nothing has happened yet", "Alerts appear here the moment they are told, without reloading.");
  }

  /** The newest ones, or the ones before. */
  async function fetchPage(before_seq = null) {
    asking.abort();
    asking = new AbortController();
    try {
      const stop = AbortSignal.any([signal, asking.signal]);
      const answer = await ask(asked({ before_seq, limit: PAGE }), { signal: stop });
      for (const event of answer.events) found.set(event.id, store.keep(event));
      if (before_seq !== null || !loaded) next_before_seq = answer.next_before_seq; // pages that are there stay
      problem = null;
      loaded = true;
      if (unsure.size) check();
    } catch (error) {
      if (error.name === "AbortError") return;
      problem = error;
    }
    paint();
  }

  const asked = (more) =>
    `/api/alerts${query({ ...values, since: fromField(values.since), until: fromField(values.until), ...more })}`;

  const filtered = () => Object.keys(values).length > 0;

  /** Another list: of another outbox, or by other filters. */
  function begin() {
    found = new Map();
    unsure.clear();
    loaded = false;
    problem = null;
    fetchPage();
  }

  /** Whether the list goes back as far as this event. */
  const reaches = (event) => next_before_seq === null || [...found.keys()].some((id) => id < event.id);

  /** Ask which of the unsure ones the filters let through; the others are not, or no longer, shown. */
  const check = paced(
    async () => {
      const ids = [...unsure].slice(0, CHECKED_AT_ONCE);
      if (!loaded || !ids.length) return;
      const list = found;
      for (const id of ids) unsure.delete(id);
      const answer = await ask(asked({ id: ids, limit: CHECKED_AT_ONCE }), { signal }).catch(() => null);
      if (signal.aborted || list !== found) return;
      if (!answer) return ids.forEach((id) => unsure.add(id)); // it is asked again with the next one
      const fitting = new Map(answer.events.map((event) => [event.id, event]));
      for (const id of ids) {
        const event = fitting.get(id);
        if (!event) found.delete(id);
        else if (found.has(id) || reaches(event)) found.set(id, store.keep(event));
      }
      if (unsure.size) check();
      paint();
    },
    CHECK_EVERY_MS,
    signal,
  );

  store.addEventListener(
    "event",
    ({ detail: { event, type } }) => {
      if (found.has(event.id) || (loaded && !filtered() && reaches(event))) found.set(event.id, event);
      if (type && (filtered() || !loaded)) {
        unsure.add(event.id);
        check();
      }
      paint();
    },
    { signal },
  );
  const caughtUp = () => {
    for (const id of filtered() ? found.keys() : []) unsure.add(id); // marks of the meantime were not told
    if (problem || filtered()) fetchPage();
  };
  stream.addEventListener("hello", caughtUp, { signal });
  store.addEventListener("reset", begin, { signal });

  function open(id) {
    current = id;
    pane.abort();
    pane = new AbortController();
    view.dataset.detail = id ? "yes" : "no";
    if (id) one.show(detail, id, values, app, pane.signal);
    else fill(detail, h("p", { class: "soft pick" }, "Choose an alert to see its picture, its clip and how it went."));
    paint();
  }
  signal.addEventListener("abort", () => (pane.abort(), asking.abort()));

  const step = (by) => () => {
    const ids = [...found.values()].sort(newestFirst).map((event) => event.id);
    const id = ids[current ? ids.indexOf(current) + by : 0];
    if (!id) return say(by > 0 ? "This is the oldest one shown." : "This is the newest one.");
    location.hash = to("alerts", id, values);
    list.node.querySelector(`[href="${CSS.escape(to("alerts", id, values))}"]`)?.scrollIntoView({ block: "nearest" });
  };
  onKeys(
    {
      j: step(1),
      k: step(-1),
      "/": () => filters.querySelector("input[type=search]").focus(),
      Escape: () => (current ? void (location.hash = to("alerts", null, values)) : false),
    },
    signal,
  );

  open(route.name);
  fetchPage();

  return (asked) => {
    const wanted = valuesOf(asked);
    if (JSON.stringify(wanted) !== JSON.stringify(values)) {
      values = wanted;
      filters.take(values);
      begin();
    }
    if (asked.name !== current) {
      open(asked.name);
      scrollTo(0, 0);
    }
    return true;
  };
}

function valuesOf(route) {
  return Object.fromEntries(NAMES.map((name) => [name, route.values.get(name)]).filter(([, value]) => value));
}

function filterForm({ store }, first, changed, signal) {
  const search = h("input", {
    type: "search",
    name: "q",
    placeholder: "Search what was said",
    "aria-label": "Search what was said",
    maxlength: 200,
  });
  const camera = h("select", { name: "camera", "aria-label": "Camera" });
  const definition = h("select", { name: "definition", "aria-label": "Definition" });
  const since = h("input", { type: "datetime-local", name: "since" });
  const until = h("input", { type: "datetime-local", name: "until" });
  const more = h(
    "details",
    {},
    h("summary", {}, "Filters"),
    h(
      "div",
      { class: "fields" },
      camera,
      definition,
      select("severity", "Severity", SEVERITIES),
      select("mark", "Mark", MARKS),
      h("label", {}, "From ", since),
      h("label", {}, "to ", until),
      h("label", { class: "check" }, h("input", { type: "checkbox", name: "open", value: "true" }), " Going on"),
      h(
        "div",
        { class: "actions" },
        h(
          "button",
          { type: "button", onclick: () => changed({ ...given(), since: toField(Date.now() / 1000 - 3600) }) },
          "Last hour",
        ),
        h("button", { type: "button", onclick: () => changed({}) }, "Clear"),
      ),
    ),
  );
  const form = h("form", { class: "filters", role: "search", "aria-label": "Alerts" }, search, more);
  more.open = matchMedia("(min-width: 1100px)").matches && Object.keys(first).some((name) => name !== "q");

  const given = () => Object.fromEntries([...new FormData(form)].filter(([, value]) => value));
  let typing = 0;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => {
    clearTimeout(typing);
    typing = setTimeout(() => changed(given()), event.target === search ? TYPING_MS : 0);
  });

  let taken = first;
  form.take = (values) => {
    taken = values;
    names();
    for (const field of form.elements) {
      if (!field.name || field === document.activeElement) continue;
      if (field.type === "checkbox") field.checked = Boolean(values[field.name]);
      else field.value = values[field.name] ?? "";
    }
    const many = Object.keys(values).filter((name) => name !== "q").length;
    setText(more.firstChild, many ? `Filters (${many})` : "Filters");
  };

  /** Cameras come and go; a filter for one that is gone still stands. */
  function names() {
    const cameras = [...store.cameras.values()];
    offer(
      camera,
      "All cameras",
      cameras.map((each) => each.name),
      taken.camera,
    );
    offer(
      definition,
      "All definitions",
      cameras.flatMap((each) => each.definitions.map(({ name }) => name)),
      taken.definition,
    );
  }
  store.addEventListener("cameras", names, { signal });
  form.take(first);
  return form;
}

function offer(field, all, names, chosen) {
  const wanted = ["", ...new Set([...names, ...(chosen ? [chosen] : [])].sort())];
  if ([...field.options].map((option) => option.value).join("\n") === wanted.join("\n")) return;
  fill(
    field,
    wanted.map((name) => h("option", { value: name, selected: name === (chosen ?? "") }, name || all)),
  );
}

function select(name, label, options) {
  return h(
    "select",
    { name, "aria-label": label },
    options.map(([value, words]) => h("option", { value }, words)),
  );
}
