// One camera: its picture, how it is, what it is watched for, and the last hour. Knows nothing of how pictures come.

import { ask, cameraPath, query } from "./api.js";
import { Chart } from "./charts.js";
import { chip, empty, fill, h, paced, refill, setData, setText } from "./dom.js";
import { EventList } from "./events.js";
import { onKeys } from "./keys.js";
import { keepMoving } from "./moving.js";
import { Pictures } from "./pictures.js";
import { to } from "./router.js";
import { newestFirst } from "./store.js";
import { leading } from "./tile.js";
import { clock, delay, lasting, now, when } from "./time.js";
import { explanationOf, meaningOf, nameOf, scoreOf, sentence, severityOf, stateOf, usualOf } from "./words.js";

const RANGES_S = [
  [300, "5 min"],
  [900, "15 min"],
  [3600, "1 hour"],
];
const PAINT_EVERY_MS = 1000;
const EVENTS = 10;
const KEPT_POINTS = 3600; // by the backend, of each definition

export const title = ({ name }) => name ?? "Camera";

export function show(main, { name }, app, signal) {
  const { store } = app;
  let begun = false;
  const begin = () => {
    if (begun) return;
    if (store.cameras.has(name)) {
      begun = true;
      showCamera(main, name, app, signal);
    } else if (store.loaded) {
      fill(
        main,
        empty(
          `No camera is called ${name}`,
          "It may have been renamed, or removed from the configuration.",
          h("p", {}, h("a", { href: "#/" }, "To the wall")),
        ),
      );
    } else
      fill(
        main,
        store.problem ? empty(store.problem.title, store.problem.detail) : h("p", { class: "loading" }, "Loading"),
      );
  };
  store.addEventListener("cameras", begin, { signal });
  begin();
}

