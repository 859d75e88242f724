// Makes this device a camera: shows its own picture and sends it by WHIP. Knows nothing of the other views.

import { ask, problemOf, send, signIn, whoAmI } from "./api.js";
import { chip, empty, fill, h } from "./dom.js";
import { connectionTo, offer, takeBack } from "./sdp.js";
import { askWho } from "./signin.js";
import { sentence } from "./words.js";

const AGAIN_MS = 3_000;
const LENSES = { environment: "Back", user: "Front" };
const STATES = {
  new: ["quiet", "Connecting"],
  connecting: ["quiet", "Connecting"],
  connected: ["ok", "Sending"],
  disconnected: ["warn", "The connection is interrupted: trying again"],
  failed: ["bad", "The connection is lost: trying again"],
  closed: ["quiet", "Stopped"],
};
const REFUSALS = {
  NotAllowedError: "This page may not use the camera: allow it in the browser.",
  NotFoundError: "This device has no such camera.",
  NotReadableError: "Another program uses the camera.",
};

const main = document.getElementById("main");
const preview = h("video", { autoplay: true, muted: true, playsinline: true, "aria-label": "What is sent" });
const state = h("p", { role: "status" });
const lens = h("select", { id: "lens" }, Object.entries(LENSES).map(([value, text]) => h("option", { value }, text)));
const place = h("select", { id: "place" });
const button = h("button", { type: "button", class: "primary", onclick: toggle }, "Start");
let headers = {}; // with the camera's own token, where that is what lets in
let sending = null; // {stream, connection, first, location}: what the first connection and this one are called

preview.muted = true;
place.addEventListener("change", () => history.replaceState(null, "", `#${place.value}`));
addEventListener("hashchange", () => {
  const link = takeLink();
  if (!sending) begin(link);
});
begin(takeLink());

/** What the address names: /publish#NAME, or /publish#NAME:TOKEN, of which the token stays here and is not shown. */
function takeLink() {
  let text = location.hash.slice(1);
  try {
    text = decodeURIComponent(text);
  } catch {
    // Then a % in it is meant.
  }
  const [name, ...token] = text.split(":");
  if (token.length) history.replaceState(null, "", `#${encodeURIComponent(name)}`);
  return { name, token: token.join(":") };
}

async function begin(link) {
  let names;
  try {
    names = await enter(link);
  } catch (problem) {
    return fill(main, empty("This device can't be a camera now", sentence(`${problem.message}.`)));
  }
  document.title = "Publish · Vigil";
  if (!names.length) return fill(main, empty("Nothing waits for a publisher", "A camera with the source webrtc://NAME does."));
  fill(place, names.map((name) => h("option", { value: name, selected: name === link.name }, name)));
  show("quiet", "Stopped");
  fill(main, h("div", { class: "page publish" },
    h("h1", {}, "This device as a camera"),
    h("p", { id: "what" },
      "Start asks for this device's camera and sends its picture to Vigil, without sound, until you press Stop or leave this page. ",
      "Vigil watches it, and tells those who run it when something abnormal happens."),
    h("div", { class: "picture large" }, preview),
    state,
    h("div", { class: "pair" },
      h("div", { class: "field" }, h("label", { for: "place" }, "Publish to"), place),
      h("div", { class: "field" }, h("label", { for: "lens" }, "Lens"), lens)),
    button));
  if (link.name && !names.includes(link.name)) show("warn", `No camera waits for a publisher as ${link.name}.`);
  if (!navigator.mediaDevices) {
    show("bad", "Browsers give their camera to pages over HTTPS or from localhost only.");
    button.disabled = true;
  }
}

/** What this device may publish to: one camera with that one's own token, and all of them as an operator. */
async function enter({ name, token }) {
  if (token && (await opens(name, token))) return [name];
  let why = token ? "The token in this link does not let you publish." : "";
  for (;;) {
    const who = await whoAmI().catch((problem) => {
      if (problem.status !== 401) throw problem;
    });
    if (who && who.role !== "viewer") break;
    if (who) why = `${who.name} may look, but not publish.`;
    const hint = name
      ? `To publish to ${name}, enter its own token (publish_token in the configuration), or an operator's.`
      : "Publishing takes an operator's token, or a camera's own with the link to it: /publish#NAME.";
    const given = async (entered) => (name && (await opens(name, entered)) ? "opened" : signIn(entered));
    if ((await askWho(main, { given, why, hint })) === "opened") return [name];
    why = "";
  }
  const sources = (await ask("/api/cameras")).map((camera) => camera.source);
  return sources.filter((source) => source.startsWith("webrtc://")).map((source) => source.slice(9));
}

/** Whether this token lets publish there; then it is what is shown from now on. */
async function opens(name, token) {
  if (!/^[!-~]+$/.test(token)) return false;
  const shown = { Authorization: `Bearer ${token}` };
  const response = await send(`/whip/${encodeURIComponent(name)}`, { method: "OPTIONS", headers: shown });
  if (response.ok) headers = shown;
  else if (![401, 403].includes(response.status)) throw await problemOf(response);
  return response.ok;
}

function show(tone, text) {
  fill(state, chip(tone, text));
}

async function toggle() {
  button.disabled = true;
  try {
    await (sending ? stop() : start());
  } catch (error) {
    await stop();
    show("bad", REFUSALS[error.name] ?? wordsOf(error));
  }
  for (const choice of [lens, place]) choice.disabled = sending !== null;
  button.textContent = sending ? "Stop" : "Start";
  button.disabled = false;
}

async function start() {
  show("quiet", "Asking for the camera");
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: false,
    video: { facingMode: lens.value, width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 15 } },
  });
  sending = { stream, connection: null, first: null, location: null };
  preview.srcObject = stream;
  const [track] = stream.getVideoTracks();
  track.contentHint = "detail"; // rather fewer pictures than smaller ones
  track.addEventListener("ended", () => sending?.stream === stream && toggle());
  await connect(sending);
}

async function connect(mine) {
  const path = `/whip/${place.value}`;
  mine.connection?.close();
  const connection = await connectionTo(path, { headers });
  if (sending !== mine) return connection.close();
  mine.connection = connection;
  connection.addTransceiver(mine.stream.getVideoTracks()[0], { direction: "sendonly", streams: [mine.stream] });
  connection.addEventListener("connectionstatechange", () => {
    if (sending !== mine || mine.connection !== connection) return;
    show(...STATES[connection.connectionState]);
    if (["disconnected", "failed"].includes(connection.connectionState)) connectAgain(mine);
  });
  const continues = mine.first ? { "X-Continues": mine.first } : {};
  mine.location = await offer(connection, path, { headers: { ...headers, ...continues } });
  mine.first ??= mine.location;
}

/**
 * Its network was gone, or Vigil was: until somebody stops it, or Vigil says no. It says so when another device has
 * taken over, or the two would take the camera from each other for ever.
 */
async function connectAgain(mine) {
  while (sending === mine) {
    try {
      return await connect(mine);
    } catch (problem) {
      if (problem.status >= 400 && problem.status < 500) {
        if (sending === mine) await toggle();
        return show("bad", wordsOf(problem));
      }
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

const wordsOf = (problem) => sentence(`${problem.detail || problem.message}.`);

async function stop() {
  const before = sending;
  sending = null;
  preview.srcObject = null;
  if (!before) return;
  for (const track of before.stream.getTracks()) track.stop();
  if (before.location) await takeBack(before.location, headers);
  before.connection?.close();
  show("quiet", "Stopped");
}
