// What counts as abnormal, camera by camera: to be read, written, tried, saved and taken back.

import { alertPath, ask, definitionsPath, query } from "./api.js";
import { say } from "./announce.js";
import { empty, fill, h, notice, refill } from "./dom.js";
import { historyOf } from "./history.js";
import { to } from "./router.js";
import { chooserOf, tryOut } from "./try.js";
import { count, nameOf } from "./words.js";
import { cardOf, same, written } from "./wording.js";

const MOST = 16;
const LATEST = 30; // alerts that are looked through for clips
const USUAL = "With none written, the usual crimes, accidents and dangers count.";
const NO_WORDS = "It tells what moves unusually. To watch for what you write, use the scorer internvl2 or openai.";
const drafts = new Map(); // camera -> {based_on, definitions}: not saved yet, and kept while the page is open

export const title = ({ name }) => (name ? `Definitions of ${name}` : "Definitions");

addEventListener("beforeunload", (event) => drafts.size && event.preventDefault());

export function show(main, { name, values }, app, signal) {
  if (name) showCamera(main, name, values.get("event"), app, signal);
  else showAll(main, app, signal);
}

function showAll(main, { store }, signal) {
  const list = h("ul", { class: "choices" });
  const paint = () =>
    refill(list, JSON.stringify([...store.cameras.values()].map((camera) => [camera.name, camera.definitions])), () =>
      [...store.cameras.values()].map((camera) =>
        h(
          "li",
          {},
          h(
            "a",
            { href: to("definitions", camera.name) },
            h("strong", {}, camera.name),
            h(
              "span",
              { class: "soft" },
              camera.definitions
                .map(
                  (each) =>
                    (each.text ?? nameOf(each, store.words)) + (each.ignore ? `, but never ${each.ignore}` : ""),
                )
                .join(" · "),
            ),
            drafts.has(camera.name) ? h("span", { class: "chip", "data-tone": "warn" }, "not saved") : null,
          ),
        ),
      ),
    );
  fill(
    main,
    h(
      "div",
      { class: "page" },
      h("div", { class: "head" }, h("h1", {}, "Definitions")),
      h("p", { class: "soft" }, "What counts as abnormal, in your words. Choose a camera."),
      list,
    ),
  );
  store.addEventListener("cameras", paint, { signal });
  paint();
}

