// The line to the backend: what is told comes in, for ever. After a break it goes on where it was, so that no alert
// is missed. Knows nothing of what the messages mean.

import { problemOf, send } from "./api.js";
import { EventReader } from "./sse.js";

const SILENCE_MS = 40_000; // the backend says something every 15 s
const GONE_AFTER_MS = 20_000;
const SHORTEST_MS = 500;
const LONGEST_MS = 8_000;

/**
 * Events: `hello`, `alert`, `status`, `score`, each with the message as `detail`; and `state` when `state` changes.
 * `state` is connecting, open, lost (trying again) or gone (trying again, and nobody has answered for a while).
 */
export class Stream extends EventTarget {
  state = "connecting";
  lastHeard_ms = Date.now();
  #position = null; // {epoch, seq} of the last alert
  #attempt = new AbortController();
  #failures = 0;
  #hurry = () => {};

  /** Runs until `signal`. */
  async run(signal) {
    addEventListener("online", () => this.hurry(), { signal });
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry(), { signal });
    signal.addEventListener("abort", () => this.hurry());
    while (!signal.aborted) {
      await this.#once(signal);
      if (signal.aborted) return;
      this.#failures += 1;
      this.#become(Date.now() - this.lastHeard_ms > GONE_AFTER_MS ? "gone" : "lost");
      await this.#wait();
    }
  }

  /** Don't wait for the next attempt. */
  hurry() {
    this.#hurry();
  }

  async #once(signal) {
    this.#attempt = new AbortController();
    const stop = AbortSignal.any([signal, this.#attempt.signal]);
    const headers = { Accept: "text/event-stream" };
    if (this.#position) headers["Last-Event-ID"] = `${this.#position.epoch}:${this.#position.seq}`;
    let silence = 0;
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(() => this.#attempt.abort(), SILENCE_MS);
      this.lastHeard_ms = Date.now();
    };
    try {
      const response = await send("/api/stream", { headers, signal: stop });
      if (!response.ok) throw await problemOf(response);
      heard();
      const reader = new EventReader();
      const texts = response.body.pipeThrough(new TextDecoderStream());
      for (let texter = texts.getReader(), piece; !(piece = await texter.read()).done;) {
        heard();
        for (const event of reader.push(piece.value)) this.#tell(event);
      }
    } catch {
      // Whatever broke it, it is tried again.
    } finally {
      clearTimeout(silence);
    }
  }

  #tell({ id, name, data }) {
    const message = JSON.parse(data);
    if (name === "hello") {
      if (this.#position?.epoch !== message.epoch) this.#position = { epoch: message.epoch, seq: message.last_seq };
      this.#failures = 0;
      this.#become("open");
    }
    this.dispatchEvent(new CustomEvent(name, { detail: message }));
    if (name === "alert" && id) {
      const [epoch, seq] = id.split(":");
      this.#position = { epoch, seq: Number(seq) };
    }
  }

  #become(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }

  #wait() {
    const longest_ms = Math.min(LONGEST_MS, SHORTEST_MS * 2 ** Math.min(this.#failures, 10));
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, longest_ms * (0.5 + Math.random() / 2));
      this.#hurry = () => (clearTimeout(timer), resolve());
    });
  }
}
