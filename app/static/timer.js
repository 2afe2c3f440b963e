// The clock of the timer bar, in the bar, the title and the icon. Other tabs follow: each asks the server whether its
// bar is still right when it is looked at, or when another tab says that something happened. Nothing is asked while
// nobody looks.

(() => {
  const title = document.title;
  const icon = document.querySelector("link[rel=icon]");
  const tabs = "BroadcastChannel" in window ? new BroadcastChannel("timer") : null;
  let bar = document.querySelector("[data-timer]");
  if (!bar) return;
  let ahead = Number(bar.dataset.now) - Date.now(); // how far the server's clock is ahead of this one

  const two = (number) => String(number).padStart(2, "0");

  function tick() {
    const running = [...bar.querySelectorAll("[data-start]")];
    for (const timer of running) {
      const seconds = secondsOf(timer);
      const clock = timer.querySelector(".timer-clock");
      const text = `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
      if (clock && clock.textContent !== text) clock.textContent = text;
    }
    const shown = running.length ? `${minutesOf(running[0])} ${running[0].dataset.label} – ${bar.dataset.name}` : title;
    if (document.title !== shown) document.title = shown;
    if (icon.getAttribute("href") !== bar.dataset.icon) icon.setAttribute("href", bar.dataset.icon);
  }

  function secondsOf(timer) {
    return Math.max(0, Math.floor((Date.now() + ahead - Number(timer.dataset.start)) / 1000));
  }

  function minutesOf(timer) {
    const minutes = Math.floor(secondsOf(timer) / 60);
    return `${Math.floor(minutes / 60)}:${two(minutes % 60)}`;
  }

  function typed(form) {
    const kept = {};
    for (const field of form?.elements ?? []) {
      const isTyped = field.type === "text" || field.tagName === "SELECT" || field.type === "checkbox";
      if (!isTyped || !field.name) continue;
      kept[field.name] = { value: field.type === "checkbox" ? field.checked : field.value, said: field.dataset.said };
    }
    return ["notes", "tags", "project"].some((name) => kept[name]?.value) ? kept : null;
  }

  function put(form, kept) {
    for (const [name, { value, said }] of Object.entries(kept)) {
      const field = form.elements[name];
      if (!field) continue;
      field[field.type === "checkbox" ? "checked" : "value"] = value;
      if (said !== undefined) field.dataset.said = said; // see choices.js
    }
    const details = form.closest("details");
    if (details) details.open = true;
  }

  async function get(address, type) {
    try {
      const answer = await fetch(address, { headers: { Accept: type } });
      const isRight = answer.ok && !answer.redirected && (answer.headers.get("Content-Type") ?? "").startsWith(type);
      return isRight ? answer : null; // signed out, or the database is away: the next page says so
    } catch {
      return null;
    }
  }

  async function follow() {
    const state = await (await get(bar.dataset.state, "application/json"))?.json();
    if (!state) return;
    ahead = state.now - Date.now();
    if (state.key !== bar.dataset.key && !bar.querySelector("[data-edited]")) await renew();
    tick();
  }

  async function renew() {
    const answer = await get(`${bar.dataset.bar}?next=${encodeURIComponent(bar.dataset.next)}`, "text/html");
    if (!answer) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-timer]");
    if (!fresh) return;
    const kept = typed(bar.querySelector("[data-start-form]"));
    bar.replaceWith(fresh);
    bar = fresh;
    const form = bar.querySelector("[data-start-form]");
    if (form && kept) put(form, kept);
    form?.dispatchEvent(new CustomEvent("form-added", { bubbles: true }));
  }

  // Editing what runs, in its place. Without this script the link leads to a page with the same form.
  async function edit(link) {
    if (link.dataset.opening) return; // a double click
    link.dataset.opening = "yes";
    const answer = await get(link.href, "text/html");
    delete link.dataset.opening;
    const page = answer && new DOMParser().parseFromString(await answer.text(), "text/html");
    const form = page?.querySelector("form[data-work]:not([data-start-form])");
    if (!form) {
      location.href = link.href;
      return;
    }
    const cancel = document.createElement("button");
    cancel.type = "button";
    cancel.textContent = "Cancel";
    form.querySelector("[data-buttons]").append(cancel);
    form.elements.notes.autofocus = false;
    form.dataset.edited = "";
    const row = link.closest(".timer-row");
    row.after(form);
    row.hidden = true;
    const close = () => {
      form.remove();
      row.hidden = false;
      link.focus();
    };
    cancel.addEventListener("click", close);
    form.addEventListener("keydown", (event) => event.key === "Escape" && close());
    form.dispatchEvent(new CustomEvent("form-added", { bubbles: true }));
    form.elements.notes.focus();
    form.elements.notes.select();
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("[data-timer] a[data-edit]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    edit(link);
  });
  document.addEventListener("toggle", (event) => {
    if (event.target.matches?.("[data-timer] details") && event.target.open) {
      event.target.querySelector("[name=notes]").focus();
    }
  }, true);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && follow());
  window.addEventListener("pageshow", (event) => event.persisted && follow());
  tabs?.addEventListener("message", (event) => {
    if (event.data !== bar.dataset.key && document.visibilityState === "visible") follow();
  });

  tabs?.postMessage(bar.dataset.key);
  tick();
  setInterval(tick, 1000);
})();
