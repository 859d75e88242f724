// Events as cards in a list. Knows nothing of which ones.

import { fill, h, icon, setData } from "./dom.js";
import { to } from "./router.js";
import { lasting, when } from "./time.js";
import { explanationOf, scoreOf, severityOf, verdictOf } from "./words.js";

const network = navigator.connection;

/** Cards in the order that is asked for; those that did not change stay as they are, with focus and picture. */
export class EventList {
  node = h("div", { class: "events" });
  #cards = new Map(); // id -> {card, key}

  /** `values` are the filters that the links keep; `current` is the id of the one that is being looked at. */
  paint(events, { values = {}, current = null, nothing }) {
    if (!events.length) {
      this.#cards.clear();
      return fill(this.node, nothing);
    }
    const kept = new Map();
    let before = null;
    for (const event of events) {
      const key = JSON.stringify([event.seq, event.mark, values]);
      const known = this.#cards.get(event.id);
      const card = known?.key === key ? known.card : this.#fresh(event, values, known?.card);
      kept.set(event.id, { card, key });
      const next = before ? before.nextSibling : this.node.firstChild;
      if (card !== next) this.node.insertBefore(card, next);
      if (event.id === current) card.setAttribute("aria-current", "true");
      else card.removeAttribute("aria-current");
      before = card;
    }
    while (before.nextSibling) before.nextSibling.remove();
    this.#cards = kept;
  }

  #fresh(event, values, old) {
    const card = cardOf(event, values);
    if (!old) return card;
    const picture = old.querySelector("img");
    const wanted = card.querySelector("img");
    if (picture && wanted) {
      picture.src = wanted.src; // the old one stays until the new one has come
      wanted.replaceWith(picture);
    }
    const focused = document.activeElement === old;
    old.replaceWith(card);
    if (focused) card.focus();
    return card;
  }
}

function cardOf(event, values) {
  const open = event.end_time === null;
  const card = h(
    "a",
    { class: "event", href: to("alerts", event.id, values), "data-severity": event.severity },
    h("span", { class: "event-side" }, thumbnail(event), severityChip(event)),
    " ",
    h(
      "span",
      { class: "event-text" },
      h(
        "span",
        { class: "event-head" },
        h("strong", {}, event.camera),
        " ",
        h("time", { datetime: new Date(event.start_time * 1000).toISOString() }, when(event.start_time)),
      ),
      " ",
      h("span", { class: "event-what" }, explanationOf(event)),
      " ",
      h(
        "span",
        { class: "event-foot soft" },
        [
          open ? "going on" : `lasted ${lasting(event.end_time - event.start_time)}`,
          event.fault ? null : `highest ${scoreOf(event.top_score)}`,
          event.fault || event.definition === "default" ? null : event.definition,
          verdictOf(event),
          event.mark?.acknowledged && !verdictOf(event) ? "acknowledged" : null,
        ]
          .filter(Boolean)
          .join(" · "),
      ),
    ),
  );
  setData(card, "open", open);
  setData(card, "seen", event.mark?.acknowledged || event.mark?.verdict);
  return card;
}

export function severityChip(event) {
  const tone = event.severity === "alert" ? "alert" : "warn";
  return h("span", { class: "chip strong", "data-tone": tone }, icon(tone), h("span", {}, severityOf(event)));
}

/** The snapshot, unless it would cost a slow network too much or is gone. */
function thumbnail(event) {
  const frame = h("span", { class: "thumb" });
  if (!event.snapshot || network?.saveData || /2g$/.test(network?.effectiveType ?? "")) return frame;
  const small = `${event.snapshot}?width=240&seq=${event.seq}`; // its boxes would be a blur
  const picture = h("img", { src: `${small}&boxes=false`, alt: "", loading: "lazy", decoding: "async" });
  picture.addEventListener("error", () =>
    picture.getAttribute("src") === small ? picture.remove() : (picture.src = small),
  );
  frame.append(picture);
  return frame;
}