async function showCamera(main, name, wanted, { store, mayChange }, signal) {
  fill(main, h("p", { class: "loading" }, "Loading"));
  let current;
  let health;
  let clips;
  try {
    [current, health, clips] = await Promise.all([
      ask(definitionsPath(name), { signal }),
      ask("/api/health", { signal }),
      clipsOf(name, wanted, signal),
    ]);
  } catch (problem) {
    if (!signal.aborted)
      fill(
        main,
        empty(
          problem.status === 404 ? `No camera is called ${name}` : problem.title,
          problem.status === 404 ? "" : problem.detail,
          h("p", {}, h("a", { href: to("definitions") }, "All cameras")),
        ),
      );
    return;
  }
  const words = health.scorer.understands_words;
  const editable = mayChange && words;
  const chooser = chooserOf(clips, wanted);
  let cards = [];

  const list = h("div", { class: "wordings" });
  const message = h("div", { class: "outcome", role: "status" });
  const add = h("button", { type: "button", onclick: addOne }, "Add a definition");
  const save = h("button", { type: "button", class: "primary", onclick: () => put(drafts.get(name).based_on) }, "Save");
  const discard = h("button", { type: "button", onclick: drop }, "Discard changes");
  const past = h("section", {});
  const page = h(
    "div",
    { class: "page" },
    h(
      "div",
      { class: "head" },
      h("h1", {}, `Definitions of ${name}`),
      h("a", { href: to("camera", name) }, "The camera"),
    ),
    words ? h("p", { class: "soft" }, "Each definition has its own score, threshold and alerts. ", USUAL) : null,
    words ? null : notice("quiet", `The scorer ${health.scorer.scorer} does not understand words. `, NO_WORDS),
    words && !mayChange ? notice("quiet", "You may look. To change definitions one has to be an operator.") : null,
    list,
    editable ? h("div", { class: "actions" }, add, save, discard) : null,
    message,
    past,
  );

  /** The draft if there is one, else what is in force. */
  function lay() {
    const shown = drafts.get(name)?.definitions ?? current.definitions;
    cards = [];
    fill(list);
    for (const definition of shown.length || !words ? shown : [{}]) append(definition);
    changed();
    fill(past, historyOf(current.history, editable ? undo : null));
  }

  function append(definition) {
    const remove = () => {
      cards.splice(cards.indexOf(card), 1);
      card.node.remove();
      changed();
      add.focus();
    };
    const on = chooser.node();
    const attempt = (place) => tryOut(place, name, card.value(), { on: chooser.chosen, signal, open: thresholdOf });
    const card = cardOf(definition, { editable, changed, remove, attempt, on });
    cards.push(card);
    list.append(card.node);
    return card;
  }

  function addOne() {
    append({}).focus();
    changed();
  }

  function drop() {
    drafts.delete(name);
    fill(message);
    lay();
  }

  /** What is in force under a definition's name, or the camera's first one, as the backend compares with. */
  function thresholdOf(definition) {
    const inForce = store.cameras.get(name)?.definitions ?? [];
    const named = inForce.find((each) => [definition.name, definition.text].includes(each.name));
    return (named ?? inForce[0])?.open ?? 0.6;
  }

  const values = () => written(cards.map((card) => card.value()));

  function changed() {
    const now = values();
    const unsaved = editable && !same(now, current.definitions);
    if (unsaved) drafts.set(name, { based_on: drafts.get(name)?.based_on ?? current.version, definitions: now });
    else drafts.delete(name);
    save.disabled = discard.disabled = !unsaved;
    add.disabled = cards.length >= MOST;
  }

  const put = (based_on) => change("PUT", "", { definitions: values(), based_on });
  const undo = () => change("POST", "/undo", { based_on: current.version });

  async function change(method, what, body) {
    save.disabled = true;
    try {
      const applied = await ask(definitionsPath(name) + what, { method, body, signal });
      current = await ask(definitionsPath(name), { signal });
      drop();
      store.refresh();
      const kept = applied.kept_until_restart;
      const where = kept ? `Kept until a restart only: ${kept}.` : "They are in the configuration file as well.";
      const many = count(applied.definitions.length, "definition");
      fill(message, notice(kept ? "warn" : "ok", `${many} in force from the next window on. ${where}`));
    } catch (problem) {
      if (signal.aborted) return;
      changed();
      const choice =
        problem.status === 409
          ? [choose("See theirs, drop mine", drop), " ", choose("Save mine instead", () => put(current.version))]
          : null;
      fill(message, notice("bad", `Not saved. ${problem.detail || problem.title}. `, choice));
      say("Not saved.");
    }
  }

  /** A button that first looks at what others have saved. */
  function choose(label, then) {
    const look = async () => {
      const found = await ask(definitionsPath(name), { signal }).catch(() => null);
      if (!found) return;
      current = found;
      then();
    };
    return h("button", { type: "button", onclick: look }, label);
  }

  fill(main, page);
  lay();
}

/** The camera's latest alerts that have a clip, and the one that was `wanted`. */
async function clipsOf(camera, wanted, signal) {
  const [latest, one] = await Promise.all([
    ask(`/api/alerts${query({ camera, limit: LATEST })}`, { signal }),
    wanted ? ask(alertPath(wanted), { signal }).catch(() => null) : null,
  ]);
  const found = one && !latest.events.some(({ id }) => id === one.id) ? [one, ...latest.events] : latest.events;
  return found.filter((event) => event.clip && event.camera === camera);
}
