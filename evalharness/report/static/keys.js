// Keys that work anywhere on the page, and the panel that lists them.

import { byId } from "./dom.js";
import { choose, step, toggleDiff } from "./browser.js";

/** Hears the keyboard. */
export function startKeys(browser) {
  const help = byId("help");
  byId("help-open").addEventListener("click", () => help.showModal());
  byId("help-close").addEventListener("click", () => help.close());
  byId("list").addEventListener("keydown", (event) => listKey(browser, event));
  addEventListener("keydown", (event) => pageKey(browser, event));
}

/** Whether a key belongs to a field or a dialog, or is a browser's own. */
function isTaken(event) {
  const typing = event.target.closest?.("input, select, textarea, dialog");
  return typing || event.ctrlKey || event.metaKey || event.altKey;
}

/** The keys of the page. */
function pageKey(browser, event) {
  if (event.key === "Escape" && event.target.closest?.("#filters")) {
    // A search field would empty itself without saying so.
    event.preventDefault();
    event.target.blur();
  }
  if (isTaken(event)) return;
  const acts = {
    j: () => step(browser, 1),
    k: () => step(browser, -1),
    d: () => toggleDiff(browser),
    f: () => byId("quick").lastChild.click(),
    r: () => byId("rate").click(),
    "/": () => { byId("samples").scrollIntoView(); byId("filter-text").focus(); },
    "?": () => byId("help").showModal(),
  };
  if (!acts[event.key]) return;
  event.preventDefault();
  acts[event.key]();
}

/** The keys of the list. */
function listKey(browser, event) {
  const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity }[event.key];
  if (by === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  if (!browser.places.length) return;
  const at = browser.places.indexOf(browser.chosen);
  choose(browser, browser.places[Math.min(browser.places.length - 1, Math.max(0, at + by))]);
}
