// Offers and answers of WebRTC over HTTP, for watching (WHEP) and publishing (WHIP). Knows nothing of what flows.

import { problemOf, send } from "./api.js";

const GATHER_MS = 2_000;

/** Offers what the connection has and takes the answer; gives the path that `takeBack` wants. Raises Problem. */
export async function offer(connection, path, signal) {
  await connection.setLocalDescription();
  await gathered(connection);
  const response = await send(path, {
    method: "POST",
    body: connection.localDescription.sdp,
    headers: { "Content-Type": "application/sdp" },
    signal,
  });
  if (!response.ok) throw await problemOf(response);
  await connection.setRemoteDescription({ type: "answer", sdp: await response.text() });
  return response.headers.get("Location");
}

/** End what began so. It may have ended by itself. */
export const takeBack = (path) => send(path, { method: "DELETE" }).catch(() => {});

/** The offer has every way to this device: there is no telling of more later. */
function gathered(connection) {
  return new Promise((resolve) => {
    const look = () => connection.iceGatheringState === "complete" && resolve();
    connection.addEventListener("icegatheringstatechange", look);
    setTimeout(resolve, GATHER_MS);
    look();
  });
}
