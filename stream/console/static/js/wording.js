// One definition as a form. Knows nothing of cameras and of saving.

import { h } from "./dom.js";

const LONGEST = 2000;
let made = 0;

/** {node, value(), focus()}; calls `changed` at every key, `remove`, and `attempt(place)` to try it in a place; `on` is
 * where one chooses what to try it on. */
export function cardOf(definition, { editable, changed, remove, attempt, on }) {
  const id = `d${(made += 1)}`;
  const text = area(`${id}-text`, definition.text, "a person without a helmet");
  const ignore = area(`${id}-ignore`, definition.ignore, "people who feed birds");
  const name = h("input", {
    id: `${id}-name`,
    maxlength: 60,
    value: definition.name ?? "",
    placeholder: "its own words",
  });
  const open = score(`${id}-open`, definition.open);
  const close = score(`${id}-close`, definition.close);
  const alert = score(`${id}-alert`, definition.alert);
  const place = h("div", { class: "trial" });
  const fields = h(
    "fieldset",
    { disabled: !editable },
    h("legend", { class: "unseen" }, `Definition ${definition.name || definition.text || ""}`),
    h(
      "div",
      { class: "pair" },
      field("Abnormal is", text, "Empty: the usual crimes, accidents and dangers."),
      field("But never", ignore),
    ),
    h(
      "div",
      { class: "fields" },
      field("Called", name),
      field("Opens at", open),
      field("Closes below", close),
      field("Alert from", alert),
    ),
  );
  const node = h(
    "form",
    { class: "wording panel", onsubmit: (event) => event.preventDefault(), oninput: changed },
    fields,
    editable
      ? h(
          "div",
          { class: "actions" },
          h("button", { type: "button", onclick: () => attempt(place) }, "Try it"),
          on,
          h("button", { type: "button", class: "plain", onclick: remove }, "Remove"),
        )
      : null,
    place,
  );
  const value = () => ({
    name: name.value.trim(),
    text: text.value.trim() || null,
    ignore: ignore.value.trim() || null,
    open: number(open),
    close: number(close),
    alert: number(alert),
  });
  return { node, value, focus: () => text.focus() };
}

/** Only what is set; and a lone definition of which nothing is set is none. */
export function written(definitions) {
  const kept = definitions.map((each) =>
    Object.fromEntries(Object.entries(each).filter(([, value]) => value !== null && value !== "")),
  );
  return kept.length === 1 && !Object.keys(kept[0]).length ? [] : kept;
}

export function same(a, b) {
  const ordered = (all) => JSON.stringify(written(all).map((each) => Object.entries(each).sort()));
  return ordered(a) === ordered(b);
}

function area(id, text, example) {
  return h("textarea", { id, rows: 2, maxlength: LONGEST, placeholder: `such as: ${example}` }, text ?? "");
}

function score(id, value) {
  return h("input", {
    id,
    type: "number",
    min: 0,
    max: 1,
    step: "any",
    inputmode: "decimal",
    placeholder: "as the camera",
    value: value ?? null,
  });
}

function field(label, input, hint = null) {
  return h(
    "div",
    { class: "field" },
    h("label", { for: input.id }, label),
    input,
    hint ? h("p", { class: "soft" }, hint) : null,
  );
}

const number = (input) => (input.value === "" ? null : Number(input.value));
