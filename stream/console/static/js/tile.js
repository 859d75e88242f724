// One camera on the wall. Knows nothing of the other ones.

import { Sparkline } from "./charts.js";
import { chip, h, refill, setData, setText } from "./dom.js";
import { severityChip } from "./events.js";
import { to } from "./router.js";
import { delay, now, when } from "./time.js";
import { explanationOf, nameOf, scoreOf, sentence, stateOf } from "./words.js";

export const CURVE_S = 180;
const STALE_S = 8;

/** The definition whose score is nearest to its threshold, or furthest above. */
export function leading(camera) {
  const how = ({ name, open }) => (camera.score[name] ?? -1) / Math.max(open, 0.01);
  return camera.definitions.reduce((most, each) => (how(each) > how(most) ? each : most), camera.definitions[0]);
}

export class Tile {
  #canvas;
  #view;
  #spark = new Sparkline();
  #state = h("span", { class: "tile-state" });
  #noteText = h("span", {});
  #note = h("p", { class: "tile-note", hidden: true }, this.#noteText);
  #scoreText = h("span", {});
  #score = h("span", { class: "tile-number" }, this.#scoreText);
  #by = h("span", { class: "soft" });
  #facts = h("div", { class: "tile-facts soft" }, h("p", {}), h("p", {}));
  #event = h("a", { class: "tile-event", hidden: true });
  #camera = null; // as it was painted last
  #newest_ms = 0;
  #there = false;
  #asked = false;
  link;
  node;

  constructor(name, pictures) {
    this.#canvas = h("canvas", { width: 320, height: 180, role: "img", "aria-label": `Newest picture of ${name}` });
    this.link = h("a", { href: to("camera", name) }, name);
    this.node = h(
      "li",
      { class: "tile" },
      h("div", { class: "picture" }, this.#canvas, this.#note),
      h("div", { class: "tile-top" }, h("h2", {}, this.link), this.#state),
      h("div", { class: "tile-score" }, h("p", {}, this.#score, this.#by), this.#spark.node),
      h("div", { class: "tile-foot" }, this.#facts, this.#event),
    );
    this.#view = pictures.show(name, this.#canvas, ({ there, isNew }) => {
      this.#there ||= there;
      this.#asked = true;
      if (isNew) this.#newest_ms = performance.now();
      if (this.#camera) this.#paintPicture(this.#camera);
    });
  }

  remove() {
    this.#view.remove();
    this.node.remove();
  }

  /** `event` is the camera's newest open one, or undefined; `words` says whether the scorer understands them. */
  paint(camera, points, event, words) {
    this.#camera = camera;
    const { tone, word } = stateOf(camera);
    refill(this.#state, word, () => chip(tone, word));
    this.#view.urgent = Boolean(event);
    this.#paintPicture(camera);
    this.#paintEvent(event, camera.source);
    const definition = leading(camera);
    const score = camera.score[definition.name];
    setText(this.#scoreText, scoreOf(score));
    setData(this.#score, "unknown", score === null || score === undefined);
    setText(this.#by, camera.definitions.length > 1 ? definition.name : `tells from ${scoreOf(definition.open)}`);
    setData(this.#score, "over", score >= definition.open);
    this.#spark.draw(points, now() - CURVE_S, now(), definition.open);
    setText(this.#facts.firstChild, factsOf(camera));
    setText(this.#facts.lastChild, `watching for ${camera.definitions.map((each) => nameOf(each, words)).join(", ")}`);
  }

  /** What is seen of it, and what that is worth: of a camera that is not live it is an old picture. */
  #paintPicture(camera) {
    const wrong = ["bad", "warn"].includes(stateOf(camera).tone);
    const paused = camera.state !== "live" && this.#asked;
    if (this.#view.paused && !paused) this.#view.due_ms = 0; // it is back
    this.#view.paused = paused;
    const stale_s = (performance.now() - this.#newest_ms) / 1000;
    const reason = [camera.since ? `Since ${when(camera.since)}` : null, without(camera.source, camera.message)]
      .filter(Boolean)
      .join(": ");
    const text = wrong
      ? reason
      : !this.#there
        ? camera.message
          ? `${sentence(camera.message)}.`
          : "No picture yet."
        : camera.state === "live" && stale_s > STALE_S && !document.hidden
          ? "This picture is not the newest."
          : "";
    if (this.#note.hidden !== !text) this.#note.hidden = !text;
    setText(this.#noteText, text);
    setData(this.#canvas, "old", this.#there && camera.state !== "live");
  }

  #paintEvent(event, source) {
    this.#event.hidden = !event;
    this.#facts.hidden = Boolean(event);
    setData(this.node, "event", event?.severity);
    if (!event) return;
    this.#event.href = to("alerts", event.id);
    const since = h("strong", {}, `since ${when(event.start_time)}`);
    refill(this.#event, `${event.id} ${event.seq}`, () =>
      h("span", {}, severityChip(event), " ", since, ` ${without(source, explanationOf(event))}`),
    );
  }
}

/** What is said of a camera, without its address: there is little room. */
const without = (source, text) => text?.replace(`${source}: `, "");

function factsOf(camera) {
  if (camera.state !== "live") return camera.state === "ended" ? "The file is over." : "";
  return [
    camera.fps === null ? null : `${camera.fps.toFixed(camera.fps < 10 ? 1 : 0)} frames/s`,
    `${camera.scored_per_s.toFixed(1)} windows/s`,
    camera.latency_s === null ? null : `${delay(camera.latency_s)} delay`,
  ]
    .filter(Boolean)
    .join(" · ");
}
