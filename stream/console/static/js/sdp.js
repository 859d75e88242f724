// Offers and answers of WebRTC over HTTP, for watching (WHEP) and publishing (WHIP). Knows nothing of what flows.

import { problemOf, send } from "./api.js";

const GATHER_MS = 2_000;
const LINK = /<([^>]+)>((?:\s*;\s*[\w-]+="(?:[^"\\]|\\.)*")*)/g;
const PARAMETER = /([\w-]+)="((?:[^"\\]|\\.)*)"/g;

/** A connection that knows the servers which help through a network. Raises Problem for who may not offer there. */
export async function connectionTo(path, { headers, signal } = {}) {
  const response = await send(path, { method: "OPTIONS", headers, signal });
  if (!response.ok) throw await problemOf(response);
  return new RTCPeerConnection({ iceServers: serversOf(response.headers.get("Link") ?? "") });
}

/** Offers what the connection has and takes the answer; gives the path that `takeBack` wants. Raises Problem. */
export async function offer(connection, path, { headers, signal } = {}) {
  await connection.setLocalDescription();
  await gathered(connection);
  const response = await send(path, {
    method: "POST",
    body: connection.localDescription.sdp,
    headers: { ...headers, "Content-Type": "application/sdp" },
    signal,
  });
  if (!response.ok) throw await problemOf(response);
  await connection.setRemoteDescription({ type: "answer", sdp: await response.text() });
  return response.headers.get("Location");
}

/** End what began so. It may have ended by itself. */
export const takeBack = (path, headers) => send(path, { method: "DELETE", headers }).catch(() => {});

/** Those of a Link header (RFC 9725, section 4.6). Browsers take no TURN server without a user. */
function serversOf(links) {
  const servers = [...links.matchAll(LINK)].map(([, urls, parameters]) => {
    const told = [...parameters.matchAll(PARAMETER)].map(([, key, value]) => [key, value.replace(/\\(.)/g, "$1")]);
    const { rel, username, credential } = Object.fromEntries(told);
    return { rel, server: { urls, username, credential } };
  });
  return servers
    .filter(({ rel, server }) => rel === "ice-server" && (server.username || !server.urls.startsWith("turn")))
    .map(({ server }) => server);
}

/** The offer has every way to this device: there is no telling of more later. */
function gathered(connection) {
  return new Promise((resolve) => {
    const look = () => connection.iceGatheringState === "complete" && resolve();
    connection.addEventListener("icegatheringstatechange", look);
    setTimeout(resolve, GATHER_MS);
    look();
  });
}
