// How a camera's definitions became what they are: who, when, and what changed.

import { h } from "./dom.js";
import { when } from "./time.js";

/** Newest first; `undo` takes the newest one back, and is null for those who may not. */
export function historyOf(history, undo) {
  const standing = history.filter((change) => !change.undone);
  return [
    h(
      "div",
      { class: "head" },
      h("h2", {}, "Changes"),
      undo && standing.length > 1 ? h("button", { type: "button", onclick: undo }, "Undo the last change") : null,
    ),
    history.length
      ? h(
          "ol",
          { class: "changes" },
          history.map((change, at) =>
            h(
              "li",
              { "data-undone": change.undone ? "yes" : null },
              h(
                "p",
                {},
                h("strong", {}, change.by),
                " ",
                h("time", {}, when(change.time)),
                change.undone ? h("span", { class: "soft" }, undoingOf(change)) : null,
              ),
              h("ul", {}, differences(change.definitions, history[at + 1]?.definitions)),
            ),
          ),
        )
      : h("p", { class: "soft" }, "Nothing was changed here yet."),
  ];
}

/** Of what was undone before Vigil kept who did it, that is all there is to say. */
function undoingOf({ undone_by, undone_time }) {
  return undone_by ? ` (undone by ${undone_by}, ${when(undone_time)})` : " (undone)";
}

function differences(now, before) {
  const lines = now.map(lineOf);
  if (!before) return lines.length ? lines.map((line) => h("li", {}, line)) : h("li", {}, "the usual");
  const old = before.map(lineOf);
  const added = lines
    .filter((line) => !old.includes(line))
    .map((line) => h("li", { class: "added" }, h("span", { class: "sign" }, "+ "), line));
  const gone = old
    .filter((line) => !lines.includes(line))
    .map((line) => h("li", { class: "gone" }, h("span", { class: "sign" }, "− "), line));
  if (added.length + gone.length) return [...gone, ...added];
  return h("li", { class: "soft" }, "in another order");
}

function lineOf({ name, text, ignore, open, close, alert }) {
  return [
    name && name !== text ? `${name}: ` : "",
    text ?? "the usual crimes, accidents and dangers",
    ignore ? `, but never ${ignore}` : "",
    [
      ["opens at", open],
      ["closes below", close],
      ["alert from", alert],
    ]
      .filter(([, value]) => value !== null)
      .map(([what, value]) => `, ${what} ${value}`)
      .join(""),
  ].join("");
}
