// The grid of a week as in a spreadsheet: arrows and Enter move, Escape takes back, totals follow while one types.
"use strict";

const table = document.querySelector(".grid");
const fields = table ? [...table.querySelectorAll("tbody tr")].map((row) => [...row.cells].slice(1, 8)) : [];

// The minutes that a text means, null for none: the same forms that the server takes, whose word counts.
function minutesOf(text) {
  const typed = text.trim().toLowerCase().replace(",", ".").replace(/\s+/g, " ");
  let found;
  if (typed === "") return 0;
  if ((found = typed.match(/^(\d+)$/))) return Number(found[1]) * 60;
  if ((found = typed.match(/^(\d+):([0-5]?\d)(?::([0-5]?\d))?$/)))
    return Math.floor((Number(found[1]) * 3600 + Number(found[2]) * 60 + Number(found[3] || 0) + 30) / 60);
  if ((found = typed.match(/^(\d*)\.(\d+) ?(?:h|hours?)?$/))) {
    // In integers, as the server does: 1.025 * 60 is a little less than 61.5.
    const unit = 10n ** BigInt(found[2].length);
    return Number((2n * 60n * BigInt(found[1] + found[2]) + unit) / (2n * unit));
  }
  if ((found = typed.match(/^(?:(\d+) ?(?:h|hours?))? ?(?:(\d+) ?(?:m|mins?|minutes?)?)?$/)))
    return Number(found[1] || 0) * 60 + Number(found[2] || 0);
  return null;
}

function hours(minutes) {
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}`;
}

function minutesIn(cell) {
  const input = cell.querySelector("input:not([type=hidden])");
  return input ? minutesOf(input.value) : Number(cell.querySelector("[data-minutes]")?.dataset.minutes ?? 0);
}

function addUp() {
  const byDay = Array(7).fill(0);
  fields.forEach((cells, number) => {
    const minutes = cells.map((cell) => minutesIn(cell) || 0);
    minutes.forEach((value, day) => (byDay[day] += value));
    table.tBodies[0].rows[number].cells[8].textContent = hours(minutes.reduce((sum, value) => sum + value, 0));
  });
  const totals = [...table.tFoot.rows[0].cells].slice(1);
  [...byDay, byDay.reduce((sum, value) => sum + value, 0)].forEach((value, number) => {
    totals[number].textContent = hours(value);
  });
}

function echo(input) {
  const minutes = minutesOf(input.value);
  const hint = document.getElementById("week-hint");
  hint.textContent = minutes === null ? "That is no duration. Type it as 1:30, 1.5, 90m or 1h30." : `= ${hours(minutes)}`;
}

function go(event, down, right) {
  const cell = event.target.closest("td");
  const row = fields.findIndex((cells) => cells.includes(cell));
  const target = fields[row + down]?.[fields[row].indexOf(cell) + right];
  const next = target?.querySelector("input:not([type=hidden]), a");
  if (next || event.key === "Enter") event.preventDefault(); // Enter in the last row would send the form
  if (!next) return;
  next.focus();
  next.select?.();
}

function onKey(event) {
  if (event.altKey || event.ctrlKey || event.metaKey || !event.target.closest(".grid td")) return;
  const input = event.target.matches("input") ? event.target : null;
  const isWhole = input && input.selectionStart === 0 && input.selectionEnd === input.value.length;
  const isAtStart = !input || isWhole || input.selectionEnd === 0;
  const isAtEnd = !input || isWhole || input.selectionStart === input.value.length;
  if (event.key === "ArrowUp") go(event, -1, 0);
  else if (event.key === "ArrowDown" || (event.key === "Enter" && input && !event.shiftKey)) go(event, 1, 0);
  else if (event.key === "Enter" && input) go(event, -1, 0);
  else if (event.key === "ArrowLeft" && isAtStart) go(event, 0, -1);
  else if (event.key === "ArrowRight" && isAtEnd) go(event, 0, 1);
  else if (event.key === "Escape" && input) {
    input.value = input.dataset.before;
    input.select();
    addUp();
  }
}

if (table) {
  table.addEventListener("keydown", onKey);
  table.addEventListener("focusin", (event) => {
    event.target.dataset.before = event.target.value;
    event.target.select?.();
  });
  table.addEventListener("input", (event) => {
    echo(event.target);
    addUp();
  });
  table.addEventListener("change", (event) => {
    const minutes = minutesOf(event.target.value);
    if (minutes !== null && event.target.value.trim() !== "") event.target.value = hours(minutes);
  });
  window.addEventListener("beforeunload", (event) => {
    const inputs = [...table.querySelectorAll("input:not([type=hidden])")];
    if (!table.closest("form").dataset.sent && inputs.some((input) => input.value !== input.dataset.shown)) {
      event.preventDefault();
    }
  });
  table.closest("form").addEventListener("submit", (event) => (event.target.dataset.sent = "yes"));
}
