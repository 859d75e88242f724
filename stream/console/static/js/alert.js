// One event: its picture and clip, its course, and what people say of it. Knows nothing of other events.

import { alertPath, ask, cameraPath, query } from "./api.js";
import { Chart } from "./charts.js";
import { empty, fill, h, paced, setData, setText } from "./dom.js";
import { severityChip } from "./events.js";
import { evidenceOf } from "./evidence.js";
import { onKeys } from "./keys.js";
import { markForm } from "./mark.js";
import { to } from "./router.js";
import { clock, lasting, when } from "./time.js";
import { count, endOf, explanationOf, judgeOf, scoreOf } from "./words.js";

const AROUND_S = 15;
const STATES = { pending: "being written", provisional: "may still change", final: "" };
const TYPES = { new: "began", update: "update", end: "over" };

/** In `pane`, until `signal`; `values` are the filters of the list, for the way back. */
export function show(pane, id, values, app, signal) {
  const { store } = app;
  let course = null;
  let points = [];
  const body = h("div", { class: "detail-body" }, h("p", { class: "loading" }, "Loading"));
  fill(pane, h("a", { class: "back", href: to("alerts", null, values) }, "← All alerts"), body);

  const head = h("div", { class: "head" });
  const evidence = evidenceOf(id);
  const what = h("p", { class: "what" });
  const state = h("p", { class: "soft" });
  const chart = new Chart({
    label: "Score in the course of this event",
    describe: (time) => describe(time),
    choose: (time) => evidence.seek(time),
    height: 150,
  });
  const legend = h("p", { class: "soft" });
  const steps = h("ol", { class: "steps", tabindex: 0, "aria-label": "How it was told" }); // it scrolls
  const more = h("dl", { class: "facts" });
  const trying = h("a", { hidden: true }, "Try other words on it");
  const marks = markForm(id, app, () => look(), signal);

  function lay() {
    fill(
      body,
      head,
      h("div", { class: "said" }, what, state),
      h(
        "div",
        { class: "columns" },
        h("div", {}, course.fault ? null : evidence.node, marks.node),
        h(
          "div",
          {},
          course.fault ? null : h("section", { class: "panel" }, h("h3", {}, "Score"), chart.node, legend),
          h("section", {}, h("h3", {}, "How it was told"), steps),
        ),
      ),
      h("section", {}, h("h3", {}, "More"), more),
      h(
        "p",
        { class: "links" },
        h("a", { href: to("camera", course.camera) }, "The camera now"),
        trying,
      ),
    );
  }

  function paint() {
    const event = course;
    fill(
      head,
      severityChip(event),
      h("h2", {}, event.camera),
      h("time", { datetime: new Date(event.start_time * 1000).toISOString() }, when(event.start_time)),
      h(
        "span",
        { class: "soft" },
        event.end_time === null ? "going on" : `lasted ${lasting(event.end_time - event.start_time)}`,
      ),
    );
    setData(pane, "severity", event.severity);
    evidence.paint(event);
    setText(what, explanationOf(event));
    setText(state, [STATES[event.explanation_state], markedOf(event)].filter(Boolean).join(" · "));
    marks.paint(event);
    trying.href = to("definitions", event.camera, { event: event.clip ? id : null });
    paintTrying();
    chart.draw({
      from: event.start_time - AROUND_S,
      until: (event.end_time ?? event.messages.at(-1).time) + AROUND_S,
      series: [{ kind: "score", points: scores() }],
      thresholds: [event.threshold],
      spans: [{ from: event.start_time, until: event.end_time, severity: event.severity }],
    });
    setText(
      legend,
      `Dotted: an event opens at ${scoreOf(event.threshold)}.${event.clip_start_time === null ? "" : " Choose a moment to see it in the clip."}`,
    );
    fill(
      steps,
      stepsOf(event.messages),
    );
    fill(
      more,
      moreOf(event).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
    );
  }

  const paintTrying = () => (trying.hidden = !(app.mayChange && store.words && course && !course.fault));

  /** Each window's while they are remembered; else what the alerts themselves said. */
  function scores() {
    if (points.length) return points.map(({ time, score, held }) => ({ time, value: held ? null : score }));
    const known = new Map(course.messages.map(({ time, score }) => [time, score]));
    return [...known].map(([time, value]) => ({ time, value })).sort((a, b) => a.time - b.time);
  }

  function describe(time) {
    const point = points.find((each) => each.time === time);
    const said = course.messages.findLast((message) => message.time <= time)?.explanation;
    const score = point
      ? point.held
        ? null
        : point.score
      : course.messages.find((message) => message.time === time)?.score;
    return [clock(time), scoreOf(score), point?.text ?? said].filter(Boolean);
  }

  async function look() {
    try {
      const found = await ask(alertPath(id), { signal });
      const first = course === null;
      course = found;
      store.keep(found);
      if (first) lay();
      paint();
    } catch (problem) {
      if (signal.aborted || course) return;
      const gone = problem.status === 404;
      fill(
        body,
        empty(
          gone ? "This alert is not known" : problem.title,
          gone ? "Alerts are kept for 90 days." : problem.detail,
          gone ? null : h("p", {}, h("button", { type: "button", onclick: look }, "Try again")),
        ),
      );
      return;
    }
    const { camera, definition, start_time, end_time } = course;
    const asked = query({
      definition,
      since: start_time - AROUND_S,
      until: end_time === null ? null : end_time + AROUND_S,
    });
    const past = await ask(`${cameraPath(camera)}/timeline${asked}`, { signal }).catch(() => null);
    if (signal.aborted || !past) return;
    points = past.points.length > 1 ? past.points : [];
    paint();
  }

  const again = paced(look, 1000, signal);
  store.addEventListener("event", ({ detail: { event, type } }) => event.id === id && type && again(), { signal });
  store.addEventListener("cameras", paintTrying, { signal });
  onKeys({ " ": () => evidence.toggle(), ...marks.keys }, signal);
  look();
}

