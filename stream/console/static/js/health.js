// How Vigil and its machine are. Knows nothing of scenes and alerts.

import { ask } from "./api.js";
import { chip, empty, fill, h, notice, refill, s, setText } from "./dom.js";
import { to } from "./router.js";
import { delay, lasting, when } from "./time.js";
import { count, DROPS, FRAME_DROPS, judgeOf, plain, sizeOf, stateOf } from "./words.js";

const AGAIN_MS = 3_000;
const LATE_S = 2;
const LOW_BYTES = 1_000_000_000;
const COLUMNS = [
  { head: "Camera" },
  { head: "State" },
  { head: "Frames/s", kind: "number" },
  { head: "Windows/s", kind: "number" },
  { head: "Delay", kind: "number" },
  { head: "Waits", kind: "number" },
  { head: "Windows dropped", kind: "number" },
  { head: "Frames dropped", kind: "number" },
  { head: "Reconnects", kind: "number" },
  { head: "Source", kind: "source" },
];

export const title = () => "Health";

export function show(main, _route, { store }, signal) {
  const version = h("p", { class: "soft" });
  const problem = h("div", { class: "outcome", role: "status" });
  const cards = h("div", { class: "cards" });
  const rows = h("tbody");
  const table = h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-labelledby": "sources" },
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          COLUMNS.map(({ head, kind }) => h("th", { scope: "col", class: kind }, head)),
        ),
      ),
      rows,
    ),
  );
  fill(
    main,
    h(
      "div",
      { class: "page wide" },
      h("div", { class: "head" }, h("h1", {}, "Health"), version),
      problem,
      cards,
      h("h2", { id: "sources" }, "Sources"),
      table,
    ),
  );
  fill(cards, h("p", { class: "loading" }, "Loading"));

  const known = new Map(); // name -> row: they stay, and so does the focus in them
  function paintRows() {
    for (const [name, row] of known) if (!store.cameras.has(name)) (row.remove(), known.delete(name));
    for (const camera of store.cameras.values()) {
      if (!known.has(camera.name)) known.set(camera.name, rows.appendChild(rowOf(camera.name)));
      paintRow(known.get(camera.name), camera);
    }
  }

  async function look() {
    try {
      const health = await ask("/api/health", { signal });
      fill(problem);
      setText(version, `Vigil ${health.version}, up for ${lasting(health.uptime_s)}`);
      fill(cards, cardsOf(health, framesLost([...store.cameras.values()])));
    } catch (error) {
      if (signal.aborted) return;
      fill(
        problem,
        cards.querySelector("section")
          ? notice("bad", `${error.message}. What you see is old.`)
          : empty(error.title, error.detail),
      );
      if (!cards.querySelector("section")) fill(cards);
    }
  }

  const ticking = setInterval(() => document.hidden || look(), AGAIN_MS);
  signal.addEventListener("abort", () => clearInterval(ticking));
  store.addEventListener("cameras", paintRows, { signal });
  paintRows();
  look();
}

const sumOf = (counts) => Object.values(counts).reduce((sum, n) => sum + n, 0);

/** By reason, of all cameras. */
function framesLost(cameras) {
  const lost = {};
  for (const { frames_dropped } of cameras)
    for (const [reason, n] of Object.entries(frames_dropped)) lost[reason] = (lost[reason] ?? 0) + n;
  return lost;
}

/** How many were dropped, and why. */
function droppedOf(counts, reasons) {
  const dropped = Object.entries(counts).filter(([, n]) => n);
  return [["Dropped", String(sumOf(counts))], ...dropped.map(([why, n]) => [reasons[why] ?? plain(why), String(n)])];
}

