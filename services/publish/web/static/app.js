/* What a page can do beyond being read: local times, citations that answer, marks of what is new, and news as it comes in.
   Nothing here is needed to read a story. No text is ever made into markup but the server's own fragments. */
"use strict";
(() => {
  const body = document.body;
  const all = (selector, root = document) => root.querySelectorAll(selector);
  const one = (selector, root = document) => root.querySelector(selector);
  const skew = Date.now() - Date.parse(document.documentElement.dataset.now);

  /* ---- times ---- */
  const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
  const dayYear = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
  const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
  const ago = (time) => {
    const seconds = (Date.now() - skew - time) / 1000;
    if (seconds > -3600 && seconds < 60) return "just now";
    if (seconds >= 0 && seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
    if (seconds >= 0 && seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
    return (new Date(time).getFullYear() === new Date().getFullYear() ? day : dayYear).format(time);
  };
  const tellTimes = (root = document) => {
    for (const element of all("time[data-ago]", root)) {
      const time = Date.parse(element.dateTime);
      if (Number.isNaN(time)) continue;
      const words = ago(time);
      if (element.textContent !== words) element.textContent = words;
      element.title = full.format(time);
    }
    for (const element of all("time[data-clock]", root)) {
      const time = Date.parse(element.dateTime);
      if (!Number.isNaN(time)) element.textContent = full.format(time);
    }
  };
  setInterval(tellTimes, 30000);

  /* ---- pictures: one that does not load leaves no hole ---- */
  const dropPicture = (image) => { const figure = image.closest("[data-picture]"); if (figure) figure.hidden = true; };
  document.addEventListener("error", (event) => { if (event.target instanceof HTMLImageElement) dropPicture(event.target); }, true);
  for (const image of all("[data-picture] img")) if (image.complete && !image.naturalWidth) dropPicture(image);

  /* ---- citations ---- */
  const peek = document.createElement("div");
  peek.className = "peek";
  peek.id = "peek";
  peek.setAttribute("role", "tooltip");
  peek.hidden = true;
  body.append(peek);
  let peeking = null;
  const line = (className, text, like) => {
    const element = document.createElement("p");
    element.className = className;
    element.textContent = text;
    element.dir = "auto";
    if (like && like.lang) element.lang = like.lang;
    return element;
  };
  const light = (number, on, except) => {
    for (const element of all(`[data-source="${number}"], [data-cite="${number}"], [data-tick="${number}"]`)) {
      if (element !== except) element.classList.toggle("lit", on);
    }
  };
  const dim = () => { for (const element of all(".lit")) element.classList.remove("lit"); };
  const hidePeek = () => {
    peek.hidden = true;
    dim();
    if (peeking) { peeking.removeAttribute("aria-describedby"); peeking = null; }
  };
  const showPeek = (cite) => {
    const number = cite.dataset.cite;
    const source = document.getElementById(`source-${number}`);
    if (!source) return;
    hidePeek();
    peeking = cite;
    const sentence = cite.closest(".sentence");
    const title = one(".title", source);
    const said = sentence ? sentence.firstChild.textContent.trim() : "";
    const outlet = one(".outlet", source);
    peek.replaceChildren(line("meta", `[${number}] ${outlet ? outlet.textContent : ""}`), line("title", title.textContent.trim(), title));
    if (said) peek.append(line("said", said, cite.closest("[lang]:not(.cites)")));
    peek.hidden = false;
    const box = cite.getBoundingClientRect();
    const width = peek.offsetWidth;
    const left = Math.min(Math.max(16, box.left + box.width / 2 - width / 2), document.documentElement.clientWidth - width - 16);
    /* Below, where there is room: the sentence that it is about stands above. */
    const above = box.top - peek.offsetHeight - 10;
    const below = box.bottom + 10;
    const fits = below + peek.offsetHeight < innerHeight - 8;
    peek.style.left = `${left + scrollX}px`;
    peek.style.top = `${(fits || above < 8 ? below : above) + scrollY}px`;
    cite.setAttribute("aria-describedby", "peek");
    if (sentence) sentence.classList.add("lit");
    light(number, true);
    const rail = source.closest(".sources");
    if (rail && rail.scrollHeight > rail.clientHeight) rail.scrollTop = Math.max(0, source.offsetTop - rail.clientHeight / 3);
  };
  const showSentences = (source) => {
    hidePeek();
    const number = source.dataset.source;
    light(number, true);
    for (const sentence of all(".sentence")) {
      if (sentence.dataset.cites.split(" ").includes(number)) sentence.classList.add("lit");
    }
  };
  const within = (event, selector) => (event.target instanceof Element ? event.target.closest(selector) : null);
  for (const begin of ["mouseover", "focusin"]) {
    document.addEventListener(begin, (event) => {
      const cite = within(event, ".cite");
      if (cite) { if (cite !== peeking) showPeek(cite); return; }
      const source = within(event, ".source");
      if (source) { if (!source.classList.contains("lit") || peeking) showSentences(source); return; }
      if (!within(event, ".peek") && one(".lit")) hidePeek();
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hidePeek();
    if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !within(event, "input, textarea, select")) {
      const search = document.getElementById("q");
      if (search) { event.preventDefault(); search.focus(); }
    }
  });
  const ready = (root) => {
    for (const cite of all(".cite[title]", root)) cite.removeAttribute("title");
  };

  /* ---- the reader's last visit, kept in this browser alone ---- */
  const KEEP = 400;
  const memory = (() => {
    try {
      const seen = new Map(JSON.parse(localStorage.getItem("seen") || "[]"));
      return {
        get: (id) => seen.get(id),
        set: (id, revision) => {
          seen.delete(id);
          seen.set(id, revision);
          while (seen.size > KEEP) seen.delete(seen.keys().next().value);
          try { localStorage.setItem("seen", JSON.stringify([...seen])); } catch { /* full or forbidden: no marks then */ }
        },
      };
    } catch {
      return { get: () => undefined, set: () => {} };
    }
  })();
  const markCards = (root = document) => {
    for (const element of all("[data-card]", root)) {
      const before = memory.get(element.dataset.card);
      const mark = one("[data-mark]", element);
      if (!mark || before === undefined) continue;
      const news = Number(element.dataset.cardRevision) > before;
      mark.hidden = !news;
      mark.textContent = news ? "Updated since you read it" : "";
    }
  };

  /* ---- live ---- */
  const target = document.getElementById("live");
  const announce = one("[data-announce]");
  const pill = one("[data-pill]");
  const sign = one("[data-live]");
  const signWords = one("[data-live-words]");
  const story = body.dataset.story;
  const here = new URL(location.href);
  let since = null;
  if (story && !here.searchParams.has("since")) {
    const before = memory.get(story);
    if (before !== undefined && before < Number(body.dataset.revision)) since = before;
  }
  const fragmentAddress = () => {
    const address = new URL(body.dataset.fragment, location.href);
    if (since !== null) { address.searchParams.set("since", since); address.searchParams.set("visit", "1"); }
    return address;
  };
  const shownRevision = () => {
    const shown = one("[data-story-revision]", target);
    return shown ? Number(shown.dataset.storyRevision) : Number(body.dataset.revision || 0);
  };
  const fetchFragment = async () => {
    const answer = await fetch(fragmentAddress(), { credentials: "omit", headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(`answer ${answer.status}`);
    return new DOMParser().parseFromString(await answer.text(), "text/html").body;
  };
  const swap = (fresh) => {
    const active = document.activeElement;
    if (active && target.contains(active) && active.matches("input, textarea, select")) return false;
    const key = active && target.contains(active) ? active.getAttribute("href") : null;
    const open = [...all("details", target)].map((element) => element.open);
    hidePeek();
    tellTimes(fresh);
    ready(fresh);
    target.replaceChildren(...fresh.childNodes);
    all("details", target).forEach((element, index) => { element.open = Boolean(open[index]); });
    if (key) { const again = one(`a[href="${CSS.escape(key)}"]`, target); if (again) again.focus({ preventScroll: true }); }
    markCards(target);
    const shown = one("[data-story-revision]", target);
    if (shown && story) memory.set(story, Number(shown.dataset.storyRevision));
    return true;
  };
  let timer = null;
  let waiting = new Set();
  let newest = 0;
  let tries = 0;
  const refresh = async () => {
    timer = null;
    asked = performance.now();
    try {
      const before = target.textContent;
      const fresh = await fetchFragment();
      const shown = one("[data-story-revision]", fresh);
      const behind = shown && Number(shown.dataset.storyRevision) < newest;
      if (fresh.textContent.replace(/\s+/g, " ") === before.replace(/\s+/g, " ")) {
        if (behind && tries < 6) later(400 * 2 ** tries++);
        return;
      }
      if (!swap(fresh)) { later(4000); return; }
      if (announce) {
        const updated = one(".updated strong", target);
        announce.textContent = updated ? updated.textContent : "The list of stories was updated.";
      }
      waiting.clear();
      pill.hidden = true;
      if (behind && tries < 6) later(400 * 2 ** tries++);
      else tries = 0;
    } catch {
      if (tries < 8) later(1000 * 2 ** tries++);
    }
  };
  const later = (delay) => { if (timer === null) timer = setTimeout(refresh, delay); };
  /* A list changes all the time, and many readers have it open: each asks at its own measured pace, and not while hidden. */
  let asked = -Infinity;
  const soon = () => {
    if (document.hidden) { stale = true; return; }
    if (story) { later(250); return; }
    const pause = asked + 4000 + Math.random() * 2000 - performance.now();
    later(Math.max(700, pause));
  };
  let stale = false;
  const reading = () => !story && (scrollY > 240 || target.contains(document.activeElement));
  const changed = (id, revision) => {
    if (story && revision) newest = Math.max(newest, revision);
    tries = 0;
    if (!reading()) { soon(); return; }
    if (id) waiting.add(id);
    pill.textContent = waiting.size === 1 ? "1 story changed. Show" : `${waiting.size || "Some"} stories changed. Show`;
    pill.hidden = false;
  };
  if (pill) pill.addEventListener("click", () => { pill.hidden = true; scrollTo({ top: 0 }); document.getElementById("content").focus({ preventScroll: true }); later(0); });
  const state = (name, words) => {
    if (!sign) return;
    sign.hidden = false;
    sign.dataset.state = name;
    signWords.textContent = words;
  };
  const listen = () => {
    const stream = new EventSource(body.dataset.stream);
    stream.addEventListener("open", () => state("on", "Live"));
    stream.addEventListener("error", () => {
      state("waiting", "Reconnecting");
      if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
    });
    const read = (event) => { try { return JSON.parse(event.data); } catch { return {}; /* an unknown form: fetch anew */ } };
    stream.addEventListener("story", (event) => {
      const told = read(event);
      if (told.redirect_to && told.story_id === story) { location.assign(`/stories/${encodeURIComponent(told.redirect_to)}`); return; }
      changed(told.story_id, told.revision);
    });
    stream.addEventListener("rows", (event) => {
      const { story_ids: rows = [], revised = [] } = read(event);
      if (story || !(rows.length || revised.length)) { changed(null, 0); return; }
      /* Rows change in all feeds; of those, this page is concerned with what it shows. */
      for (const id of new Set([...revised, ...rows.filter((id) => one(`[data-card="${CSS.escape(id)}"]`, target))])) changed(id, 0);
    });
    stream.addEventListener("reset", () => changed(null, 0));
  };

  tellTimes();
  ready(document);
  markCards();
  if (story) memory.set(story, Number(body.dataset.revision));
  if (since !== null) fetchFragment().then(swap).catch(() => {});
  if (body.dataset.stream && "EventSource" in window) {
    listen();
    document.addEventListener("visibilitychange", () => { if (document.hidden) return; tellTimes(); if (stale) { stale = false; soon(); } });
  }
})();
