// The view that asks for a token. Knows nothing of what comes after.

import { signIn } from "./api.js";
import { fill, h, setText } from "./dom.js";

const HINT = "Whoever runs this Vigil has given you one; it is in the configuration under console.tokens.";

/**
 * Resolves with what `given` makes of a token, as soon as it raises no Problem: {name, role, csrf} of whose it is.
 * `why` says what was wrong before.
 */
export function askWho(main, { given = signIn, why = "", hint = HINT } = {}) {
  document.title = "Sign in · Vigil";
  return new Promise((resolve) => {
    const token = h("input", {
      id: "token",
      type: "password",
      autocomplete: "current-password",
      required: true,
      "aria-describedby": "wrong",
      spellcheck: "false",
    });
    const wrong = h("p", { class: "wrong", id: "wrong", role: "alert" }, why);
    const button = h("button", { class: "primary" }, "Sign in");
    const submit = async (event) => {
      event.preventDefault();
      button.disabled = true;
      setText(wrong, "");
      try {
        resolve(await given(token.value.trim()));
      } catch (problem) {
        setText(wrong, `${problem.message}.`);
        token.setAttribute("aria-invalid", "true");
        button.disabled = false;
        token.select();
      }
    };
    fill(
      main,
      h(
        "div",
        { class: "signin" },
        h("img", { src: "/static/icon.svg", alt: "", width: 48, height: 48 }),
        h("h1", {}, "Vigil"),
        h("form", { onsubmit: submit }, h("label", { for: "token" }, "Your token"), token, wrong, button),
        h("p", { class: "soft" }, hint),
      ),
    );
    token.focus();
  });
}
