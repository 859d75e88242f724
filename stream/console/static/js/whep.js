// A camera's live video, by WebRTC. Knows nothing of what to do when it breaks off.

import { connectionTo, offer, takeBack } from "./sdp.js";

const CONNECT_MS = 3_000;
const SILENCE_MS = 6_000; // the backend repeats the last picture every second

/** Plays until `signal`, or until nothing comes any more; `told` is called at each picture. Raises when it can't. */
export async function watch(path, video, { signal, told }) {
  const broken = new AbortController();
  const stop = AbortSignal.any([signal, broken.signal]);
  let connection = null;
  let location = null;
  let patience = setTimeout(() => broken.abort(), CONNECT_MS);
  const seen = () => {
    if (stop.aborted) return;
    clearTimeout(patience);
    patience = setTimeout(() => broken.abort(), SILENCE_MS);
    told();
    video.requestVideoFrameCallback(seen);
  };
  try {
    connection = await connectionTo(path, { signal: stop });
    const { receiver } = connection.addTransceiver("video", { direction: "recvonly" });
    connection.addEventListener(
      "connectionstatechange",
      () => connection.connectionState === "failed" && broken.abort(),
    );
    video.srcObject = new MediaStream([receiver.track]);
    video.requestVideoFrameCallback(seen);
    location = await offer(connection, path, { signal: stop });
    if (!stop.aborted) await new Promise((resolve) => stop.addEventListener("abort", resolve));
  } finally {
    clearTimeout(patience);
    const end = () => connection?.close(); // only then, or the backend has nothing left to take back
    if (location) takeBack(location).finally(end);
    else end();
  }
}
