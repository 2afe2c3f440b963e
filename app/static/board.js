// The board: cards are dragged, or moved by Alt and an arrow key, without loading the page anew. The buttons of the
// cards are forms that work without this file; here they take the same way as the others.
"use strict";

(() => {
  const columns = [...document.querySelectorAll(".column[data-status]")];
  const ways = columns.filter((column) => column.dataset.status);
  const problem = document.getElementById("board-problem");
  const said = document.getElementById("board-said");
  let dragged = null;

  const columnOf = (card) => card.closest(".column");
  const list = (column) => column.querySelector("ul");
  const address = (card) => card.querySelector("button[formaction]").formAction;

  function count(column, by) {
    const badge = column.querySelector("h2 .badge");
    badge.textContent = Math.max(0, Number(badge.textContent) + by);
  }

  // What was done last comes first; the others sort by urgency and day.
  function place(card, column) {
    const before = column.dataset.status === "done"
      ? list(column).firstElementChild
      : [...list(column).children].find((other) => other.dataset.place > card.dataset.place);
    count(columnOf(card), -1);
    list(column).insertBefore(card, before || null);
    count(column, 1);
  }

  function tell(text, isProblem) {
    problem.hidden = !isProblem;
    problem.textContent = isProblem ? text : "";
    said.textContent = isProblem ? "" : text;
  }

  function renew(card, html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    const fresh = template.content.querySelector(".card");
    const hadFocus = card.contains(document.activeElement);
    card.replaceWith(fresh);
    prepare(fresh);
    if (hadFocus) fresh.focus();
    return fresh;
  }

  async function ask(card, status) {
    const answer = await fetch(address(card), {
      method: "POST",
      headers: {
        Accept: "application/json",
        "X-CSRFToken": document.querySelector("meta[name=csrf-token]").content,
      },
      body: new URLSearchParams({ to: status }),
    });
    if (answer.redirected) throw new Error("You are signed out. Load the page again to sign in.");
    if (answer.status === 404) throw new Error("This task was deleted meanwhile. Load the page again.");
    if (answer.status === 503) throw new Error("The database cannot be reached, so the card is back where it was. Try again in a moment.");
    if (!answer.ok && answer.status !== 409) throw new Error("The card could not be moved, so it is back where it was. Load the page again.");
    return { isStale: answer.status === 409, ...(await answer.json()) };
  }

  async function move(card, column) {
    const from = columnOf(card);
    if (!column || column === from || card.getAttribute("aria-busy") === "true") return;
    const next = card.nextElementSibling;
    const hadFocus = card.contains(document.activeElement);
    card.setAttribute("aria-busy", "true");
    place(card, column);
    if (hadFocus) card.focus();
    try {
      const { isStale, card: html, status, said: text } = await ask(card, column.dataset.status);
      const fresh = renew(card, html);
      const there = columns.find((other) => other.dataset.status === status) || from;
      if (there !== columnOf(fresh)) {
        const focused = fresh.contains(document.activeElement);
        place(fresh, there);
        if (focused) fresh.focus();
      }
      fresh.scrollIntoView({ block: "nearest", inline: "nearest" });
      tell(text, isStale);
    } catch (error) {
      const focused = card.contains(document.activeElement);
      count(columnOf(card), -1);
      list(from).insertBefore(card, next && next.parentElement === list(from) ? next : null);
      count(from, 1);
      card.removeAttribute("aria-busy");
      if (focused) card.focus();
      tell(error instanceof TypeError ? "No connection, so the card is back where it was. Try again." : error.message, true);
    }
  }

  function prepare(card) {
    card.draggable = true;
  }

  document.addEventListener("keydown", (event) => {
    if (!event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const card = event.target.closest?.(".card");
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!card || !step) return;
    event.preventDefault();
    const at = ways.indexOf(columnOf(card));
    move(card, at < 0 ? ways[0] : ways[at + step]);
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest(".card button[formaction]");
    if (!button) return;
    event.preventDefault();
    const card = button.closest(".card");
    button.focus();
    move(card, ways.find((column) => column.dataset.status === button.value));
  });

  document.addEventListener("dragstart", (event) => {
    const card = event.target.closest?.(".card");
    if (!card) return;
    dragged = card;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", card.querySelector("a").textContent);
    card.classList.add("dragged");
  });

  document.addEventListener("dragend", () => {
    dragged?.classList.remove("dragged");
    columns.forEach((column) => column.classList.remove("target"));
    dragged = null;
  });

  for (const column of ways) {
    column.addEventListener("dragover", (event) => {
      if (!dragged) return;
      event.preventDefault();
      ways.forEach((other) => other.classList.toggle("target", other === column && other !== columnOf(dragged)));
    });
    column.addEventListener("drop", (event) => {
      if (!dragged) return;
      event.preventDefault();
      move(dragged, column);
    });
  }

  document.querySelectorAll(".card").forEach(prepare);
  const help = document.getElementById("board-help");
  if (help) help.hidden = false;
})();
