// What the pages gain where JavaScript runs: times in the reader's zone, keyboard keys, quiet live updates.
// Everything works without it.
"use strict";

(() => {
  const KEYS_OFF = "probewatch-keys-off";
  const ENDED = 286; // htmx ends a poll on this status

  // Times. The server writes UTC; the reader's zone is put before it.

  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  const shape = new Intl.DateTimeFormat("en-GB", {
    day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
  });

  function localise(within) {
    if (zone === "UTC") return;
    for (const time of within.querySelectorAll("time[data-instant]:not([data-told])")) {
      const when = new Date(time.dateTime);
      if (Number.isNaN(when.getTime())) continue;
      const utc = time.textContent.trim();
      time.dataset.told = "";
      time.textContent = shape.format(when);
      const beside = document.createElement("span");
      beside.className = "aside";
      beside.textContent = ` (${utc})`;
      time.append(beside);
    }
  }

  // Keys. Rows are elements with data-row; what a key presses in the chosen row has data-key.

  let chosen = null; // the id of the chosen row: a live update replaces the element

  const rows = () => [...document.querySelectorAll("[data-row]")];
  const current = () => rows().find((row) => row.id === chosen) || null;

  function choose(row) {
    for (const one of rows()) one.classList.toggle("chosen", one === row);
    chosen = row ? row.id : null;
    const link = row && row.querySelector("a");
    if (link) {
      link.focus();
      row.scrollIntoView({ block: "nearest" });
    }
  }

  function move(step) {
    const all = rows();
    if (!all.length) return;
    const at = all.findIndex((row) => row.id === chosen);
    choose(all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1)]);
  }

  function press(key) {
    const scopes = [current(), document].filter(Boolean);
    for (const scope of scopes) {
      const found = [...scope.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)].find(
        (one) => scope !== document || !one.closest("[data-row]"),
      );
      if (!found) continue;
      if (found.matches("details")) {
        found.open = true;
        const field = found.querySelector("select, input:not([type=hidden]), textarea, button");
        (field || found.querySelector("summary")).focus();
      } else if (found.matches("input, select, textarea")) {
        found.focus();
      } else {
        found.click();
      }
      return true;
    }
    return false;
  }

  const help = () => document.getElementById("keys");

  function typing(target) {
    return target.isContentEditable || target.matches("input:not([type=checkbox]):not([type=radio]), select, textarea");
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(event.target)) return;
    const dialog = help();
    if (event.key === "?" && dialog) {
      event.preventDefault();
      dialog.showModal();
      return;
    }
    if ((dialog && dialog.open) || localStorage.getItem(KEYS_OFF)) return;
    if (event.key === "j" || event.key === "k") move(event.key === "j" ? 1 : -1);
    else if (event.key.length !== 1 || !press(event.key)) return;
    event.preventDefault();
  });

  // Live updates: quiet in a hidden tab and while paused; told to those who cannot see them.

  const paused = () => document.querySelector("[data-live-pause][aria-pressed=true]") !== null;

  document.addEventListener("htmx:beforeRequest", (event) => {
    const live = event.target.closest("[data-live]");
    if (live && (document.hidden || paused())) event.preventDefault();
  });

  document.addEventListener("htmx:afterSwap", (event) => {
    // After outerHTML the target is what was replaced: look at the whole page, marks keep it cheap.
    localise(document);
    enliven(document);
    const row = current();
    if (row) row.classList.add("chosen");
    const told = document.querySelector("[data-live] [data-told-live]");
    const region = document.getElementById("said");
    if (told && region && event.target.closest("[data-live]")) region.textContent = told.dataset.toldLive;
  });

  function lost(event) {
    const region = document.getElementById("lost");
    if (region && event.target.closest("[data-live]")) region.hidden = false;
  }
  document.addEventListener("htmx:sendError", lost);
  document.addEventListener("htmx:responseError", lost);
  document.addEventListener("htmx:afterRequest", (event) => {
    const region = document.getElementById("lost");
    if (region && event.detail.successful && event.target.closest("[data-live]")) region.hidden = true;
    if (event.detail.xhr && event.detail.xhr.status === ENDED && region) region.hidden = false;
  });

  // What only makes sense with JavaScript is hidden until it is here.

  function enliven(within) {
    for (const one of within.querySelectorAll("[data-scripted][hidden]")) one.hidden = false;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.matches("[data-live-pause]")) {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
    } else if (button.matches("[data-help]") && help()) {
      help().showModal();
    }
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-keys-on]")) {
      if (event.target.checked) localStorage.removeItem(KEYS_OFF);
      else localStorage.setItem(KEYS_OFF, "1");
    }
  });

  localise(document);
  enliven(document);
  const keys = document.querySelector("[data-keys-on]");
  if (keys) keys.checked = !localStorage.getItem(KEYS_OFF);
})();
