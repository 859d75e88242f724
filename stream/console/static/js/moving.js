// A camera's large picture: live video where that works, else moving pictures, else single ones. Knows the ways and
// nothing of the page.

import { play } from "./mjpeg.js";

const FPS = 5;
const AGAIN_MS = 30_000;
const VIDEO_AGAIN_MS = [10_000, 600_000]; // it is tried again after that, and later and later

/**
 * Until `signal`; `single` is what `Pictures.show` gave for the canvas. Video from `whep`, where there is that, goes to
 * `video`. `told` is called at each picture, with whether it is video.
 */
export async function keepMoving(camera, canvas, single, { whep, video, signal, told }) {
  const width = Math.min(960, Math.max(320, Math.round(canvas.clientWidth * Math.min(devicePixelRatio, 2))));
  const [soonest_ms, latest_ms] = VIDEO_AGAIN_MS;
  let videoAgain_ms = soonest_ms;
  let hidden = new AbortController();
  let wake = () => {};
  document.addEventListener("visibilitychange", () => (document.hidden ? hidden.abort() : wake()), { signal });
  signal.addEventListener("abort", () => wake());

  /** One way, until it breaks off; single pictures fill the gap to the next. */
  const goes = async (way, isVideo) => {
    const shown = () => {
      single.paused = true;
      if (isVideo) videoAgain_ms = soonest_ms;
      told(isVideo);
    };
    await way(shown).catch(() => {});
    single.paused = false;
  };

  while (!signal.aborted) {
    hidden = new AbortController();
    if (document.hidden) hidden.abort();
    let stop = AbortSignal.any([signal, hidden.signal]);
    if (whep && !stop.aborted) {
      const { watch } = await import("./whep.js");
      await goes((shown) => watch(whep, video, { signal: stop, told: shown }), true);
      stop = AbortSignal.any([stop, AbortSignal.timeout(videoAgain_ms)]);
      videoAgain_ms = Math.min(2 * videoAgain_ms, latest_ms);
    }
    if (!stop.aborted) await goes((shown) => play(camera, canvas, { width, fps: FPS, signal: stop, told: shown }), false);
    if (signal.aborted || (stop.aborted && !document.hidden)) continue;
    await new Promise((resolve) => {
      wake = resolve;
      setTimeout(resolve, AGAIN_MS);
    });
  }
}
