// Live pictures on canvases, by asking for those of several cameras at a time: as many as the network takes, the urgent
// ones first, and none that nobody sees. Knows nothing of tiles and alerts.

import { problemOf, send } from "./api.js";
import { PartReader } from "./parts.js";

const ANSWERS = 3; // at once: HTTP/1.1 allows six connections, and the stream and a person's clicks need theirs
const ANSWER_MS = 600; // on a slow line so few pictures are asked for together that an answer takes no longer
const MOST_TOGETHER = 32;
const PATIENCE_MS = 20_000;
const EVERY_MS = 200; // a camera's pictures
const TICK_MS = 20;
const AFTER_FAILURE_MS = 4_000;
const SLOW_MS = 200; // where a picture takes longer it is asked for in a smaller size
const WIDTHS_PX = [240, 320, 480, 640, 960];

/** One set for a view, until its `signal`. */
export class Pictures {
  #views = new Set();
  #answers = 0;
  #each_ms = 50; // for so long the line is busy with a picture: a moving mean
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
    const due = [...this.#views].filter((view) => view.seen && !view.busy && !view.paused && view.due_ms <= now_ms);
    if (due.length && this.#answers < ANSWERS) {
      due.sort((a, b) => Number(b.urgent) - Number(a.urgent) || a.due_ms - b.due_ms);
      const width = this.#width(due[0]);
      const most = Math.min(MOST_TOGETHER, Math.max(1, Math.floor(ANSWER_MS / this.#each_ms)));
      this.#fetch(
        due.filter((view) => this.#width(view) === width).slice(0, most),
        width,
      );
    }
    this.#timer = setTimeout(() => this.#pump(), TICK_MS);
  }

  async #fetch(views, width) {
    const waiting = new Set(views);
    const drawing = [];
    const began_ms = performance.now();
    let line_ms = 0; // for so long bytes were under way: cameras that take their time are no slow line
    const settle = (view, there, isNew) => {
      waiting.delete(view);
      const now_ms = performance.now();
      const next_ms = Math.max(view.due_ms, began_ms - TICK_MS) + EVERY_MS;
      const rested_ms = view.urgent ? 0 : now_ms + line_ms; // half of a slow line is for others
      view.due_ms = there ? Math.max(next_ms, rested_ms) : now_ms + AFTER_FAILURE_MS;
      view.busy = false;
      if (!this.#signal.aborted) view.told({ there, isNew });
    };
    const take = ({ headers, bytes }) => {
      const view = views.find((each) => each.camera === headers.get("X-Camera"));
      view.etag = headers.get("ETag");
      if (bytes.length) drawing.push(draw(view.canvas, new Blob([bytes])).then(() => settle(view, true, true)));
      else settle(view, true, false); // it has not changed
    };
    for (const view of views) view.busy = true;
    this.#answers += 1;
    try {
      const reader = await this.#ask(views, width);
      const parts = new PartReader();
      for (;;) {
        const from_ms = performance.now();
        const { done, value } = await reader.read();
        if (parts.midway) line_ms += performance.now() - from_ms;
        if (done) break;
        parts.push(value).forEach(take);
      }
      await Promise.all(drawing);
    } catch {
      // Whatever broke it, it is tried again.
    } finally {
      if (drawing.length) this.#each_ms += (line_ms / drawing.length - this.#each_ms) / 4;
      for (const view of waiting) settle(view, false, false);
      this.#answers -= 1;
    }
  }

  async #ask(views, width) {
    const known = views.map((view) => view.etag).filter(Boolean);
    const cameras = views.map((view) => ["camera", view.camera]);
    const response = await send(`/api/pictures?${new URLSearchParams([...cameras, ["width", width]])}`, {
      headers: { Accept: "multipart/mixed", ...(known.length && { "If-None-Match": known.join(", ") }) },
      signal: AbortSignal.any([this.#signal, AbortSignal.timeout(PATIENCE_MS)]),
    });
    if (!response.ok) throw await problemOf(response);
    return response.body.getReader();
  }

  /** The first picture is a small one, so that it comes soon. */
  #width(view) {
    if (!view.etag) return WIDTHS_PX[0];
    const needed = view.canvas.clientWidth * Math.min(devicePixelRatio, 2);
    let at = WIDTHS_PX.findIndex((width) => width >= needed);
    if (at < 0) at = WIDTHS_PX.length - 1;
    return WIDTHS_PX[Math.max(0, this.#each_ms > SLOW_MS ? at - 2 : at)];
  }
}

/** Put a JPEG on a canvas, which takes its size. */
export async function draw(canvas, blob) {
  const bitmap = await createImageBitmap(blob);
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("bitmaprenderer").transferFromImageBitmap(bitmap);
}
