// What is known of cameras, scores and events, kept true by what the stream tells. Knows nothing of the page.

import { ask, query } from "./api.js";

const KEPT_POINTS = 3700; // an hour and a bit
const KEPT_EVENTS = 600;
const OPEN_AT_ONCE = 200;
const AGAIN_MS = 5_000;

/**
 * Events: `cameras` (a camera came, went or was looked at again), `camera` (detail: its name),
 * `score` (detail: its name), `event` (detail: {event, type, told}; the alert's type or `mark`, and
 * when it was told; both are null for an event that was only looked up),
 * `reset` (the outbox is another one: no event is known any more).
 */
export class Store extends EventTarget {
  cameras = new Map(); // name -> as /api/cameras has it
  events = new Map(); // id -> as /api/alerts has it, and only the newest
  problem = null; // why the cameras could not be had
  loaded = false;
  words = true; // whether the scorer understands them
  #epoch = null;
  #heard = 0; // the `seq` of the last alert that was told
  #points = new Map(); // camera -> definition -> [{time, raw, score, held, text, reason}], oldest first

  constructor(stream) {
    super();
    stream.addEventListener("hello", ({ detail }) => this.#hello(detail));
    stream.addEventListener("alert", ({ detail }) => this.#alert(detail));
    stream.addEventListener("mark", ({ detail }) => this.#mark(detail));
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
    this.#tell("event", { event, type: null, told: null });
    return event;
  }

  /** All open events, or one camera's, newest first. */
  open(camera = null) {
    const open = [...this.events.values()].filter(
      (event) => event.end_time === null && (camera === null || event.camera === camera),
    );
    return open.sort(newestFirst);
  }

  /** A camera's points by a definition, oldest first. */
  points(camera, definition) {
    return this.#points.get(camera)?.get(definition) ?? [];
  }

  /** Points that were looked up: from before this page was opened, or from a break. */
  remember(camera, definition, points) {
    const all = new Map(points.map((point) => [point.time, point]));
    for (const point of this.points(camera, definition)) all.set(point.time, point);
    const sorted = [...all.values()].sort((a, b) => a.time - b.time);
    this.#of(camera).set(definition, sorted.slice(-KEPT_POINTS));
    this.#tell("score", camera);
  }

  async #hello({ epoch, understands_words }) {
    this.words = understands_words;
    if (this.#epoch !== null && this.#epoch !== epoch) {
      this.events.clear(); // another outbox: `seq` counts anew
      this.#heard = 0;
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

  /** One that was told already is no news; nor is what an event was, when more is known of it. */
  #alert(message) {
    if (message.seq <= this.#heard) return;
    this.#heard = message.seq;
    const known = this.events.get(message.id);
    const path = `/api/alerts/${encodeURIComponent(message.id)}`;
    const event =
      known?.seq >= message.seq
        ? known
        : {
            ...known,
            ...message,
            snapshot: message.snapshot ? `${path}/snapshot.jpg` : null,
            clip: message.clip ? `${path}/clip.mp4` : null,
            mark: known?.mark ?? null,
          };
    this.events.set(event.id, event);
    if (this.events.size > KEPT_EVENTS) this.#forgetOldest();
    this.#tell("event", { event, type: message.type, told: message.timing.published_time });
    this.#tell("camera", event.camera);
  }

  #mark({ event: id, mark }) {
    const known = this.events.get(id);
    if (!known) return;
    const event = { ...known, mark };
    this.events.set(id, event);
    this.#tell("event", { event, type: "mark", told: mark.time });
  }

  #status(message) {
    const camera = this.cameras.get(message.camera);
    if (!camera) {
      if (this.loaded) this.refresh();
      return;
    }
    const { state, since, fault, message: words, advice, fps, reconnects } = message;
    Object.assign(camera, { state, since, fault, message: words, advice, fps, reconnects });
    if (state !== "live") camera.score = {}; // what it was says nothing of now
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
    if (known?.state === "live" && before >= points.length - 2)
      known.score = { ...known.score, [definition]: held ? null : score };
    this.#tell("score", camera);
  }

  #of(camera) {
    if (!this.#points.has(camera)) this.#points.set(camera, new Map());
    return this.#points.get(camera);
  }

  #forgetOldest() {
    const closed = [...this.events.values()].filter((event) => event.end_time !== null);
    for (const event of closed.sort(newestFirst).slice(-100)) this.events.delete(event.id);
  }

  #tell(name, detail = null) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** By when they began: an id says when it was made. */
export function newestFirst(a, b) {
  return a.id < b.id ? 1 : -1;
}
