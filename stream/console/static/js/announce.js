// Says aloud what happens: to screen readers, and if the viewer wants it with a sound and a notification.

import { setText } from "./dom.js";
import { prefers } from "./prefs.js";
import { clock } from "./time.js";
import { explanationOf, severityOf } from "./words.js";

const OLD_S = 60; // an alert that is caught up with after a break is not news any more
const POLITE_EVERY_MS = 8_000;

let sounds = null;
let said_ms = 0;

/** For whoever can't see it: updates, when nothing else is being said. */
export function say(text) {
  setText(document.getElementById("polite"), text);
}

/** A new event. */
export function sayNew(event, age_s) {
  if (age_s > OLD_S) return;
  const text = `${severityOf(event)}, camera ${event.camera}: ${explanationOf(event)}`;
  setText(document.getElementById("assertive"), text);
  if (prefers("sound")) play();
  if (prefers("notify") && globalThis.Notification?.permission === "granted") notify(event, text);
}

/** A known event has its sentence, or is over. Not every one, as a screen reader would never come to an end. */
export function sayUpdate(event) {
  if (performance.now() - said_ms < POLITE_EVERY_MS) return;
  said_ms = performance.now();
  const what = event.end_time === null ? explanationOf(event) : `over at ${clock(event.end_time)}`;
  say(`Camera ${event.camera}: ${what}`);
}

/** Two soft tones. Browsers allow it once the viewer has clicked or pressed a key. */
export function play() {
  sounds ??= new AudioContext();
  sounds.resume();
  for (const [at, pitch] of [
    [0, 660],
    [0.18, 880],
  ]) {
    const tone = sounds.createOscillator();
    const loudness = sounds.createGain();
    const begin = sounds.currentTime + at;
    tone.frequency.value = pitch;
    loudness.gain.setValueAtTime(0.0001, begin);
    loudness.gain.exponentialRampToValueAtTime(0.2, begin + 0.02);
    loudness.gain.exponentialRampToValueAtTime(0.0001, begin + 0.3);
    tone.connect(loudness).connect(sounds.destination);
    tone.start(begin);
    tone.stop(begin + 0.32);
  }
}

function notify(event, text) {
  const shown = new Notification(`Vigil: ${event.camera}`, { body: text, tag: event.id });
  shown.onclick = () => {
    focus();
    location.hash = `#/alerts/${encodeURIComponent(event.id)}`;
    shown.close();
  };
}
