// A camera's large picture: moving where that works, else single pictures. Knows both ways and nothing of the page.

import { play } from "./mjpeg.js";

const FPS = 5;
const AGAIN_MS = 30_000;

/** Until `signal`; `single` is what `Pictures.show` gave for the canvas, and `told` is called at each picture. */
export async function keepMoving(camera, canvas, single, { signal, told }) {
  const width = Math.min(960, Math.max(320, Math.round(canvas.clientWidth * Math.min(devicePixelRatio, 2))));
  const shown = () => {
    single.paused = true;
    told();
  };
  let hidden = new AbortController();
  let wake = () => {};
  document.addEventListener("visibilitychange", () => (document.hidden ? hidden.abort() : wake()), { signal });
  signal.addEventListener("abort", () => wake());
  while (!signal.aborted) {
    hidden = new AbortController();
    const stop = AbortSignal.any([signal, hidden.signal]);
    if (!document.hidden) await play(camera, canvas, { width, fps: FPS, signal: stop, told: shown }).catch(() => {});
    single.paused = false;
    await new Promise((resolve) => {
      wake = resolve;
      setTimeout(resolve, AGAIN_MS);
    });
  }
}
