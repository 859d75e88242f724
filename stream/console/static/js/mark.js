// What a person says of an event: seen, right or wrong, and a note. Knows nothing of the rest of the event.

import { alertPath, ask } from "./api.js";
import { say } from "./announce.js";
import { fill, h, setText } from "./dom.js";
import { when } from "./time.js";

const LONGEST_NOTE = 2000;

/** {node, paint(event), keys}: buttons that show what was said. What is said anew is kept, and `changed` called. */
export function markForm(id, { store, mayChange }, changed, signal) {
  let mark = null;
  let busy = false;
  const seen = button("Acknowledge", () => give({ acknowledged: !mark?.acknowledged }));
  const right = button("True alarm", () =>
    give({ verdict: mark?.verdict === "true" ? null : "true", acknowledged: true }),
  );
  const wrong = button("False alarm", () =>
    give({ verdict: mark?.verdict === "false" ? null : "false", acknowledged: true }),
  );
  const note = h("textarea", {
    id: "note",
    rows: 2,
    maxlength: LONGEST_NOTE,
    placeholder: "A note, for the others and for later",
  });
  const keep = h("button", {}, "Keep the note");
  const by = h("p", { class: "soft" });
  const history = h("ul", { class: "soft" });
  const all = h("details", { hidden: true }, h("summary", {}, "What was said before"), history);
  const failed = h("p", { class: "wrong", role: "alert" });
  const form = h(
    "form",
    { onsubmit: (event) => (event.preventDefault(), give({ note: note.value.trim() })) },
    h("label", { class: "unseen", for: "note" }, "Note"),
    note,
    keep,
  );
  const node = h(
    "section",
    { class: "mark", "aria-label": "Your judgement" },
    mayChange
      ? [h("div", { class: "verdicts", role: "group", "aria-label": "Mark this alert" }, seen, right, wrong), form]
      : null,
    failed,
    by,
    all,
  );
  note.addEventListener("input", () => (keep.disabled = note.value.trim() === (mark?.note ?? "")));

  async function give(said) {
    if (busy || !mayChange) return;
    busy = true;
    setText(failed, "");
    try {
      const event = await ask(`${alertPath(id)}/mark`, { method: "POST", body: said, signal });
      if ("note" in said) note.value = event.mark.note;
      store.keep(event);
      paint(event);
      say("Kept.");
      changed();
    } catch (problem) {
      if (!signal.aborted) setText(failed, `This was not kept. ${problem.message}.`);
    } finally {
      busy = false;
    }
  }

  /** A note that is being written stays. */
  function paint(event) {
    const written = note.value.trim() !== (mark?.note ?? "");
    mark = event.mark;
    press(seen, mark?.acknowledged);
    press(right, mark?.verdict === "true");
    press(wrong, mark?.verdict === "false");
    setText(seen, mark?.acknowledged ? "Acknowledged" : "Acknowledge");
    if (!written) note.value = mark?.note ?? "";
    keep.disabled = note.value.trim() === (mark?.note ?? "");
    setText(
      by,
      mark
        ? `${wordsOf(mark)}: ${mark.by}, ${when(mark.time)}${mayChange || !mark.note ? "" : `. ${mark.note}`}`
        : mayChange
          ? ""
          : "Nobody has marked it yet.",
    );
    const before = (event.marks ?? []).slice(0, -1).reverse();
    if (!event.marks) return;
    all.hidden = !before.length;
    fill(
      history,
      before.map((each) =>
        h("li", {}, `${when(each.time)}, ${each.by}: ${wordsOf(each)}${each.note ? `. ${each.note}` : ""}`),
      ),
    );
  }

  return {
    node,
    paint,
    keys: mayChange ? { e: () => seen.click(), t: () => right.click(), f: () => wrong.click() } : {},
  };
}

function button(words, onclick) {
  return h("button", { type: "button", "aria-pressed": "false", onclick }, words);
}

const press = (node, on) => node.setAttribute("aria-pressed", String(Boolean(on)));

function wordsOf(mark) {
  if (mark.verdict) return mark.verdict === "true" ? "true alarm" : "false alarm";
  return mark.acknowledged ? "acknowledged" : "no verdict";
}
