// Keeps the page that is open up to date: lines and cells that change, by server-sent events.
// The server sends whole lines as HTML that it has escaped; a line that is already here only gets its cells replaced, so what is
// opened and what has the focus stays. It never evaluates what it receives.

const RETRY_MS = 5000;
const GRACE_MS = 3000;
const SILENCE_MS = 30000; // three times as long as the server is ever silent

const table = document.querySelector("[data-live]");
const notice = document.getElementById("connection");
let last = table?.dataset.after ?? "";
let source = null;
let retry = 0;
let warning = 0;
let heard = 0;

function parse(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html.trim();
  return holder.content.firstElementChild;
}

function replaceCells(old, fresh) {
  for (const cell of fresh.querySelectorAll("[data-cell]")) {
    const there = old.querySelector(`[data-cell="${cell.dataset.cell}"]`);
    if (there && !there.isEqualNode(cell)) {
      there.replaceWith(cell);
    }
  }
}

function showLine(html, known) {
  const fresh = parse(html);
  const old = document.getElementById(fresh.id);
  if (old) {
    replaceCells(old, fresh);
    return;
  }
  if (known) {
    return;
  }
  const first = table.querySelector("tbody");
  table.insertBefore(fresh, first);
  fresh.classList.add("new");
  window.htmx?.process(fresh);
  const empty = document.querySelector("[data-empty]");
  if (empty) {
    empty.hidden = true;
  }
  const lines = table.tBodies;
  const limit = Number(table.dataset.limit) || 200;
  for (let n = lines.length - 1; lines.length > limit && n > 0; n -= 1) {
    if (!lines[n].contains(document.activeElement)) {
      lines[n].remove();
    }
  }
}

function showState(html) {
  const old = document.getElementById("state");
  const fresh = parse(html);
  if (!old || old.isEqualNode(fresh)) {
    return;
  }
  const href = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  old.replaceWith(fresh);
  window.htmx?.process(fresh);
  if (href) {
    fresh.querySelector(`a[href="${CSS.escape(href)}"]`)?.focus();
  }
}

// A stream ends now and then and is there again at once: only what lasts is said.
function connected(yes) {
  if (yes) {
    clearTimeout(warning);
    warning = 0;
    if (notice) {
      notice.hidden = true;
    }
  } else if (!warning) {
    warning = setTimeout(() => { if (notice) { notice.hidden = false; } }, GRACE_MS);
  }
}

function address() {
  const url = new URL(table.dataset.live, location.href);
  if (last) {
    url.searchParams.set("after", last);
  }
  url.searchParams.set("lines", table.tBodies.length);
  url.searchParams.set("state", document.getElementById("state") ? 1 : 0);
  return url;
}

function open() {
  close();
  heard = Date.now();
  source = new EventSource(address());
  const on = (name, act) => source.addEventListener(name, (event) => {
    heard = Date.now();
    act(event);
  });
  on("row", (event) => {
    last = event.lastEventId || last;
    showLine(event.data, false);
  });
  on("change", (event) => showLine(event.data, true));
  on("state", (event) => showState(event.data));
  on("here", () => connected(true));
  on("outage", () => connected(false));
  on("reload", () => location.reload());
  source.addEventListener("error", () => {
    connected(false);
    // The browser connects again by itself, with the last id, unless the answer was an error.
    if (source.readyState === EventSource.CLOSED) {
      clearTimeout(retry);
      retry = setTimeout(open, RETRY_MS);
    }
  });
}

function close() {
  clearTimeout(retry);
  source?.close();
}

// A connection that was cut without a word (a machine that slept, a network that changed) never ends by itself.
function watch() {
  if (source && Date.now() - heard > SILENCE_MS) {
    connected(false);
    open();
  }
}

// The second press on a line that is open closes it; htmx opens it.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("[data-toggle]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || !window.htmx) {
    return;
  }
  const detail = document.getElementById(link.getAttribute("aria-controls"));
  if (detail?.hasChildNodes()) {
    detail.replaceChildren();
    link.setAttribute("aria-expanded", "false");
    event.preventDefault();
    event.stopImmediatePropagation();
  } else {
    link.setAttribute("aria-expanded", "true");
  }
}, true);

if (table && "EventSource" in window) {
  open();
  setInterval(watch, SILENCE_MS / 6);
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => { if (event.persisted) { open(); } });
}
