// The sample browser: filters on top, the list on the left, one sample on the right; the address names the sample.

import { byId, count, counted, el, fill } from "./dom.js";
import { tamed } from "./safe_text.js";
import { differencesIn, labelInWords, outcomeOf, own, stateInWords } from "./data.js";
import { listed, noFilter, quickTests } from "./filters.js";
import { makeList, markChosen, setPlaces } from "./list.js";
import { sampleNodes } from "./detail.js";

const LISTING = "#samples?";
const SIDES = new Set(["left", "right"]);

/** Sets up the browser; returns what the keys and the rating mode need of it. */
export function startBrowser(data) {
  const role = (name) => data.checkpoints.findIndex((one) => one.role === name);
  const [left, right] = [role("baseline"), role("candidate")];
  const browser = { data, filter: noFilter(left, right), diff: false, tokens: false, open: false, chosen: -1, places: [] };
  browser.list = makeList(byId("list"), (place) => rowNodes(browser, place), (place) => choose(browser, place));
  byId("more-filters").open = matchMedia("(min-width: 60rem)").matches;
  fillChoices(browser);
  listen(browser);
  refresh(browser);
  addEventListener("hashchange", () => followAddress(browser));
  addEventListener("click", (event) => followClick(browser, event));
  followAddress(browser);
  return browser;
}

/** What a row of the list shows: id, the prompt's beginning, both states. */
function rowNodes(browser, place) {
  const sample = browser.data.samples[place];
  const text = sample.messages[sample.messages.length - 1][1].slice(0, 160).replace(/\s+/g, " ");
  const state = (side) => outcomeNode(browser.data, outcomeOf(browser.data, sample, sample.sides[side][0]));
  const flipped = differencesIn(browser.data, "", browser.filter.left, browser.filter.right)[place] > 0;
  return [
    el("span", { class: "row-id" },
      el("bdi", {}, tamed(sample.id, 80)),
      flipped ? el("span", { class: "row-flip", title: "scored differently" }, "≠") : null,
    ),
    el("span", { class: "row-text" }, el("bdi", {}, tamed(text))),
    el("span", { class: "row-states" }, state(browser.filter.left), " → ", state(browser.filter.right)),
  ];
}

/** What a side came to, with its colour. */
function outcomeNode(data, { scorer, label, tone }) {
  const classes = own(own(data.labels, scorer), label)?.[1] ?? `chip-state label-${label}`;
  const words = scorer === data.states ? stateInWords(data, label) : labelInWords(data, scorer, label);
  return el("span", { class: `state ${classes} ${tone && `chip-${tone}`}` }, tamed(words));
}

// ------------------------------------------------------------------------------------------------ filters

/** Puts the choices into the selects. */
function fillChoices(browser) {
  const { data, filter } = browser;
  options("filter-category", [["", "every category"], ...data.categories.map((name, at) => [at, tamed(name, 80)])]);
  options("filter-metric", [["", "any label"], ...data.metrics.map((metric) => [metric.name, metric.title])]);
  const sides = data.checkpoints.map((one, at) => [at, tamed(one.name, 80)]);
  for (const side of ["left", "right"]) {
    options(`side-${side}`, sides);
    byId(`side-${side}`).value = String(filter[side]);
  }
  byId("choose-sides").hidden = data.checkpoints.length < 3;
  fillStates(browser);
  fillVerdicts(browser);
  fillQuick(browser);
}

/** The quick filters with the number of samples that each lists; one that lists none cannot be chosen. */
function fillQuick(browser) {
  const { data, filter } = browser;
  fill(byId("quick"), [...quickTests(data, filter)].map(([title, test]) => {
    const n = data.samples.filter(test).length;
    const pressed = String(filter.quick === title);
    const click = () => { filter.quick = filter.quick === title ? "" : title; fillQuick(browser); refresh(browser); };
    return el("button", { type: "button", "aria-pressed": pressed, disabled: n === 0, click }, `${title} ${count(n)}`);
  }));
}

/** The options of one select. */
function options(id, choices) {
  fill(byId(id), choices.map(([value, text]) => el("option", { value }, text)));
}

