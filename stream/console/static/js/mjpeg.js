// A moving picture on a canvas, from one long answer of JPEGs. Knows nothing of what to do when it breaks off.

import { cameraPath, send } from "./api.js";
import { PartReader } from "./parts.js";
import { draw } from "./pictures.js";

const SILENCE_MS = 10_000;

/** Plays until the answer ends or `signal`; `told` is called at each picture. Raises when it can't. */
export async function play(camera, canvas, { width, fps, signal, told }) {
  const quiet = new AbortController();
  let silence = setTimeout(() => quiet.abort(), SILENCE_MS);
  try {
    const stop = AbortSignal.any([signal, quiet.signal]);
    const response = await send(`${cameraPath(camera)}/live.mjpg?fps=${fps}&width=${width}`, {
      headers: { Accept: "multipart/x-mixed-replace" },
      signal: stop,
    });
    if (!response.ok) throw new Error(`no moving picture: ${response.status}`);
    const parts = new PartReader();
    const reader = response.body.getReader();
    for (let piece; !(piece = await reader.read()).done;) {
      clearTimeout(silence);
      silence = setTimeout(() => quiet.abort(), SILENCE_MS);
      const newest = parts.push(piece.value).at(-1); // what came in between is older already
      if (!newest) continue;
      await draw(canvas, new Blob([newest.bytes], { type: "image/jpeg" }));
      told();
    }
  } finally {
    clearTimeout(silence);
    quiet.abort();
  }
}