function showCamera(main, name, { store, stream }, signal) {
  let definition = leading(store.cameras.get(name)).name;
  let range_s = 3600;
  let spans = new Map();
  let fetched = false;

  const canvas = h("canvas", { width: 640, height: 360, role: "img", "aria-label": `Newest picture of ${name}` });
  const video = h("video", { autoplay: true, playsinline: true, "aria-label": `Live video of ${name}` });
  video.muted = true;
  const picture = h("div", { class: "picture large" });
  const way = h("span", { class: "soft" });
  const state = h("span", {});
  const note = h("p", { class: "tile-note" }, "No picture yet.");
  const meaning = h("div", { class: "meaning", role: "status" });
  const facts = h("dl", { class: "facts" });
  const watched = h("ul", { class: "watched" });
  const events = new EventList();
  const chart = new Chart({ label: `Score of ${name} over time`, describe: (time) => describe(time), height: 220 });
  const past = h("p", { class: "soft", role: "status" });
  const ranges = h("div", { class: "segments", role: "group", "aria-label": "How far back" });
  const chooser = h("select", { "aria-label": "Definition", onchange: () => choose(chooser.value) });

  fill(
    main,
    h(
      "div",
      { class: "camera" },
      h("div", { class: "head" }, h("h1", {}, name), state, way),
      h(
        "div",
        { class: "camera-body" },
        h(
          "div",
          { class: "side" },
          picture,
          h(
            "section",
            { class: "panel" },
            h("div", { class: "head" }, h("h2", {}, "Score"), chooser, ranges),
            chart.node,
            past,
            h(
              "p",
              { class: "legend soft" },
              key("score", "smoothed"),
              key("raw", "each window's own"),
              key("threshold", "an event opens"),
              key("span", "event"),
              key("unknown", "unknown"),
            ),
          ),
        ),
        h(
          "div",
          { class: "side" },
          meaning,
          facts,
          h(
            "section",
            {},
            h(
              "div",
              { class: "head" },
              h("h2", {}, "Watched for"),
              h("a", { href: to("definitions", name) }, "Change"),
            ),
            watched,
          ),
        ),
      ),
      h(
        "section",
        {},
        h(
          "div",
          { class: "head" },
          h("h2", {}, "Its latest alerts"),
          h("a", { href: to("alerts", null, { camera: name }) }, "All"),
        ),
        events.node,
      ),
    ),
  );

  const pictures = new Pictures(signal);
  const seen = (isVideo) => {
    note.hidden = true;
    setData(picture, "video", isVideo);
    setText(way, isVideo ? "live, WebRTC" : "pictures");
  };
  const single = pictures.show(name, canvas, ({ isNew }) => isNew && !single.paused && seen(false));
  single.urgent = true;
  fill(picture, video, canvas, note);
  const { whep } = store.cameras.get(name);
  keepMoving(name, canvas, single, { whep, video, signal, told: seen });

  function paintState() {
    const camera = store.cameras.get(name);
    if (!camera) return;
    const { tone, word } = stateOf(camera);
    refill(state, `${word} ${camera.since}`, () =>
      chip(tone, camera.since ? `${word} since ${when(camera.since)}` : word),
    );
    for (const each of [canvas, video]) setData(each, "old", !["live", "ended"].includes(camera.state));
    const sentences = meaningOf(camera);
    refill(meaning, sentences.join(), () => sentences.map((each) => h("p", {}, each)));
    setData(meaning, "tone", tone);
    const known = factsOf(camera);
    refill(facts, known.join(), () => known.map(([what, value]) => [h("dt", {}, what), h("dd", {}, value)]));
    refill(watched, JSON.stringify([camera.definitions, camera.score, store.words]), () =>
      camera.definitions.map((each) => watchedFor(each, camera.score[each.name], store.words)),
    );
    if (
      chooser.options.length !== camera.definitions.length ||
      [...chooser.options].some((option, at) => option.value !== camera.definitions[at].name)
    ) {
      if (!camera.definitions.some((each) => each.name === definition)) definition = camera.definitions[0].name;
      fill(
        chooser,
        camera.definitions.map((each) =>
          h("option", { value: each.name, selected: each.name === definition }, each.name),
        ),
      );
      chooser.hidden = camera.definitions.length < 2;
    }
  }

  function paintChart() {
    const camera = store.cameras.get(name);
    const points = store.points(name, definition);
    for (const event of store.events.values())
      if (event.camera === name && event.definition === definition) spans.set(event.id, event);
    chart.draw({
      from: now() - range_s,
      until: now(),
      series: [
        { kind: "score", points: points.map(({ time, score, held }) => ({ time, value: held ? null : score })) },
        { kind: "raw", points: points.map(({ time, raw }) => ({ time, value: raw })) },
      ],
      thresholds: [camera?.threshold[definition] ?? 1],
      spans: [...spans.values()].map((event) => ({
        from: event.start_time,
        until: event.end_time,
        severity: event.severity,
        href: to("alerts", event.id),
      })),
    });
  }

  function describe(time) {
    const point = store.points(name, definition).find((each) => each.time === time);
    if (!point) return [clock(time)];
    const event = [...spans.values()].find((each) => each.start_time <= time && time <= (each.end_time ?? Infinity));
    const said = point.text ?? (event ? explanationOf(event) : null);
    return [
      clock(time),
      point.held || point.score === null
        ? `unknown${point.reason ? `: ${point.reason}` : ""}${point.score === null ? "" : "; the last score is held"}`
        : `${scoreOf(point.score)}, this window ${scoreOf(point.raw)}`,
      event ? `${severityOf(event)} since ${clock(event.start_time)}` : null,
      said,
    ].filter(Boolean);
  }

  const paintEvents = () =>
    events.paint(
      [...store.events.values()]
        .filter((event) => event.camera === name)
        .sort(newestFirst)
        .slice(0, EVENTS),
      { nothing: h("p", { class: "soft" }, "This camera has told nothing yet.") },
    );

  async function fetchPast() {
    const asked = definition;
    const [timeline, told] = await Promise.all([
      ask(`${cameraPath(name)}/timeline${query({ since: now() - 3600, definition })}`, { signal }).catch((why) => why),
      ask(`/api/alerts${query({ camera: name, limit: EVENTS })}`, { signal }).catch(() => null),
    ]);
    if (signal.aborted) return;
    for (const event of told?.events ?? []) store.keep(event);
    if (asked !== definition) return;
    if (timeline instanceof Error)
      return fill(
        past,
        `What was before could not be fetched. ${timeline.message}. `,
        h("button", { type: "button", onclick: fetchPast }, "Try again"),
      );
    const [first] = timeline.points;
    const short = timeline.points.length >= KEPT_POINTS && first.time > now() - 3540;
    fill(past, short ? `So many windows are judged that scores are kept for ${lasting(now() - first.time)}.` : null);
    spans = new Map(timeline.events.map((event) => [event.id, event]));
    store.remember(name, definition, timeline.points);
    if (!fetched) chooseRange(smallest(timeline.points[0]?.time));
    fetched = true;
  }

  function choose(other) {
    definition = other;
    spans = new Map();
    fetchPast();
    paintChart();
  }

  function chooseRange(seconds) {
    range_s = seconds;
    fill(
      ranges,
      RANGES_S.map(([length_s, words]) =>
        h(
          "button",
          { type: "button", "aria-pressed": String(length_s === range_s), onclick: () => chooseRange(length_s) },
          words,
        ),
      ),
    );
    paintChart();
  }

  const paint = paced(() => (paintState(), paintChart(), paintEvents()), PAINT_EVERY_MS, signal);
  const mine = ({ detail }) => (detail === null || detail === name || detail.event?.camera === name) && paint();
  for (const kind of ["cameras", "camera", "score", "event", "reset"]) store.addEventListener(kind, mine, { signal });
  stream.addEventListener("hello", fetchPast, { signal });
  const ticking = setInterval(paint, PAINT_EVERY_MS);
  signal.addEventListener("abort", () => clearInterval(ticking));
  paintState();
  paintEvents();
  chooseRange(range_s);
  fetchPast();
  onKeys({ Escape: () => void (location.hash = to("wall")) }, signal);
}

