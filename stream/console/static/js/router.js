// Which view the address asks for: `#/VIEW/NAME?key=value`. Knows no view.

/** {view, name, values} of a hash; the wall where there is none. */
export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [view, name] = path.split("/", 2);
  return { view: view || "wall", name: name ? decoded(name) : null, values: new URLSearchParams(query) };
}

export function to(view, name = null, values = {}) {
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value)).toString();
  const path = view === "wall" ? "" : name === null ? view : `${view}/${encodeURIComponent(name)}`;
  return `#/${path}${query ? `?${query}` : ""}`;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
