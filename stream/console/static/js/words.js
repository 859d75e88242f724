// What codes are called on the page. Knows nothing of where they come from.

const STATES = {
  connecting: ["quiet", "Connecting"],
  live: ["ok", "Live"],
  stalled: ["bad", "Stalled"],
  offline: ["bad", "Offline"],
  ended: ["quiet", "Ended"],
  failed: ["bad", "Failed"],
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
};

export const DROPS = {
  superseded: "a newer window of the camera came first",
  stale: "waited too long for the scorer",
  removed: "the camera was removed",
  shutdown: "Vigil was being stopped",
};

/** A camera's status in a word or two, and its tone. A live camera with a fault is not well. */
export function stateOf(camera) {
  const [tone, word] = STATES[camera.state] ?? ["quiet", plain(camera.state)];
  if (camera.fault && camera.state === "live") return { tone: "warn", word: sentence(FAULTS[camera.fault] ?? plain(camera.fault)) };
  return { tone, word };
}

export const endOf = (reason) => ENDS[reason] ?? plain(reason);
export const severityOf = (event) => (event.severity === "alert" ? "Alert" : sentence(plain(event.severity)));

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

export const scoreOf = (score) => (score === null || score === undefined ? "unknown" : score.toFixed(2));

export const count = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

export function sizeOf(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (bytes >= 1000 && at < units.length - 1) (bytes /= 1000), (at += 1);
  return `${bytes >= 100 || at === 0 ? Math.round(bytes) : bytes.toFixed(1)} ${units[at]}`;
}

export const plain = (code) => String(code ?? "").replaceAll("_", " ");
export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);
