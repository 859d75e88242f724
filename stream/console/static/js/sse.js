// Reading server-sent events out of text that comes in pieces. Knows no connection.

export class EventReader {
  #rest = "";
  #event = { id: null, name: "message", data: [] };

  /** The events that this piece completes: [{id, name, data}]. Comments only show that somebody is there. */
  push(text) {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    const events = [];
    for (const line of lines) {
      if (line === "") {
        const { id, name, data } = this.#event;
        if (data.length) events.push({ id, name, data: data.join("\n") });
        this.#event = { id: null, name: "message", data: [] };
      } else if (!line.startsWith(":")) this.#take(line);
    }
    return events;
  }

  #take(line) {
    const colon = line.indexOf(":");
    const key = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (key === "data") this.#event.data.push(value);
    else if (key === "event") this.#event.name = value;
    else if (key === "id") this.#event.id = value;
  }
}
