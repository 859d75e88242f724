// Live pictures on canvases, by asking for single ones: as many as the network takes, the urgent ones first, and
// none that nobody sees. Knows nothing of tiles and alerts.

import { cameraPath, send } from "./api.js";

const AT_ONCE = 4; // HTTP/1.1 allows six connections, and the stream and a person's clicks need theirs
const FASTEST_MS = 220; // the backend makes at most five pictures a second
const ALL_TOGETHER_MS = 40; // between two requests, over all cameras: 25 pictures a second
const AFTER_FAILURE_MS = 4_000;
const SLOW_MS = 900; // a picture that takes longer is asked for in a smaller size
const WIDTHS_PX = [240, 320, 480, 640, 960];

/** One set for a view, until its `signal`. */
export class Pictures {
  #views = new Set();
  #busy = 0;
  #next_ms = 0;
  #took_ms = 100; // a moving mean
  #timer = 0;
  #signal;
  #seen;

  constructor(signal) {
    this.#signal = signal;
    this.#seen = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries)
          for (const view of this.#views) if (view.canvas === target) view.seen = isIntersecting;
        this.#pump();
      },
      { rootMargin: "80px" },
    );
    document.addEventListener("visibilitychange", () => this.#pump(), { signal });
    signal.addEventListener("abort", () => (this.#seen.disconnect(), clearTimeout(this.#timer)));
  }

  /**
   * Show a camera on a canvas. `told` is called after each attempt: whether there is a picture, and whether it is a
   * new one. The result's `urgent` and `paused` may be set; `remove()` ends it.
   */
  show(camera, canvas, told) {
    const view = {
      camera,
      canvas,
      told,
      seen: false,
      urgent: false,
      paused: false,
      due_ms: 0,
      etag: null,
      busy: false,
    };
    view.remove = () => (this.#views.delete(view), this.#seen.unobserve(canvas));
    this.#views.add(view);
    this.#seen.observe(canvas);
    return view;
  }

  #pump() {
    clearTimeout(this.#timer);
    if (document.hidden || this.#signal.aborted) return;
    const now_ms = performance.now();
    const waiting = [...this.#views].filter((view) => view.seen && !view.busy && !view.paused);
    waiting.sort((a, b) => Number(b.urgent) - Number(a.urgent) || a.due_ms - b.due_ms);
    for (const view of waiting) {
      if (this.#busy >= AT_ONCE || now_ms < this.#next_ms) break;
      if (view.due_ms > now_ms) continue;
      this.#next_ms = now_ms + ALL_TOGETHER_MS;
      this.#fetch(view);
    }
    this.#timer = setTimeout(() => this.#pump(), ALL_TOGETHER_MS);
  }

  async #fetch(view) {
    view.busy = true;
    this.#busy += 1;
    const began_ms = performance.now();
    let wait_ms = FASTEST_MS;
    try {
      const headers = view.etag ? { "If-None-Match": view.etag, Accept: "image/jpeg" } : { Accept: "image/jpeg" };
      const response = await send(`${cameraPath(view.camera)}/frame.jpg?width=${this.#width(view)}`, {
        headers,
        signal: this.#signal,
      });
      if (response.ok) {
        view.etag = response.headers.get("ETag");
        await draw(view.canvas, await response.blob());
      } else if (response.status !== 304) wait_ms = AFTER_FAILURE_MS;
      view.told({ there: response.ok || response.status === 304, isNew: response.ok });
    } catch {
      if (this.#signal.aborted) return;
      wait_ms = AFTER_FAILURE_MS;
      view.told({ there: false, isNew: false });
    } finally {
      const took_ms = performance.now() - began_ms;
      this.#took_ms += (took_ms - this.#took_ms) / 8;
      view.due_ms = began_ms + Math.max(wait_ms, view.urgent ? 0 : 2 * took_ms);
      view.busy = false;
      this.#busy -= 1;
      this.#pump();
    }
  }

  #width(view) {
    const needed = view.canvas.clientWidth * Math.min(devicePixelRatio, 2);
    let at = WIDTHS_PX.findIndex((width) => width >= needed);
    if (at < 0) at = WIDTHS_PX.length - 1;
    return WIDTHS_PX[Math.max(0, this.#took_ms > SLOW_MS ? at - 2 : at)];
  }
}

/** Put a JPEG on a canvas, which takes its size. */
export async function draw(canvas, blob) {
  const bitmap = await createImageBitmap(blob);
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("bitmaprenderer").transferFromImageBitmap(bitmap);
}
