// What is known of cameras, scores and events, kept true by what the stream tells. Knows nothing of the page.

import { ask, query } from "./api.js";

const KEPT_POINTS = 3700; // an hour and a bit
const KEPT_EVENTS = 600;
const OPEN_AT_ONCE = 200;
const AGAIN_MS = 5_000;

/**
 * Events: `cameras` (a camera came, went or was looked at again), `camera` (detail: its name),
 * `score` (detail: its name), `event` (detail: {event, type}; type is null for one that was only looked up),
 * `reset` (the outbox is another one: no event is known any more).
 */
export class Store extends EventTarget {
  cameras = new Map(); // name -> as /api/cameras has it
  events = new Map(); // id -> as /api/alerts has it, and only the newest
  problem = null; // why the cameras could not be had
  loaded = false;
  #epoch = null;
  #points = new Map(); // camera -> definition -> [{time, raw, score, held, text, reason}], oldest first

  constructor(stream) {
    super();
    stream.addEventListener("hello", ({ detail }) => this.#hello(detail));
    stream.addEventListener("alert", ({ detail }) => this.#alert(detail));
    stream.addEventListener("status", ({ detail }) => this.#status(detail));
    stream.addEventListener("score", ({ detail }) => this.#score(detail));
  }

  /** Look at the cameras again and again until `signal`: some of what is known of them is never told. */
  async run(signal) {
    while (!signal.aborted) {
      if (!document.hidden || !this.loaded) await this.refresh();
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }

  async refresh() {
    try {
      const cameras = await ask("/api/cameras");
      this.cameras = new Map(cameras.map((camera) => [camera.name, camera]));
      this.problem = null;
      this.loaded = true;
    } catch (problem) {
      this.problem = problem;
    }
    this.#tell("cameras");
  }

  /** Remember an event as it was looked up, unless something newer is known. */
  keep(event) {
    const known = this.events.get(event.id);
    if (known && known.seq > event.seq) return known;
    this.events.set(event.id, event);
    if (this.events.size > KEPT_EVENTS) this.#forgetOldest();
    this.#tell("event", { event, type: null });
    return event;
  }

  /** All open events, or one camera's, newest first. */
  open(camera = null) {
    const open = [...this.events.values()].filter(
      (event) => event.end_time === null && (camera === null || event.camera === camera),
    );
    return open.sort((a, b) => b.seq - a.seq);
  }

  /** A camera's points by a definition, oldest first. */
  points(camera, definition) {
    return this.#points.get(camera)?.get(definition) ?? [];
  }

  /** Points from before this page was opened. */
  remember(camera, definition, points) {
    const known = this.points(camera, definition);
    const first = known[0]?.time ?? Infinity;
    this.#of(camera).set(definition, [...points.filter((point) => point.time < first), ...known]);
    this.#tell("score", camera);
  }

  async #hello({ epoch }) {
    if (this.#epoch !== null && this.#epoch !== epoch) {
      this.events.clear(); // another outbox: `seq` counts anew
      this.#tell("reset");
    }
    this.#epoch = epoch;
    try {
      const [open, newest] = await Promise.all([
        ask(`/api/alerts${query({ open: true, limit: OPEN_AT_ONCE })}`),
        ask(`/api/alerts${query({ limit: 50 })}`),
      ]);
      for (const event of [...newest.events, ...open.events].reverse()) this.keep(event);
    } catch {
      // The stream tells what comes; the views say what they could not have.
    }
  }

  #alert(message) {
    const known = this.events.get(message.id);
    if (known && known.seq >= message.seq) return;
    const path = `/api/alerts/${encodeURIComponent(message.id)}`;
    const event = {
      ...known,
      ...message,
      snapshot: message.snapshot ? `${path}/snapshot.jpg` : null,
      clip: message.clip ? `${path}/clip.mp4` : null,
      mark: known?.mark ?? null,
    };
    this.events.set(event.id, event);
    if (this.events.size > KEPT_EVENTS) this.#forgetOldest();
    this.#tell("event", { event, type: message.type });
    this.#tell("camera", event.camera);
  }

  #status(message) {
    const camera = this.cameras.get(message.camera);
    if (!camera) {
      if (this.loaded) this.refresh();
      return;
    }
    const { state, since, fault, message: words, advice, fps, reconnects } = message;
    Object.assign(camera, { state, since, fault, message: words, advice, fps, reconnects });
    this.#tell("camera", camera.name);
  }

  #score({ camera, definition, time, raw, score, held, text, reason }) {
    const points = this.#of(camera).get(definition) ?? [];
    const point = { time, raw, score, held, text, reason };
    const before = points.findLastIndex((each) => each.time <= time);
    if (points[before]?.time === time) points[before] = point;
    else points.splice(before + 1, 0, point);
    if (points.length > KEPT_POINTS) points.shift();
    this.#of(camera).set(definition, points);
    const known = this.cameras.get(camera);
    if (known && before >= points.length - 2) known.score = { ...known.score, [definition]: score };
    this.#tell("score", camera);
  }

  #of(camera) {
    if (!this.#points.has(camera)) this.#points.set(camera, new Map());
    return this.#points.get(camera);
  }

  #forgetOldest() {
    const closed = [...this.events.values()].filter((event) => event.end_time !== null);
    closed.sort((a, b) => a.seq - b.seq);
    for (const event of closed.slice(0, 100)) this.events.delete(event.id);
  }

  #tell(name, detail = null) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
