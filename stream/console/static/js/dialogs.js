// The dialogs for settings and help. Knows the preferences and the shortcuts' names, nothing of the views.

import { play } from "./announce.js";
import { h } from "./dom.js";
import { prefer, prefers } from "./prefs.js";

const SHORTCUTS = [
  [
    "Everywhere",
    [
      ["W", "wall"],
      ["A", "alerts"],
      ["D", "definitions"],
      ["H", "health"],
      ["?", "this help"],
      ["Esc", "back, or close"],
    ],
  ],
  [
    "Wall",
    [
      ["← → ↑ ↓", "from camera to camera"],
      ["Enter", "open the camera"],
    ],
  ],
  [
    "Alerts",
    [
      ["J", "next, older alert"],
      ["K", "previous, newer alert"],
      ["/", "search"],
    ],
  ],
  [
    "One alert",
    [
      ["E", "acknowledge"],
      ["T", "true alarm"],
      ["F", "false alarm"],
      ["Space", "play or stop the clip"],
    ],
  ],
  [
    "A chart",
    [
      ["← →", "point by point"],
      ["Page ↑ ↓", "a minute's worth"],
      ["Home, End", "first, last"],
    ],
  ],
];

/** A modal dialog; it is removed when it is closed, and the focus returns to where it was. */
export function show(title, ...content) {
  const dialog = h(
    "dialog",
    { "aria-labelledby": "dialog-title" },
    h(
      "div",
      { class: "dialog-head" },
      h("h2", { id: "dialog-title" }, title),
      h("button", { type: "button", class: "plain", onclick: () => dialog.close() }, "Close"),
    ),
    content,
  );
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

export function showHelp() {
  show(
    "Keyboard",
    h(
      "div",
      { class: "shortcuts" },
      SHORTCUTS.map(([where, keys]) =>
        h(
          "section",
          {},
          h("h3", {}, where),
          h(
            "dl",
            {},
            keys.map(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)]),
          ),
        ),
      ),
    ),
  );
}

/** `who` is {name, role}; `leave` signs out, and is null where nobody has to sign in. */
export function showSettings(who, leave) {
  show(
    "Settings",
    h(
      "div",
      { class: "settings" },
      choice("sound", "Sound for new alerts", "Two soft tones.", async (on) => on && play()),
      choice("notify", "Notifications for new alerts", "Also while this page is in the background.", allowed),
      choice("keys", "Shortcuts of one key", "W, A, J, K and so on; “?” lists them."),
      h("p", { class: "soft" }, `You are ${who.name} (${who.role}).`),
      leave ? h("button", { type: "button", onclick: leave }, "Sign out") : null,
    ),
  );
}

function choice(name, title, hint, changed = async () => {}) {
  const box = h("input", {
    type: "checkbox",
    id: `set-${name}`,
    "aria-describedby": `hint-${name}`,
    checked: prefers(name),
  });
  box.addEventListener("change", async () => {
    if ((await changed(box.checked)) === false) box.checked = false;
    prefer(name, box.checked);
  });
  return h(
    "div",
    { class: "choice" },
    box,
    h("div", {}, h("label", { for: `set-${name}` }, title), h("p", { class: "soft", id: `hint-${name}` }, hint)),
  );
}

/** False when the browser does not allow notifications. */
async function allowed(on) {
  if (!on) return true;
  return (await globalThis.Notification?.requestPermission()) === "granted";
}
