// What this viewer prefers, kept in this browser. Knows nothing of what the preferences do.

const KEY = "vigil.preferences";
const DEFAULTS = { sound: false, notify: false, keys: true, boxes: true };

let kept = { ...DEFAULTS };
try {
  kept = { ...DEFAULTS, ...JSON.parse(localStorage.getItem(KEY) ?? "{}") };
} catch {
  // A browser that keeps nothing has the defaults.
}

export const prefers = (name) => kept[name];

export function prefer(name, value) {
  kept[name] = value;
  try {
    localStorage.setItem(KEY, JSON.stringify(kept));
  } catch {
    // ... until the page is closed.
  }
}
