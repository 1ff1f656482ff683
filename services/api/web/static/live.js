// Keeps the page that is open up to date: lines and cells that change, by server-sent events.
// The server sends whole lines as HTML that it has escaped; a line that is already here only gets its cells replaced, so what is
// opened and what has the focus stays. It never evaluates what it receives.

const RETRY_MS = 5000;

const table = document.querySelector("[data-live]");
const notice = document.getElementById("connection");
let last = table?.dataset.after ?? "";
let source = null;
let retry = 0;

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

function connected(yes) {
  if (notice) {
    notice.hidden = yes;
  }
}

function open() {
  source?.close();
  const url = new URL(table.dataset.live, location.href);
  if (last) {
    url.searchParams.set("after", last);
  }
  source = new EventSource(url);
  source.addEventListener("open", () => connected(true));
  source.addEventListener("row", (event) => {
    last = event.lastEventId || last;
    showLine(event.data, false);
  });
  source.addEventListener("change", (event) => showLine(event.data, true));
  source.addEventListener("state", (event) => {
    connected(true);
    showState(event.data);
  });
  source.addEventListener("outage", () => connected(false));
  source.addEventListener("reload", () => location.reload());
  source.addEventListener("error", () => {
    connected(false);
    // The browser connects again by itself, with the last id, unless the answer was an error.
    if (source.readyState === EventSource.CLOSED) {
      clearTimeout(retry);
      retry = setTimeout(open, RETRY_MS);
    }
  });
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
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", (event) => { if (event.persisted) { open(); } });
}
