// What codes are called on the page. Knows nothing of where they come from.

const STATES = {
  connecting: ["quiet", "Connecting"],
  live: ["ok", "Live"],
  stalled: ["bad", "Stalled"],
  offline: ["bad", "Offline"],
  ended: ["quiet", "Ended"],
  failed: ["bad", "Failed"],
};

const MEANINGS = {
  connecting: "It is being opened.",
  live: "Pictures come and are watched.",
  stalled: "It is connected, but no picture comes. It is closed and opened again.",
  offline: "It could not be opened, or broke off. It is tried again without end, at least every 30 s.",
  ended: "The file is over.",
  failed: "It is not tried again before a restart.",
};

const FAULTS = {
  covered: "picture covered",
  frozen: "picture frozen",
  blurred: "picture blurred",
  moved: "camera moved",
  clock_jump: "clock jumped",
  resized: "picture resized",
};

const ENDS = {
  calm: "it became calm",
  max_duration: "it lasted as long as one event may",
  no_data: "no scores came any more",
  clock_step: "the machine's clock was set back",
  camera_lost: "the camera was lost",
  source_ended: "the file was over",
  reconfigured: "the camera's settings were changed",
  shutdown: "Vigil was stopped",
  restart: "Vigil was restarted",
  recovered: "the camera is well again",
};

export const DROPS = {
  superseded: "a newer window of the camera came first",
  stale: "waited too long for the scorer",
  removed: "the camera was removed",
  shutdown: "Vigil was being stopped",
};

export const FRAME_DROPS = {
  late: "came after a newer one",
  ring_full: "no room was left for them",
  untaken: "a newer one of the publisher came first",
  undecoded: "the publisher sent more than could be decoded",
};

/** A camera's status in a word or two, and its tone. A live camera with a fault is not well. */
export function stateOf(camera) {
  const [tone, word] = STATES[camera.state] ?? ["quiet", plain(camera.state)];
  if (camera.fault && camera.state === "live")
    return { tone: "warn", word: sentence(FAULTS[camera.fault] ?? plain(camera.fault)) };
  return { tone, word };
}

/** Sentences that say how a camera is, and what to do about it. */
export function meaningOf(camera) {
  const wrong = camera.message
    ? [`${camera.message.includes("://") ? camera.message : sentence(camera.message)}.`]
    : [];
  const live = camera.state === "live" && camera.scored_per_s === 0;
  return [
    ...wrong,
    camera.state === "live" && camera.fault ? "Pictures come and are watched all the same." : MEANINGS[camera.state],
    live ? "None of its windows is being scored just now." : null,
    camera.advice ? `What to try: ${camera.advice}.` : null,
  ].filter(Boolean);
}

/** What a definition is called on the page; without a text it depends on whether the scorer understands `words`. */
export function nameOf({ name, text }, words) {
  if (name !== "default" || text) return name;
  return words ? "the usual" : "unusual motion";
}

export const usualOf = (words) =>
  words ? "the usual crimes, accidents and dangers" : "motion that is unusual for the scene";

export const endOf = (reason) => ENDS[reason] ?? plain(reason);
export const severityOf = (event) => (event.fault ? "Camera fault" : sentence(plain(event.severity)));

/** What a person said of an event, or null. */
export function verdictOf(event) {
  if (event.mark?.verdict === "true") return "True alarm";
  if (event.mark?.verdict === "false") return "False alarm";
  return null;
}

/** The sentence of an event, or what stands for it. */
export function explanationOf(event) {
  if (event.explanation) return event.explanation;
  return event.explanation_state === "pending" ? "The explanation is being written." : "No explanation was given.";
}

export const judgeOf = ({ scorer, name }) => (scorer === name ? name : `${scorer}: ${name}`);

export const scoreOf = (score) => (score === null || score === undefined ? "unknown" : score.toFixed(2));

export const count = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

export function sizeOf(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (bytes >= 1000 && at < units.length - 1) ((bytes /= 1000), (at += 1));
  return `${bytes >= 100 || at === 0 ? Math.round(bytes) : bytes.toFixed(1)} ${units[at]}`;
}

export const plain = (code) => String(code ?? "").replaceAll("_", " ");
export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);
