// The list of entries: an entry becomes its form in place, and a duration is said as it is typed. Without this file the
// same forms are pages.
"use strict";

const PART = { headers: { "X-Part": "form" } };

// Where the focus goes back to once a form is saved and the page is loaded anew: to what opened the form.
const BACK_TO = "back to";

// --- Durations, as app/durations.py reads them ---

function minutesOf(text) {
  const typed = text.trim().toLowerCase();
  let found;
  if ((found = /^(\d+)$/.exec(typed))) return Number(found[1]);
  if ((found = /^(\d+):([0-5]?\d)(?::([0-5]?\d))?$/.exec(typed))) {
    return Number(found[1]) * 60 + Number(found[2]) + (Number(found[3] || 0) >= 30 ? 1 : 0);
  }
  if ((found = /^(\d*)[.,](\d+) ?(?:h|hours?)?$/.exec(typed))) {
    return Math.floor(Number((found[1] || "0") + "." + found[2]) * 60 + 0.5 + 1e-9);
  }
  if (typed && (found = /^(?:(\d+) ?(?:h|hours?))? ?(?:(\d+) ?(?:m|mins?|minutes?)?)?$/.exec(typed))) {
    return Number(found[1] || 0) * 60 + Number(found[2] || 0);
  }
  return null;
}

function timeOf(text) {
  const found = /^(\d{1,2})(?:[:.]?(\d{2}))? ?(a\.?m\.?|p\.?m\.?)?$/.exec(text.trim().toLowerCase());
  if (!found) return null;
  let hour = Number(found[1]);
  if (found[3]) hour = (hour % 12) + (found[3][0] === "p" ? 12 : 0);
  const minutes = hour * 60 + Number(found[2] || 0);
  return minutes < 24 * 60 ? minutes : null;
}

// The clock alone decides here; on the two days of the year when it changes, what is saved says the true length.
function echo(form) {
  const output = form.querySelector(".echo");
  if (!output) return;
  const { start, end, duration } = form.elements;
  let minutes = null;
  if (duration.value.trim()) {
    minutes = minutesOf(duration.value);
  } else if (timeOf(start.value) !== null && timeOf(end.value) !== null) {
    minutes = timeOf(end.value) - timeOf(start.value);
    if (minutes < 0) minutes += 24 * 60;
  }
  const isKnown = minutes > 0 && minutes <= 7 * 24 * 60;
  output.value = isKnown ? `= ${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}` : "";
}

// --- Forms in place ---

let close = () => {};
let isChanged = () => false;
let isOpening = false;

async function open(address, place) {
  if (isOpening) return; // a double click
  if (isChanged() && !confirm("Discard what you typed in the form that is open?")) return;
  isOpening = true;
  try {
    const answer = await fetch(address, PART);
    if (!answer.ok || answer.redirected) throw new Error("no form");
    show(await answer.text(), place);
  } finally {
    isOpening = false;
  }
}

function show(html, place) {
  close();
  const before = [...place.childNodes];
  put(place, html);
  place.classList.add("editing");
  const from = document.activeElement;
  const asShown = typed(place);
  isChanged = () => typed(place) !== asShown;
  close = () => {
    place.replaceChildren(...before);
    place.classList.remove("editing");
    close = () => {};
    isChanged = () => false;
    (place.querySelector("a[href$='/edit']") || from)?.focus();
  };
  place.querySelector("[name=notes]").focus();
}

function typed(place) {
  const fields = [...place.querySelectorAll("input:not([type=hidden]), select, textarea")];
  return JSON.stringify(fields.map((field) => (field.type === "checkbox" ? field.checked : field.value)));
}

function parse(html) {
  return new DOMParser().parseFromString(html, "text/html");
}

function put(place, html) {
  place.replaceChildren(...parse(html).body.childNodes);
  place.querySelectorAll("form.entry-form").forEach((form) => {
    echo(form);
    form.dispatchEvent(new CustomEvent("form-added", { bubbles: true }));
  });
}

async function send(form, submitter) {
  const place = form.parentElement;
  const sent = new FormData(form, submitter);
  try {
    const answer = await fetch(form.action, { method: "POST", body: sent, redirect: "manual", ...PART });
    if (answer.type === "opaqueredirect") {
      sessionStorage.setItem(BACK_TO, place.id ? `#${place.id} a[href$='/edit']` : "[data-add]");
      location.reload();
      return;
    }
    const html = await answer.text();
    const advice = parse(html).querySelector(".message h1 + p"); // of a page about what went wrong
    if (answer.status === 400) tell(form, await renewed(form));
    else if (advice) tell(form, advice.textContent);
    else if (answer.status === 422 || answer.status === 409) {
      put(place, html);
      (place.querySelector(".wrong input, .wrong select, .wrong textarea, .error, button") || place).focus();
    } else tell(form, "That could not be saved just now. Try again in a moment."); // a proxy answered
  } catch {
    tell(form, "There is no connection. Try again in a moment.");
  }
}

// Whoever signs in anew in another tab has other tokens in it.
async function renewed(form) {
  const page = await fetch(location.href);
  const token = page.redirected ? null : parse(await page.text()).querySelector("[name=csrf_token]");
  if (!token) return "You are signed out. Sign in in another tab, then press Save again.";
  form.elements.csrf_token.value = token.value;
  return "You signed in anew meanwhile. Press Save again.";
}

function tell(form, text) {
  form.querySelector(".failure")?.remove();
  const message = document.createElement("p");
  message.className = "error failure";
  message.setAttribute("role", "alert");
  message.textContent = `${text} What you typed is still here.`;
  form.prepend(message);
}

document.addEventListener("click", (event) => {
  if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const link = event.target.closest("a[href]");
  if (!link) return;
  const row = link.closest(".entry-day li");
  if (link.matches("[data-cancel]") && link.closest(".editing")) {
    event.preventDefault();
    close();
  } else if (link.matches("[data-add]") || (row && link.pathname.endsWith("/edit"))) {
    event.preventDefault();
    open(link.href, row || place_of_new(link)).catch(() => location.assign(link.href));
  }
});

function place_of_new(link) {
  const tools = link.closest(".tools");
  let place = document.querySelector(".new-entry");
  if (!place) {
    place = document.createElement("div");
    place.className = "new-entry";
    tools.after(place);
  }
  return place;
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches(".editing > .entry-form")) return;
  event.preventDefault();
  if (form.dataset.sending) return;
  form.dataset.sending = "yes";
  send(form, event.submitter).finally(() => delete form.dataset.sending);
});

document.addEventListener("input", (event) => {
  const form = event.target.closest(".entry-form");
  if (form) echo(form);
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target.closest(".editing")) close();
});

document.querySelectorAll("form.entry-form").forEach(echo);
const opener = sessionStorage.getItem(BACK_TO);
sessionStorage.removeItem(BACK_TO);
if (opener) document.querySelector(opener)?.focus({ preventScroll: true });
