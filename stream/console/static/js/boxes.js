// Boxes with their labels over a picture or a film, whose frame has its shape as `--shape`. Knows nothing of what they
// mark.

import { fill, h, setData } from "./dom.js";

const TOP = 0.12; // a box that begins above it has no room for a label over it

export class Boxes {
  node = h("div", { class: "boxes", "aria-hidden": "true" }); // the same is said in words
  #drawn = "";

  /** `boxes` have x1, y1, x2 and y2 in fractions of the picture, and a label. */
  draw(boxes) {
    const key = JSON.stringify(boxes);
    if (key === this.#drawn) return;
    this.#drawn = key;
    const named = new Set();
    const largestFirst = boxes.toSorted((a, b) => areaOf(b) - areaOf(a));
    fill(
      this.node,
      largestFirst.map((box) => {
        const isNew = box.label && !named.has(box.label); // the same words all over would hide the picture
        named.add(box.label);
        return drawn(box, isNew ? box.label : null);
      }),
    );
  }
}

const areaOf = ({ x1, y1, x2, y2 }) => (x2 - x1) * (y2 - y1);

function drawn({ x1, y1, x2, y2 }, label) {
  const box = h("div", { class: "box" }, label ? h("span", {}, label) : null);
  const share = (part) => `${100 * Math.min(1, Math.max(0, part))}%`;
  Object.assign(box.style, { left: share(x1), top: share(y1), width: share(x2 - x1), height: share(y2 - y1) });
  setData(box, "high", y1 < TOP);
  setData(box, "right", x1 + x2 > 1);
  return box;
}
