// Comfort on top of pages that work without it: palette, local times, copying, dialogs, confirmation by name,
// toasts, keys in tables, theme. No eval, no inline styles, nothing stored but the cookie of the theme.
(() => {
  "use strict";
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (selector, root = document) => root.querySelector(selector);
  const on = (target, name, act) => target.addEventListener(name, act);
  const typing = (at) => at.isContentEditable || /^(input|textarea|select)$/i.test(at.tagName);

  // Toasts
  function toast(text) {
    const box = one("#toasts");
    if (!box || !text) return;
    const item = document.createElement("div");
    item.className = "toast";
    item.textContent = text;
    box.append(item);
    setTimeout(() => item.remove(), 6000);
  }

  // Times: the server prints UTC, readers see their own zone; UTC stays in `title`.
  // One form everywhere, the server's: 26 Nov 2026, 07:33 and the zone.
  const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
  const minute = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" });
  const said = (format, date) => format.format(date).replace("Sept", "Sep");
  const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  const spans = [["year", 31536e3], ["month", 2592e3], ["day", 86400], ["hour", 3600], ["minute", 60]];
  function ago(date) {
    const seconds = (date - Date.now()) / 1000;
    const span = spans.find(([, size]) => Math.abs(seconds) >= size);
    return span ? relative.format(Math.round(seconds / span[1]), span[0]) : "just now";
  }
  function localTime(item) {
    const date = new Date(item.dateTime);
    if (isNaN(date)) return;
    const kind = item.dataset.time;
    item.textContent = kind === "ago" ? ago(date) : said(kind === "day" ? day : minute, date);
  }
  setInterval(() => all('time[data-time="ago"]').forEach(localTime), 60000);

  // Confirmation by typing a name: the button waits for it; the server checks again.
  function guard(input) {
    const button = input.form && one("button:not([type=button])", input.form);
    if (button) button.disabled = input.value.trim() !== input.dataset.confirm;
  }

  // Whatever arrives, with the page or with a partial update, is made ready here.
  function ready(root) {
    all("time[data-time]", root).forEach(localTime);
    all("[data-confirm]", root).forEach(guard);
    if (navigator.clipboard) all("[data-copy]", root).forEach((button) => { button.hidden = false; });
    all("[data-choose]", root).forEach((box) => { box.hidden = false; });
    const focus = one("[data-focus]", root);
    if (focus) focus.focus();
  }

  // Theme
  const themes = ["system", "light", "dark"];
  const page = document.documentElement;
  function theme(next) {
    const stored = (document.cookie.match(/(?:^|; )__Host-bailiwick-theme=(\w+)/) || [])[1];
    if (next) document.cookie = `__Host-bailiwick-theme=${next}; Path=/; Max-Age=31536000; SameSite=Lax; Secure`;
    const chosen = next || (themes.includes(stored) ? stored : page.dataset.theme);
    page.dataset.theme = chosen;
    all("[data-theme-next] span").forEach((label) => { label.textContent = chosen; });
  }

  // Command palette
  const palette = one("#palette");
  const query = palette && one("input", palette);
  const links = () => all("li:not([hidden])", palette);
  function listNavigation() {
    const list = one("#palette-list");
    const known = new Set(all("a", list).map((link) => link.getAttribute("href")));
    all(".side .nav ul").forEach((group) => {
      const before = group.previousElementSibling;
      const hint = before && before.matches("h2") ? before.textContent : "";
      all("a", group).forEach((link) => {
        if (known.has(link.getAttribute("href"))) return;
        const item = document.createElement("li"), copy = document.createElement("a");
        const label = document.createElement("span"), small = document.createElement("small");
        copy.href = link.getAttribute("href");
        label.textContent = link.firstChild.textContent.trim();
        small.textContent = hint;
        copy.append(label, small);
        item.append(copy);
        list.append(item);
      });
    });
  }
  // The first hit is what Enter in the field opens; arrows move the focus itself.
  function markFirst() {
    const items = links();
    items.forEach((item, at) => item.classList.toggle("on", at === 0));
    const words = one("[role=status]", palette);
    words.textContent = items.length === 0 ? "Nothing found" : items.length === 1 ? "1 hit" : `${items.length} hits`;
    words.classList.toggle("vh", items.length > 0);
  }
  function filter() {
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    all("#palette-list li").forEach((item) => {
      const text = item.textContent.toLowerCase();
      item.hidden = !words.every((word) => text.includes(word));
    });
    markFirst();
  }
  function openPalette() {
    if (!palette || palette.open) return;
    if (!palette.dataset.filled) { listNavigation(); palette.dataset.filled = "1"; }
    query.value = "";
    one("#palette-found").textContent = "";
    palette.showModal();
    filter();
    query.focus();
  }
  function paletteKey(event) {
    const items = links().map((item) => one("a", item));
    const at = items.indexOf(document.activeElement);
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const next = event.key === "ArrowDown" ? items[at + 1] || items[at] : items[at - 1] || query;
      if (next) next.focus();
    } else if (event.key === "Enter" && at < 0 && items[0]) {
      event.preventDefault();
      items[0].click();
    }
  }

  // j and k walk the rows of a table, Enter opens the row's first link.
  function tableKey(event) {
    if (event.key !== "j" && event.key !== "k") return;
    const rows = all("table[data-keys] tbody tr, .row");
    if (!rows.length) return;
    const at = rows.findIndex((row) => row.contains(document.activeElement));
    const row = rows[Math.max(0, Math.min(rows.length - 1, at + (event.key === "j" ? 1 : -1)))];
    all("tr.cur").forEach((old) => old.classList.remove("cur"));
    if (row.matches("tr")) row.classList.add("cur");
    const target = one("a, summary, button", row);
    if (target) target.focus();
    row.scrollIntoView({ block: "nearest" });
  }

  on(document, "keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") { event.preventDefault(); openPalette(); return; }
    if (event.key === "Escape") all("details.menu[open]").forEach((menu) => { menu.open = false; one("summary", menu).focus(); });
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || one("dialog[open]")) return;
    if (event.key === "/" && palette) { event.preventDefault(); openPalette(); return; }
    tableKey(event);
  });

  on(document, "click", (event) => {
    const at = event.target;
    if (!(at instanceof Element)) return;
    all("details.menu[open]").forEach((menu) => { if (!menu.contains(at)) menu.open = false; });
    if (at.matches("dialog")) { at.close(); return; }
    const opener = at.closest("[data-dialog], [data-open]");
    if (opener && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      if (opener.dataset.open) { event.preventDefault(); openPalette(); return; }
      const dialog = document.getElementById(opener.dataset.dialog);
      if (dialog && dialog.showModal) { event.preventDefault(); dialog.showModal(); }
      return;
    }
    if (at.closest("[data-close]")) { const dialog = at.closest("dialog"); if (dialog) { event.preventDefault(); dialog.close(); } return; }
    const copy = at.closest("[data-copy]");
    if (copy) {
      const text = copy.dataset.copy || one("code", copy.parentElement).textContent;
      navigator.clipboard.writeText(text).then(() => toast("Copied"), () => toast("The browser did not allow copying"));
      return;
    }
    if (at.closest("[data-theme-next]")) theme(themes[(themes.indexOf(page.dataset.theme) + 1) % themes.length]);
  });

  on(document, "input", (event) => {
    if (event.target.matches("[data-confirm]")) guard(event.target);
    if (event.target === query) filter();
  });
  // Filter forms that htmx does not drive send themselves.
  on(document, "change", (event) => {
    const form = event.target.form;
    const name = event.target.dataset.choose;
    if (form && name) all(`input[name="${name}"]`, form).forEach((box) => { box.checked = event.target.checked; });
    if (form && form.matches("[data-auto]")) form.requestSubmit();
  });
  // One press is one request.
  on(document, "submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post") return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    setTimeout(() => delete form.dataset.sent, 5000);
  });

  on(document, "htmx:load", (event) => ready(event.detail.elt));
  on(document, "htmx:afterSwap", (event) => { if (event.target.id === "palette-found") markFirst(); });
  on(document, "htmx:responseError", (event) => toast(`The server answered ${event.detail.xhr.status}. Nothing was changed on this page.`));
  on(document, "htmx:sendError", () => toast("The server cannot be reached. Try again in a moment."));
  on(document, "toast", (event) => toast(event.detail.value || event.detail.text));

  // A message for another place: nothing to choose here. `submit` of the element's own class, whatever a field is called.
  const handed = one("form[data-hand-over]");
  if (handed) HTMLFormElement.prototype.submit.call(handed);
  if (query) { on(palette, "keydown", paletteKey); all("[data-open=palette]").forEach((button) => { button.hidden = false; }); }
  all("[data-theme-next]").forEach((button) => { button.hidden = false; });
  theme();
  ready(document);
})();