/** Updates in a row that said nothing new are one step. */
function stepsOf(messages) {
  const steps = [];
  messages.forEach((message, at) => {
    const before = messages[at - 1];
    const isNews = message.explanation !== before?.explanation || message.severity !== before?.severity;
    const last = steps.at(-1);
    if (message.type === "update" && !isNews && last?.quiet) Object.assign(last, { message, times: last.times + 1 });
    else steps.push({ message, before, times: 1, quiet: message.type === "update" && !isNews });
  });
  return steps.map(stepOf);
}

function stepOf({ message, before, times }) {
  const news = message.explanation !== before?.explanation ? message.explanation : null;
  return h(
    "li",
    { "data-type": message.type },
    h("time", {}, clock(message.time)),
    h("span", { class: "step-type" }, TYPES[message.type] ?? message.type),
    h("span", { class: "step-score" }, message.fault ? "" : scoreOf(message.score)),
    h(
      "span",
      { class: "step-what" },
      news ??
        (message.severity !== before?.severity
          ? `Severity ${message.severity}`
          : h("span", { class: "soft" }, times > 1 ? `nothing new in ${times} updates` : "nothing new was said")),
    ),
  );
}

function moreOf(event) {
  const noticed_s = event.messages[0].timing.published_time - event.start_time;
  return [
    event.fault ? null : ["Definition", event.definition],
    ["Began", when(event.start_time)],
    [
      "Told",
      event.messages[0].type === "new"
        ? `${lasting(noticed_s)} after it began`
        : "the first alerts of it are not kept any more",
    ],
    ["Over", event.end_time === null ? "not yet" : `${when(event.end_time)}, as ${endOf(event.end_reason)}`],
    event.fault ? null : ["Score", `highest ${scoreOf(event.top_score)}, opened at ${scoreOf(event.threshold)}`],
    event.suppressed_count
      ? [
          "Before it",
          `${count(event.suppressed_count, "stretch", "stretches")} in the cool-down that nobody was told of`,
        ]
      : null,
    event.fault ? null : ["Judged by", judgeOf(event.model)],
    event.model.prompt_sha256 ? ["Prompt", h("code", {}, event.model.prompt_sha256.slice(0, 16))] : null,
    ["Id", h("code", {}, event.id)],
  ].filter(Boolean);
}

function markedOf(event) {
  const labels = [...new Set(event.boxes.map((box) => box.label).filter(Boolean))];
  if (!event.boxes.length) return "";
  return labels.length
    ? `marked in the picture: ${labels.join(", ")}`
    : `${count(event.boxes.length, "place")} marked in the picture`;
}