/** The states that occur, for each of the two sides in view. */
function fillStates(browser) {
  const { data, filter } = browser;
  for (const side of ["left", "right"]) {
    const found = new Set(data.samples.flatMap((sample) => sample.sides[filter[side]].map((cell) => cell.state)));
    options(`filter-${side}`, [["", "any ending"], ...[...found].map((state) => [state, stateInWords(data, state)])]);
    byId(`filter-${side}-name`).textContent = tamed(data.checkpoints[filter[side]].name, 40);
    filter[`${side}State`] = "";
  }
}

/** What a sample can be in the chosen metric: better or worse where there is such a thing, else higher or lower. */
function fillVerdicts(browser) {
  const metric = browser.data.metrics.find((one) => one.name === browser.filter.metric);
  const names = { higher: ["better", "worse"], lower: ["worse", "better"] };
  const [up, down] = names[metric?.better] ?? ["higher", "lower"];
  const choices = [["differ", "differs"], ["", "every sample"], ["up", `${up} only`], ["down", `${down} only`], ["same", "same on both"]];
  options("filter-verdict", choices);
  byId("filter-verdict").disabled = !metric;
  browser.filter.verdict = metric ? "differ" : "";
  byId("filter-verdict").value = browser.filter.verdict;
}

/** Hears every control. */
function listen(browser) {
  const on = (id, event, act) => {
    byId(id).addEventListener(event, (happened) => { act(happened.target); refresh(browser); });
  };
  on("filter-text", "input", (field) => { browser.filter.text = field.value; });
  on("filter-category", "change", (field) => { browser.filter.category = field.value; });
  on("filter-metric", "change", (field) => chooseMetric(browser, field.value));
  on("filter-verdict", "change", (field) => { browser.filter.verdict = field.value; });
  on("filter-left", "change", (field) => { browser.filter.leftState = field.value; });
  on("filter-right", "change", (field) => { browser.filter.rightState = field.value; });
  on("filter-order", "change", (field) => { browser.filter.order = field.value; });
  on("filters", "reset", () => clearFilter(browser));
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  for (const side of ["left", "right"]) {
    on(`side-${side}`, "change", (field) => chooseSide(browser, side, Number(field.value)));
  }
  byId("diff").addEventListener("click", () => toggleDiff(browser));
  byId("as-tokens").hidden = !browser.data.tokenTexts;
  byId("as-tokens").addEventListener("click", () => toggleTokens(browser));
  byId("previous").addEventListener("click", () => step(browser, -1));
  byId("next").addEventListener("click", () => step(browser, 1));
}

/** Every filter off; the sides stay. */
function clearFilter(browser) {
  Object.assign(browser.filter, noFilter(browser.filter.left, browser.filter.right));
  fillVerdicts(browser);
  fillQuick(browser);
  redraw(browser);
}

/** Looks at the samples by another metric. */
function chooseMetric(browser, metric) {
  browser.filter.metric = metric;
  fillVerdicts(browser);
  redraw(browser);
}

/** Puts another checkpoint on one side. */
function chooseSide(browser, side, checkpoint) {
  browser.filter[side] = checkpoint;
  byId(`side-${side}`).value = String(checkpoint);
  fillStates(browser);
  fillQuick(browser);
  redraw(browser);
}

/** Lists what passes the filter now. */
function refresh(browser) {
  browser.places = listed(browser.data, browser.filter);
  setPlaces(browser.list, browser.places);
  const [n, all] = [browser.places.length, browser.data.samples.length];
  byId("listed").textContent = n === all ? counted(all, "sample") : `${count(n)} of ${counted(all, "sample")}`;
  byId("none-listed").hidden = n > 0;
  byId("panel").hidden = n === 0;
  if (browser.places.length && !browser.places.includes(browser.chosen)) show(browser, browser.places[0]);
  markChosen(browser.list, browser.chosen);
  tellPlace(browser);
}

// ----------------------------------------------------------------------------------------------- choosing

/** Chooses a sample and writes it into the address. */
export function choose(browser, place) {
  show(browser, place);
  history.replaceState(null, "", `#${addressOf(browser.data.samples[place].id)}`);
}

/** Shows a sample without touching the address. */
function show(browser, place) {
  browser.chosen = place;
  byId("panel").hidden = false;
  markChosen(browser.list, place);
  redraw(browser);
  tellPlace(browser);
}

