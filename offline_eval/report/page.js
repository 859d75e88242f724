// Reads moments out of the timelines, filters the videos, and lists what was said. Texts go in as text, never as HTML.
"use strict";
(() => {
  const { texts, videos } = JSON.parse(document.getElementById("data").textContent);
  const tracks = [...document.querySelectorAll(".track")];
  const at = new Map(); // track -> the moment it shows

  const two = (n) => String(n).padStart(2, "0");
  const clock = (tenths) => {
    const s = Math.floor(tenths / 10);
    const minutes = Math.floor(s / 60);
    return minutes < 60
      ? `${minutes}:${two(s % 60)}`
      : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(s % 60)}`;
  };
  const score = (percent) => (percent < 0 ? "unknown" : (percent / 100).toFixed(2));
  const scores = (video, i) => video.names.map((name, row) => `${name} ${score(video.scores[row][i])}`).join(", ");
  const said = (video, i) => (video.texts[i] < 0 ? "" : texts[video.texts[i]]);
  const make = (name, text, parent) => {
    const made = parent.appendChild(document.createElement(name));
    made.textContent = text;
    return made;
  };

  function show(track, index) {
    const video = videos[track.dataset.index];
    const i = Math.min(Math.max(index, 0), video.at.length - 1);
    const until = video.at[i + 1] ?? video.end;
    const when = `${clock(video.at[i])}, ${scores(video, i)}. `;
    at.set(track, i);
    track.cursor ??= make("div", "", track);
    track.cursor.className = "cursor";
    track.cursor.style.left = `${(50 * (video.at[i] + until)) / video.end}%`;
    track.setAttribute("aria-valuenow", i);
    track.setAttribute("aria-valuetext", when + said(video, i));
    const readout = track.parentElement.querySelector(".readout");
    readout.textContent = when;
    if (said(video, i)) make("q", said(video, i), readout);
  }

  function point(event) {
    const track = event.target.closest?.(".track");
    if (!track) return;
    const video = videos[track.dataset.index];
    const box = track.getBoundingClientRect();
    const tenths = (video.end * (event.clientX - box.left)) / box.width;
    const after = video.at.findIndex((start) => start > tenths);
    show(track, (after < 0 ? video.at.length : after) - 1);
  }

  function press(event) {
    const track = event.target;
    if (!track.classList?.contains("track") || event.altKey || event.ctrlKey || event.metaKey) return;
    const i = at.get(track) ?? 0;
    const last = videos[track.dataset.index].at.length - 1;
    const page = Math.max(1, Math.round(last / 10));
    const moved = {
      ArrowRight: i + 1, ArrowUp: i + 1, ArrowLeft: i - 1, ArrowDown: i - 1,
      PageUp: i + page, PageDown: i - page, Home: 0, End: last,
    }[event.key];
    if (moved === undefined) return;
    event.preventDefault();
    show(track, moved);
  }

  function list(details) {
    const video = videos[details.dataset.index];
    const table = make("table", "", details);
    const head = make("tr", "", make("thead", "", table));
    for (const title of ["Time", "Top score", "What was said"]) make("th", title, head).scope = "col";
    const body = make("tbody", "", table);
    for (let i = 0, next; i < video.at.length; i = next) {
      for (next = i + 1; next < video.at.length && video.texts[next] === video.texts[i]; ) next += 1;
      if (video.texts[i] < 0) continue;
      const row = make("tr", "", body);
      make("th", `${clock(video.at[i])} to ${clock(video.at[next] ?? video.end)}`, row).scope = "row";
      make("td", score(Math.max(...video.scores[0].slice(i, next))), row);
      make("td", said(video, i), row);
    }
  }

  const form = document.getElementById("filters");
  const articles = [...document.querySelectorAll("article.video")];
  function filter() {
    const kind = form.elements.kind.value;
    const category = form.elements.category.value;
    let shown = 0;
    for (const article of articles) {
      const fits =
        (!kind || article.dataset.kinds.split(" ").includes(kind)) &&
        (!category || article.dataset.categories.split("|").includes(category));
      article.hidden = !fits;
      shown += fits;
    }
    document.getElementById("shown").textContent = `${shown} of ${articles.length} videos`;
  }

  for (const track of tracks) {
    track.tabIndex = 0;
    track.setAttribute("role", "slider");
    track.setAttribute("aria-label", `Moments of ${track.closest("article").querySelector("h3").textContent}`);
    track.setAttribute("aria-valuemin", 0);
    track.setAttribute("aria-valuemax", videos[track.dataset.index].at.length - 1);
    track.setAttribute("aria-valuenow", 0);
  }
  document.addEventListener("pointermove", point);
  document.addEventListener("pointerdown", point);
  document.addEventListener("keydown", press);
  document.addEventListener("focusin", ({ target }) => {
    if (target.classList.contains("track") && !at.has(target)) show(target, 0);
  });
  document.addEventListener("toggle", ({ target }) => {
    if (target.classList.contains("said") && target.open && target.children.length === 1) list(target);
  }, true);
  document.addEventListener("click", ({ target }) => {
    const found = target.hash && document.querySelector(`article${target.hash}`);
    if (found?.hidden) { form.reset(); filter(); } // a link never leads to a video that is filtered out
  });
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  filter();
})();
