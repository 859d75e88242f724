// A moving picture on a canvas, from one long answer of JPEGs. Knows nothing of what to do when it breaks off.

import { cameraPath, send } from "./api.js";
import { draw } from "./pictures.js";

const SILENCE_MS = 10_000;
const LARGEST_BYTES = 8_000_000;

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

/** Cuts multipart/x-mixed-replace into its parts, each of which must say its Content-Length. */
class PartReader {
  #bytes = new Uint8Array(0);

  push(piece) {
    const all = new Uint8Array(this.#bytes.length + piece.length);
    all.set(this.#bytes);
    all.set(piece, this.#bytes.length);
    const parts = [];
    let from = 0;
    for (;;) {
      const end = endOfHead(all, from);
      if (end < 0) break;
      const headers = headersOf(new TextDecoder().decode(all.subarray(from, end)));
      const length = Number(headers.get("Content-Length"));
      if (!(length > 0 && length < LARGEST_BYTES)) throw new Error("a part without a length");
      if (all.length < end + length) break;
      parts.push({ headers, bytes: all.slice(end, end + length) });
      from = end + length;
    }
    this.#bytes = all.slice(from);
    return parts;
  }
}

/** Where the part's content begins: after the empty line that follows a line of headers. */
function endOfHead(bytes, from) {
  for (let at = from + 3; at < bytes.length; at++)
    if (bytes[at] === 10 && bytes[at - 1] === 13 && bytes[at - 2] === 10 && bytes[at - 3] === 13 && at > from + 3)
      return at + 1;
  return -1;
}

function headersOf(text) {
  const headers = new Headers();
  for (const line of text.split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) headers.set(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
  }
  return headers;
}
