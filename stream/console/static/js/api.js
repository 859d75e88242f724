// Asking the backend. Every failure is a Problem with a title and a detail to show. Knows nothing of the page.

import { tellServerTime } from "./time.js";

const PATIENCE_MS = 20_000;
let csrf = "";

/** `status` is 0 when nobody answered. */
export class Problem extends Error {
  constructor(status, title, detail = "") {
    super(detail ? `${title}: ${detail}` : title);
    Object.assign(this, { status, title, detail });
  }
}

/** Told of `signed-out`: the backend asks who this is. */
export const session = new EventTarget();

/** The Response, whatever its status; Problem when there is none, AbortError when `signal` was. */
export async function send(path, { method = "GET", body, headers = {}, signal, patience_ms = PATIENCE_MS } = {}) {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), patience_ms);
  const all = { Accept: "application/json", ...headers };
  if (method !== "GET") all["X-CSRF-Token"] = csrf;
  if (body !== undefined) all["Content-Type"] ??= "application/json";
  try {
    const response = await fetch(path, {
      method,
      headers: all,
      body: all["Content-Type"] === "application/json" ? JSON.stringify(body) : body,
      signal: signal ? AbortSignal.any([signal, late.signal]) : late.signal,
      credentials: "same-origin",
      cache: headers["If-None-Match"] ? "no-store" : "default",
    });
    if (response.headers.has("Date")) tellServerTime(response.headers.get("Date"));
    return response;
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, late.signal.aborted ? "Vigil takes too long to answer" : "Vigil can't be reached");
  } finally {
    clearTimeout(timer);
  }
}

/** The answer's JSON. Raises Problem. */
export async function ask(path, options) {
  const response = await send(path, options);
  if (response.ok) return response.status === 204 ? null : response.json();
  throw await problemOf(response);
}

export async function problemOf(response) {
  if (response.status === 401) session.dispatchEvent(new Event("signed-out"));
  try {
    const told = await response.json();
    return new Problem(response.status, String(told.title ?? `Error ${response.status}`), String(told.detail ?? ""));
  } catch {
    return new Problem(response.status, `Error ${response.status}`, response.statusText);
  }
}

/** Who this is: {name, role, csrf}. Raises Problem 401 when a token is needed. */
export async function whoAmI() {
  const found = await send("/api/session");
  if (!found.ok) throw await problemOf(found);
  return signedIn(await found.json());
}

export async function signIn(token) {
  const response = await send("/api/session", { method: "POST", body: { token } });
  if (response.status === 429) {
    const wait_s = Number(response.headers.get("Retry-After")) || 60;
    throw new Problem(429, "Too many attempts", `try again in ${wait_s} s`);
  }
  if (response.status === 401) throw new Problem(401, "This token is not known", "ask whoever runs this Vigil");
  if (!response.ok) throw await problemOf(response);
  return signedIn(await response.json());
}

export async function signOut() {
  await ask("/api/session", { method: "DELETE" });
  csrf = "";
}

function signedIn(answer) {
  csrf = answer.csrf ?? "";
  return answer;
}

/** A query string of what is neither null nor empty; each of a list's values is given. */
export function query(values) {
  const kept = Object.entries(values)
    .flatMap(([name, value]) => [value].flat().map((each) => [name, each]))
    .filter(([, value]) => value !== null && value !== undefined && value !== "");
  return kept.length ? `?${new URLSearchParams(kept)}` : "";
}

export const cameraPath = (camera) => `/api/cameras/${encodeURIComponent(camera)}`;
export const alertPath = (id) => `/api/alerts/${encodeURIComponent(id)}`;
export const definitionsPath = (camera) => `/api/definitions/${encodeURIComponent(camera)}`;