/** Draws the chosen sample again. */
function redraw(browser) {
  if (browser.chosen < 0) return;
  const { left, right, metric } = browser.filter;
  const { id } = browser.data.samples[browser.chosen];
  fill(byId("sample-id"), el("bdi", {}, tamed(id, 200)));
  byId("sample-link").href = `#${addressOf(id)}`;
  // What the reader opened stays open from sample to sample.
  const opened = (event) => { browser.open = event.target.open; };
  const view = { left, right, metric, diff: browser.diff, tokens: browser.tokens, open: browser.open, opened };
  fill(byId("sample"), sampleNodes(browser.data, browser.chosen, view));
}

/** Says where the chosen sample stands in the list. */
function tellPlace(browser) {
  const at = browser.places.indexOf(browser.chosen);
  byId("place").textContent = at < 0 ? "not in the list" : `${count(at + 1)} of ${count(browser.places.length)}`;
  byId("previous").disabled = at === 0 || !browser.places.length;
  byId("next").disabled = at === browser.places.length - 1;
}

/** Goes on or back in the list; from a sample that is not listed to the first one. */
export function step(browser, by) {
  if (!browser.places.length) return;
  const at = browser.places.indexOf(browser.chosen);
  const next = at < 0 ? 0 : Math.min(browser.places.length - 1, Math.max(0, at + by));
  choose(browser, browser.places[next]);
  const top = byId("panel").getBoundingClientRect().top;
  if (top < 0 || top > innerHeight / 2) byId("panel").scrollIntoView();
}

/** Shows the words that differ, or the evidence. */
export function toggleDiff(browser) {
  browser.diff = !browser.diff;
  byId("diff").setAttribute("aria-pressed", String(browser.diff));
  redraw(browser);
}

/** Shows completions as tokens in three classes, or as text. */
function toggleTokens(browser) {
  browser.tokens = !browser.tokens;
  byId("as-tokens").setAttribute("aria-pressed", String(browser.tokens));
  redraw(browser);
}

/** The part of an address that names a sample. */
function addressOf(id) {
  // Python leaves the same characters as they are, so that links work with and without this script.
  const encoded = encodeURIComponent(id.toWellFormed?.() ?? id);
  return `sample=${encoded.replace(/[!'()*]/g, (found) => `%${found.charCodeAt(0).toString(16).toUpperCase()}`)}`;
}

/** Lists the samples that a number on the page is of. */
function openSamples(browser, asked) {
  byId("filters").reset();
  const { data, filter } = browser;
  for (const side of ["left", "right"]) {
    const role = side === "left" ? "baseline" : "candidate";
    const name = asked.get(side);
    chooseSide(browser, side, data.checkpoints.findIndex((one) => (name === null ? one.role === role : one.name === name)));
  }
  chooseMetric(browser, asked.get("metric") ?? "");
  const category = data.categories.indexOf(asked.get("category"));
  const wanted = Object.fromEntries([...asked].filter(([name]) => Object.hasOwn(filter, name) && !SIDES.has(name)));
  Object.assign(filter, wanted, { category: category < 0 ? "" : String(category) });
  for (const name of ["category", "metric", "verdict"]) byId(`filter-${name}`).value = filter[name];
  for (const side of ["left", "right"]) byId(`filter-${side}`).value = filter[`${side}State`];
  refresh(browser);
  byId("samples").scrollIntoView();
}

/** Shows the sample, or lists the samples, that the address names; false where it names none. */
function followAddress(browser) {
  if (location.hash.startsWith(LISTING)) {
    openSamples(browser, new URLSearchParams(location.hash.slice(LISTING.length)));
    return true;
  }
  const place = placeInAddress(browser.data);
  if (place === undefined) return false;
  show(browser, place);
  byId("panel").scrollIntoView();
  return true;
}

/** Follows a number, bar or dot to its samples, and a link to the address of now, which changes nothing. */
function followClick(browser, event) {
  const link = event.target.closest?.("[data-filter], [data-opens], a[href^=\"#sample=\"]");
  if (!link) return;
  if (link.dataset.opens !== undefined) location.hash = link.dataset.opens;
  if (link.dataset.filter === undefined) {
    if ((link.hash ?? link.dataset.opens) === location.hash) followAddress(browser);
    return;
  }
  event.preventDefault();
  history.pushState(null, "", LISTING + link.dataset.filter);
  followAddress(browser);
}

/** The place of the sample that the address names. */
function placeInAddress(data) {
  if (!location.hash.startsWith("#sample=")) return undefined;
  try {
    return data.byId.get(decodeURIComponent(location.hash.slice("#sample=".length)));
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}
