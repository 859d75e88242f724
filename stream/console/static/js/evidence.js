// The picture and the clip of one event: one of them at a time, with its boxes or without. Knows nothing of the rest
// of the event.

import { Boxes } from "./boxes.js";
import { fill, h, refill, setText } from "./dom.js";
import { prefer, prefers } from "./prefs.js";
import { clock } from "./time.js";
import { explanationOf } from "./words.js";

const WIDTHS_PX = [480, 960]; // that a snapshot can be had in
const AROUND_S = 1; // in a clip, boxes are shown so long before and after the moment that they belong to
const NAMES = { picture: "Picture", clip: "Clip" };

/** {node, paint(event), toggle(), seek(time)}; `event` with the messages of its course. */
export function evidenceOf(id) {
  const picture = h("img", { alt: "" });
  const clip = h("video", { controls: true, preload: "metadata", playsinline: true });
  const boxes = new Boxes();
  const note = h("p", { class: "tile-note", hidden: true });
  const frame = h("div", { class: "picture large" }, picture, boxes.node, note);
  const hint = h("p", { class: "soft" });
  const worst = h("button", { type: "button", onclick: () => seek(event.snapshot_time) }, "Worst moment");
  const marked = h(
    "button",
    { type: "button", onclick: () => (prefer("boxes", !prefers("boxes")), paint(event)) },
    "Boxes",
  );
  let choice = "picture";
  let event = null;
  let clean = true; // whether the picture came without boxes
  let asked = "";
  let coming = []; // the boxes of the picture that is asked for
  let there = []; // ... and of the one that is shown

  const buttons = Object.entries(NAMES).map(([name, words]) =>
    h("button", { type: "button", "data-name": name, onclick: () => choose(name) }, words),
  );
  const node = h(
    "figure",
    { class: "evidence" },
    frame,
    h(
      "figcaption",
      {},
      h("div", { class: "segments", role: "group", "aria-label": "Evidence" }, buttons),
      h("div", { class: "segments" }, marked, worst),
      hint,
    ),
  );
  const trouble = (text) => (setText(note, text), (note.hidden = !text));

  picture.addEventListener("load", () => ((there = coming), trouble(""), (picture.hidden = false), mark()));
  picture.addEventListener("error", () => {
    if (clean && event.boxes.length) {
      clean = false; // then with the boxes drawn in it
      picture.src = `${event.snapshot}?${asked}`;
    } else if (choice === "picture") {
      picture.hidden = true;
      trouble("The picture was deleted, or could not be fetched.");
    }
  });
  clip.addEventListener("error", () => {
    if (choice === "clip") trouble("This browser can't play the clip. It can be saved and played elsewhere.");
  });
  for (const name of ["loadedmetadata", "timeupdate", "seeked"]) clip.addEventListener(name, () => mark());

  function choose(name) {
    choice = name;
    trouble("");
    if (name === "picture") clip.pause();
    paint(event);
    if (name === "clip") clip.play().catch(() => {});
  }

  /** The clip at a time of the clock, standing still. */
  function seek(time) {
    if (!timed()) return;
    choice = "clip";
    trouble("");
    paint(event);
    clip.pause();
    clip.currentTime = Math.max(0, time - event.clip_start_time);
  }

  const timed = () => Boolean(event?.clip) && event.clip_start_time !== null;

  function fetchPicture() {
    const wide = frame.clientWidth * Math.min(devicePixelRatio, 2);
    const width = WIDTHS_PX.find((each) => each >= wide);
    asked = `seq=${event.seq}${width ? `&width=${width}` : ""}`;
    clean = true;
    coming = event.boxes;
    picture.src = `${event.snapshot}?boxes=false&${asked}`;
  }

  /** What is marked at the moment that is shown. */
  function mark() {
    const film = choice === "clip";
    const shape = film ? clip.videoWidth / clip.videoHeight : picture.naturalWidth / picture.naturalHeight;
    if (shape) frame.style.setProperty("--shape", shape);
    const shown = film ? momentOf(event, clip.currentTime) : clean ? there : [];
    boxes.draw(prefers("boxes") && shape ? shown : []);
  }

  function paint(told) {
    const newer = told.seq !== event?.seq;
    event = told;
    if (!event.clip) choice = "picture";
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(choice === button.dataset.name));
      button.disabled = button.dataset.name === "clip" && !event.clip;
    }
    marked.setAttribute("aria-pressed", String(prefers("boxes")));
    marked.hidden = !event.boxes.length || (choice === "picture" ? !clean : !timed());
    worst.hidden = !timed() || event.snapshot_time === null;
    picture.alt = `Worst moment so far, camera ${event.camera}. ${explanationOf(event)}`;
    if (event.snapshot && newer) fetchPicture();
    if (!event.snapshot && choice === "picture")
      trouble(`No picture was taken.${event.snapshot_note ? ` ${event.snapshot_note}.` : ""}`);
    if (event.clip && clip.getAttribute("src") !== event.clip) clip.src = event.clip;
    const shown = choice === "picture" ? picture : clip;
    if (frame.firstChild !== shown) fill(frame, shown, boxes.node, note);
    mark();
    paintHint();
  }

  function paintHint() {
    const drawn = prefers("boxes") || !clean ? "" : "?boxes=false";
    const saved = choice === "clip" ? event.clip : event.snapshot ? `${event.snapshot}${drawn}` : null;
    const ending = choice === "clip" ? "mp4" : "jpg";
    const lines = [
      choice === "picture" && event.snapshot_time !== null ? `Taken at ${clock(event.snapshot_time)}. ` : null,
      event.clip ? null : event.end_time === null ? "The clip is there when the event is over. " : "There is no clip. ",
      choice === "clip" && event.clip_note ? `${event.clip_note}. ` : null,
    ];
    refill(hint, JSON.stringify([lines, saved]), () => [
      lines,
      saved ? h("a", { href: saved, download: `${event.camera}-${id}.${ending}` }, "Save") : null,
    ]);
  }

  const toggle = () => {
    if (!event?.clip) return;
    if (choice === "picture") choose("clip");
    else if (clip.paused) clip.play().catch(() => {});
    else clip.pause();
  };
  return { node, paint, toggle, seek };
}

/** The boxes that were known at a second of the clip: those of the nearest picture of the event. */
function momentOf(event, second) {
  const time = event.clip_start_time + second;
  const away = (message) => Math.abs(message.snapshot_time - time);
  const near = event.messages.filter((message) => message.snapshot_time && away(message) <= AROUND_S);
  return near.length ? near.reduce((best, each) => (away(each) <= away(best) ? each : best)).boxes : [];
}
