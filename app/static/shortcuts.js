// Keys: N new, S stop, C continue, / search, ? help. They rest while somebody types, with a modifier, while a dialog is
// open, and for whoever switched them off in the profile.

(() => {
  const SEARCH = "#search";
  const find = (selector) => document.querySelector(selector);

  function begin() {
    const form = find("[data-timer] [data-start-form]");
    if (!form) return;
    const details = form.closest("details");
    if (details) details.open = true;
    form.elements.notes.focus();
  }

  function search() {
    const field = find("[data-search]");
    if (field) field.focus();
    else location.href = `/${SEARCH}`;
  }

  function help() {
    find("#help")?.showModal();
  }

  const actions = {
    n: begin,
    s: () => find("[data-stop]")?.click(),
    c: () => find("[data-continue]")?.click(),
    "/": search,
    "?": help,
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.defaultPrevented) return;
    if (event.target.closest("input, select, textarea, [contenteditable], dialog")) return;
    const action = "shortcuts" in document.body.dataset && actions[event.key.toLowerCase()];
    if (!action || find("dialog[open]")) return;
    event.preventDefault();
    action();
  });

  if (location.hash === SEARCH) find("[data-search]")?.focus();
})();
