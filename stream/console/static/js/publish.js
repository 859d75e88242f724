// Makes this device a camera: shows its own picture and sends it by WHIP. Knows nothing of the other views.

import { ask, whoAmI } from "./api.js";
import { chip, empty, fill, h } from "./dom.js";
import { offer, takeBack } from "./sdp.js";
import { askWho } from "./signin.js";

const AGAIN_MS = 3_000;
const LENSES = { environment: "Back", user: "Front" };
const STATES = {
  new: ["quiet", "Connecting"],
  connecting: ["quiet", "Connecting"],
  connected: ["ok", "Sending"],
  disconnected: ["warn", "The connection is interrupted"],
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
let sending = null; // {connection, stream, location}

preview.muted = true;
begin();

async function begin() {
  try {
    await whoAmI();
  } catch (problem) {
    if (problem.status !== 401) return fill(main, empty("Vigil can't be reached", problem.message));
    await askWho(main);
  }
  document.title = "Publish · Vigil";
  const cameras = await ask("/api/cameras").catch((problem) => problem);
  if (cameras instanceof Error) return fill(main, empty("The cameras can't be listed", cameras.message));
  const names = cameras.map((camera) => camera.source).filter((source) => source.startsWith("webrtc://")).map((source) => source.slice(9));
  if (!names.length) return fill(main, empty("Nothing waits for a publisher", "A camera with the source webrtc://NAME does."));
  fill(place, names.map((name) => h("option", { value: name }, name)));
  show("quiet", "Stopped");
  fill(main, h("div", { class: "page" },
    h("h1", {}, "This device as a camera"),
    h("div", { class: "picture large" }, preview),
    state,
    h("div", { class: "pair" },
      h("div", { class: "field" }, h("label", { for: "place" }, "Publish to"), place),
      h("div", { class: "field" }, h("label", { for: "lens" }, "Lens"), lens)),
    button,
    h("p", {}, h("a", { href: "/" }, "To the wall"))));
  if (!navigator.mediaDevices) {
    show("bad", "Browsers give their camera to pages over HTTPS or from localhost only.");
    button.disabled = true;
  }
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
    show("bad", REFUSALS[error.name] ?? error.message);
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
  sending = { stream, connection: null, location: "" };
  preview.srcObject = stream;
  const [track] = stream.getVideoTracks();
  track.contentHint = "detail"; // rather fewer pictures than smaller ones
  track.addEventListener("ended", () => sending?.stream === stream && toggle());
  await connect(sending);
}

async function connect(mine) {
  const connection = new RTCPeerConnection();
  mine.connection?.close();
  mine.connection = connection;
  connection.addTransceiver(mine.stream.getVideoTracks()[0], { direction: "sendonly", streams: [mine.stream] });
  connection.addEventListener("connectionstatechange", () => {
    if (sending !== mine || mine.connection !== connection) return;
    show(...STATES[connection.connectionState]);
    if (connection.connectionState === "failed") connectAgain(mine);
  });
  mine.location = await offer(connection, `/whip/${place.value}`);
}

/** Its network was gone, or Vigil was: until somebody stops it, or Vigil says no. */
async function connectAgain(mine) {
  while (sending === mine) {
    try {
      return await connect(mine);
    } catch (problem) {
      if (problem.status >= 400 && problem.status < 500) {
        if (sending === mine) await toggle();
        return show("bad", problem.message);
      }
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

async function stop() {
  const before = sending;
  sending = null;
  preview.srcObject = null;
  if (!before) return;
  for (const track of before.stream.getTracks()) track.stop();
  if (before.location) await takeBack(before.location);
  before.connection?.close();
  show("quiet", "Stopped");
}
