// A wording on trial: the old score and the new one side by side, before anything is saved.

import { ask, definitionsPath } from "./api.js";
import { Chart } from "./charts.js";
import { fill, h, setText } from "./dom.js";
import { clock, lasting, when } from "./time.js";
import { scoreOf } from "./words.js";
import { written } from "./wording.js";

const LAST_S = 120;
const LOOK_EVERY_MS = 700;

const LAST = `the last ${lasting(LAST_S)}`;

/** What to try on, an event's clip or what was just seen: `node()` lets one choose, and all of them choose the same. */
export function chooserOf(events, wanted) {
  const made = [];
  const told = (event) => `alert of ${when(event.start_time)}: ${event.definition}`;
  const chooser = { chosen: events.find(({ id }) => id === wanted) ?? null, node };

  function node() {
    const select = h(
      "select",
      { onchange: () => choose(select.value) },
      h("option", { value: "" }, LAST),
      events.map((event) => h("option", { value: event.id }, told(event))),
    );
    select.value = chooser.chosen?.id ?? "";
    made.push(select);
    return h("label", { class: "check" }, "Try\u00a0on", select);
  }

  function choose(chosen) {
    chooser.chosen = events.find(({ id }) => id === chosen) ?? null;
    for (const each of made) each.value = chosen;
  }

  return chooser;
}

/** In `place`, on the clip of the event `on` or, without one, on what the camera showed last; `open(definition)` is
 * its threshold now. */
export async function tryOut(place, camera, definition, { on: event, signal, open }) {
  const told = h("p", { role: "status" }, "Asking…");
  const less = h("p", { class: "soft" });
  const chart = new Chart({
    label: "Score by the words in force and by the new ones",
    describe,
    height: 170,
    tick: (at_s) => (trial?.start_time ? clock(trial.start_time + at_s) : `${Math.round(at_s)} s`),
  });
  const legend = h(
    "p",
    { class: "legend soft" },
    h("span", { class: "key" }, h("i", { class: "key-score" }), "new words"),
    h("span", { class: "key" }, h("i", { class: "key-old" }), "words in force"),
    h("span", { class: "key" }, h("i", { class: "key-threshold" }), "an event opens"),
  );
  fill(place, told, less, chart.node, legend);
  chart.node.hidden = legend.hidden = true;
  const before = open(definition);
  const after = definition.open ?? before;
  let trial = null;

  function describe(at_s) {
    const now = (points) => points.find((point) => point.at_s === at_s)?.score;
    const time = trial.start_time ? clock(trial.start_time + at_s) : `${at_s.toFixed(1)} s into the clip`;
    return [time, `new ${scoreOf(now(trial.new))}`, `in force ${scoreOf(now(trial.old))}`];
  }

  try {
    const body = { definition: written([definition])[0] ?? {}, event: event?.id ?? null, seconds: LAST_S };
    trial = await ask(`${definitionsPath(camera)}/try`, { method: "POST", body, signal });
    for (;;) {
      paint();
      if (trial.state !== "running" || !place.isConnected) return;
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      trial = await ask(`/api/try/${encodeURIComponent(trial.id)}`, { signal });
    }
  } catch (problem) {
    if (!signal.aborted) setText(told, `It could not be tried. ${problem.detail || problem.title}.`);
  }

  function paint() {
    const { state, old, length_s, shortfall } = trial;
    chart.node.hidden = legend.hidden = !old.length;
    const seen = `the last ${lasting(length_s ?? LAST_S)}`;
    const on = event ? `the clip of the alert of ${when(event.start_time)}` : seen;
    setText(less, shortfall ? `${lasting(length_s)} of the ${lasting(LAST_S)} asked for were there: ${shortfall}.` : "");
    less.hidden = !shortfall;
    if (state === "failed") setText(told, `It could not be tried to its end. ${trial.problem}.`);
    else if (state === "running")
      setText(told, old.length ? `Scoring ${on}: ${lasting(old.at(-1).at_s)} so far…` : `Scoring ${on}…`);
    else {
      const usual = after === before ? "" : `at ${scoreOf(before)} `;
      const now = `${above(trial.new, after)} at ${scoreOf(after)} or above with the new words`;
      setText(told, `On ${on}: ${now}, ${above(old, before)} ${usual}with those in force.`);
    }
    if (!old.length) return;
    const points = (given) => given.map(({ at_s, score }) => ({ time: at_s, value: score }));
    chart.draw({
      from: 0,
      until: Math.max(1, old.at(-1).at_s),
      series: [
        { kind: "score", points: points(trial.new) },
        { kind: "old", points: points(old) },
      ],
      thresholds: [...new Set([after, before])],
    });
  }
}

/** How long the score was at the threshold or above. */
function above(points, threshold) {
  let total_s = 0;
  points.forEach(({ at_s, score }, at) => {
    if (score !== null && score >= threshold) total_s += at ? at_s - points[at - 1].at_s : at_s;
  });
  return lasting(total_s);
}