/** The shortest range that shows all there is. */
function smallest(first) {
  return (RANGES_S.find(([length_s]) => first > now() - length_s) ?? RANGES_S.at(-1))[0];
}

function watchedFor(definition, score, words) {
  const number = h("span", { class: "tile-number" }, scoreOf(score));
  setData(number, "over", score >= definition.open);
  return h(
    "li",
    {},
    h(
      "div",
      {},
      h("strong", {}, sentence(nameOf(definition, words))),
      definition.text === definition.name ? null : h("p", {}, definition.text ?? `${sentence(usualOf(words))}.`),
      definition.ignore ? h("p", { class: "soft" }, `Never: ${definition.ignore}`) : null,
      h(
        "p",
        { class: "soft" },
        `opens at ${scoreOf(definition.open)}, alert from ${scoreOf(definition.alert)}, `,
        `closes below ${scoreOf(definition.close)}`,
      ),
    ),
    number,
  );
}

function factsOf(camera) {
  return [
    ["Frames", camera.fps === null ? "none" : `${camera.fps.toFixed(1)} per second`],
    ["Windows scored", `${camera.scored_per_s.toFixed(1)} per second`],
    ["Delay to a score", camera.latency_s === null ? "not measured" : delay(camera.latency_s)],
    ["Newest frame", camera.frame_age_s === null ? "not measured" : `${lasting(camera.frame_age_s)} old`],
    ["Windows dropped", String(camera.dropped)],
    ["Reconnected", camera.reconnects === 1 ? "once" : `${camera.reconnects} times`],
    ["Size", camera.size[0] > 32 ? `${camera.size[0]} × ${camera.size[1]}` : "unknown"],
    ["Source", camera.source],
  ];
}

function key(kind, words) {
  return h("span", { class: "key" }, h("i", { class: `key-${kind}`, "aria-hidden": "true" }), words);
}
