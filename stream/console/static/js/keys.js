// Shortcuts of one key. They don't work while somebody types, nor under a dialog, nor when they are switched off.

import { prefers } from "./prefs.js";

/** Call `keys[key]` when that key is pressed, until `signal`. What it returns false for is left to the browser. */
export function onKeys(keys, signal) {
  addEventListener(
    "keydown",
    (event) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (document.querySelector("dialog[open]") || typing(event.target)) return;
      if (event.key === " " && event.target.closest?.("button, a, summary, input, video")) return;
      if (event.key.length === 1 && !prefers("keys")) return;
      const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (act && act(event) !== false) event.preventDefault();
    },
    { signal },
  );
}

function typing(target) {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || target.matches("input:not([type=checkbox]):not([type=radio]), textarea, select"))
  );
}