function cardsOf({ scorer, queue_age_s, windows, outbox, bridges = [], disk, gpu, cpu, memory }, frames) {
  const load = cpu.load / cpu.cores;
  return [
    card("Scorer", scorer.hung_for_s > 0 ? ["bad", `No answer for ${lasting(scorer.hung_for_s)}`] : ["ok", "Working"], [
      ["Judges", judgeOf(scorer)],
      ["Oldest waiting window", queue_age_s > 0 ? delay(queue_age_s) : "none waits"],
      ["Words", scorer.understands_words ? "understood" : "not understood: it tells unusual motion"],
    ]),
    card("Windows", queue_age_s > LATE_S ? ["warn", "The scorer is slower than the cameras"] : ["ok", "Keeping up"], [
      ["Scored", String(windows.scored)],
      ["Of these unknown", String(windows.unknown)],
      ...droppedOf(windows.dropped, DROPS),
    ]),
    card("Frames", sumOf(frames) ? ["quiet", "Some were dropped"] : ["ok", "None dropped"], droppedOf(frames, FRAME_DROPS)),
    card("Outbox", outbox.pending ? ["warn", `${count(outbox.pending, "alert")} not on disk`] : ["ok", "All on disk"], [
      ["Alerts so far", String(outbox.last_seq)],
      ["Only in memory", String(outbox.pending)],
    ]),
    ...bridges.map((bridge) =>
      card(
        `Bridge ${bridge.name}`,
        bridge.failing ? ["bad", "Failing"] : bridge.waiting ? ["warn", "Delivering"] : ["ok", "All delivered"],
        [["Still to be delivered", String(bridge.waiting)]],
      ),
    ),
    card("Disk", disk.free_bytes < LOW_BYTES ? ["bad", "Almost full"] : ["ok", `${sizeOf(disk.free_bytes)} free`], [
      ["Used by Vigil", sizeOf(disk.used_bytes)],
    ]),
    ...gpu.map((each) =>
      card(
        each.name,
        ["quiet", "GPU"],
        [
          ["Memory", `${sizeOf(each.used_bytes)} of ${sizeOf(each.total_bytes)}`],
          ...(each.busy === null ? [] : [["Computes", `${Math.round(100 * each.busy)} % of the time`]]),
        ],
        each.used_bytes / each.total_bytes,
      ),
    ),
    gpu.length ? null : card("GPU", ["quiet", "None in use"], [["Memory", "the scorer in this process uses none"]]),
    card(
      "Processor",
      load > 1.5 ? ["warn", "Overloaded"] : ["ok", `Load ${cpu.load.toFixed(1)}`],
      [
        ["Cores", String(cpu.cores)],
        ["Used by Vigil", `${lasting(cpu.used_s)} so far`],
      ],
      load,
    ),
    card(
      "Memory",
      ["ok", memory.available_bytes === null ? "Unknown" : `${sizeOf(memory.available_bytes)} free`],
      [["Used by Vigil", memory.used_bytes === null ? "unknown" : sizeOf(memory.used_bytes)]],
    ),
  ].filter(Boolean);
}

function card(name, [tone, words], facts, share = null) {
  return h(
    "section",
    { class: "panel card" },
    h("div", { class: "head" }, h("h2", {}, name), chip(tone, words)),
    share === null ? null : gauge(share),
    h(
      "dl",
      { class: "facts" },
      facts.map(([what, value]) => [h("dt", {}, what), h("dd", {}, value)]),
    ),
  );
}

function gauge(share) {
  const width = Math.round(100 * Math.max(0, Math.min(1, share)));
  return s(
    "svg",
    { class: "gauge", viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" },
    s("rect", { class: "gauge-all", width: 100, height: 4 }),
    s("rect", { class: "gauge-used", width, height: 4 }),
  );
}

function rowOf(name) {
  const cells = Array.from({ length: COLUMNS.length - 1 }, (_, at) => h("td", { class: COLUMNS[at + 1].kind }));
  return h("tr", {}, h("th", { scope: "row" }, h("a", { href: to("camera", name) }, name)), cells);
}

function paintRow(row, camera) {
  const { tone, word } = stateOf(camera);
  const state = camera.since ? `${word} since ${when(camera.since)}` : word;
  const [, first, ...others] = row.children;
  refill(first, state, () => chip(tone, state));
  const texts = [
    camera.fps === null ? "–" : camera.fps.toFixed(1),
    camera.scored_per_s.toFixed(1),
    camera.latency_s === null ? "–" : delay(camera.latency_s),
    camera.waiting_s > 0 ? delay(camera.waiting_s) : "–",
    String(camera.dropped),
    String(sumOf(camera.frames_dropped)),
    String(camera.reconnects),
    camera.source,
  ];
  others.forEach((cell, at) => setText(cell, texts[at]));
}
