// Reading answers of many parts, out of bytes that come in pieces. Knows nothing of what is in them.

const LARGEST_BYTES = 8_000_000;

/** Cuts a multipart answer into its parts, each of which must say its Content-Length. */
export class PartReader {
  #bytes = new Uint8Array(0);

  /** Whether some of a part has come, and not all of it. */
  get midway() {
    return this.#bytes.length > 2; // of a line's end that follows a part
  }

  /** The parts that this piece completes: [{headers, bytes}]. */
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
      const length = Number(headers.get("Content-Length") ?? NaN);
      if (!(length >= 0 && length < LARGEST_BYTES)) throw new Error("a part without a length");
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
