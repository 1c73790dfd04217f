// Blind rating as people see it: a dialog that shows two completions, or one to label, and hides whose they are.

import { byId, count, counted, el, fill, slug } from "./dom.js";
import { marked, tamed, textBox } from "./safe_text.js";
import { promptNodes } from "./detail.js";
import {
  CHOICES, drawn, jsonLines, keep, labelOf, pairKey, ratable, ratedNames, ratedSides, ratingOf, recall, shownFirst,
} from "./rating.js";

/** Sets up the dialog for the samples that the browser lists. */
export function startRating(browser) {
  const rating = { browser, rater: "", pairs: [], at: 0, ratings: new Map(), dialog: byId("rating"), kept: true };
  byId("rate").addEventListener("click", () => openRating(rating));
  byId("rating-start").addEventListener("submit", (event) => { event.preventDefault(); beginRating(rating); });
  byId("rating-close").addEventListener("click", () => rating.dialog.close());
  byId("rating-back").addEventListener("click", () => goBack(rating));
  byId("rating-export").addEventListener("click", () => exportRatings(rating));
  for (const choice of CHOICES) byId(`rate-${choice}`).addEventListener("click", () => rate(rating, choice));
  for (const kind of ["pairs", "labels"]) byId(`rating-${kind}`).addEventListener("change", () => tellOffer(rating));
  if (browser.data.labelling) fillLabels(rating);
  byId("rating-kinds").hidden = !browser.data.labelling;
  rating.dialog.addEventListener("keydown", (event) => ratingKey(rating, event));
  return rating;
}

/** A button for each label, with its key. */
function fillLabels(rating) {
  fill(byId("rating-label-choices"), rating.browser.data.labelling.labels.map(([name, title], at) => (
    el("button", { type: "button", click: () => rate(rating, name) }, `${title} `, el("kbd", {}, String(at + 1)))
  )));
}

/** Opens the dialog with its first page, which asks who rates. */
function openRating(rating) {
  showPart("start");
  const { data, filter, places } = rating.browser;
  rating.sides = ratedSides(data, filter);
  rating.names = ratedNames(data, rating.sides);
  rating.run = [data.evidence_digest, ...Object.values(rating.names)].join(" ");
  rating.listed = ratable(data, places, rating.run, "", rating.sides).length;
  tellOffer(rating);
  rating.dialog.showModal();
  byId("rater").focus();
}

/** Says what there is to rate: the listed pairs, or completions that were drawn from all. */
function tellOffer(rating) {
  const { data } = rating.browser;
  rating.labels = byId("rating-labels").checked;
  const named = (side) => tamed(data.checkpoints[rating.sides[side]].name, 40);
  const who = data.checkpoints.length > 2 ? ` of ${named("baseline")} and ${named("candidate")}` : "";
  byId("rating-offer").textContent = rating.labels
    ? `${counted(data.labelling.turns.length, "completion")} drawn at random from all of both sides, unclear ones four times as often. Stop when you like.`
    : `${counted(rating.listed, "pair")}${who} from the filtered list.`;
}

/** Shows one of the dialog's pages: start, pair or end. */
function showPart(part) {
  for (const one of ["start", "pair", "end"]) byId(`rating-${one}`).hidden = one !== part;
  byId("rating-tools").hidden = part === "start";
}

/** Starts, or goes on where this rater left off. */
function beginRating(rating) {
  rating.rater = byId("rater").value.trim() || "anonymous";
  const { data, places } = rating.browser;
  rating.kind = rating.labels ? `${data.evidence_digest} labels` : rating.run;
  rating.ratings = recall(rating.kind, rating.rater);
  rating.pairs = rating.labels ? drawn(data) : ratable(data, places, rating.run, rating.rater, rating.sides);
  byId("rating-pair").classList.toggle("labels", rating.labels);
  byId("rating-choices").hidden = rating.labels;
  byId("rating-label-choices").hidden = !rating.labels;
  rating.at = nextUnrated(rating);
  showPair(rating);
}

/** The first pair without a rating; past the end when all have one. */
function nextUnrated(rating) {
  const at = rating.pairs.findIndex((pair) => !rating.ratings.has(pairKey(pair)));
  return at < 0 ? rating.pairs.length : at;
}

/** Shows the pair in turn, or the end. */
function showPair(rating) {
  tellProgress(rating);
  const pair = rating.pairs[rating.at];
  if (!pair) return showEnd(rating);
  showPart("pair");
  fill(byId("rating-prompt"), promptNodes(pair.sample));
  byId("rating-scroll").scrollTop = 0;
  byId("rating-scroll").focus();
  if (rating.labels) return fill(byId("rating-a"), blindText(pair.text));
  const first = shownFirst(rating.run, rating.rater, pair.sample.id, pair.replicate);
  const second = first === "baseline" ? "candidate" : "baseline";
  fill(byId("rating-a"), blindText(pair.texts[first]));
  fill(byId("rating-b"), blindText(pair.texts[second]));
}

/** A completion with nothing that tells whose it is; blank lines at the ends would. */
function blindText(whole) {
  const text = whole.trim();
  return textBox(text, (most) => marked(text, [], most), { class: "completion" });
}

/** Says how far the rater has come. */
function tellProgress(rating) {
  const done = rating.pairs.filter((pair) => rating.ratings.has(pairKey(pair))).length;
  byId("rating-count").textContent = `${count(done)} of ${count(rating.pairs.length)} rated`;
  byId("rating-bar").max = Math.max(rating.pairs.length, 1);
  byId("rating-bar").value = done;
  byId("rating-export").disabled = rating.ratings.size === 0;
  byId("rating-back").disabled = rating.at === 0;
  byId("rating-kept").textContent = rating.kept ? "" : "This browser stores nothing: export before you close the page.";
}

/** The last page. */
function showEnd(rating) {
  showPart("end");
  const n = rating.ratings.size;
  byId("rating-end-text").textContent = rating.pairs.length
    ? `All ${rating.labels ? "drawn completions" : "listed pairs"} are rated. Export the ${counted(n, "rating")} and import them with:`
    : "No listed sample has a completion on both sides.";
  byId("rating-export").focus();
}

/** Notes a preference and goes on. */
function rate(rating, choice) {
  const pair = rating.pairs[rating.at];
  if (!pair || byId("rating-pair").hidden) return;
  rating.ratings.set(pairKey(pair), (rating.labels ? labelOf : ratingOf)(rating, pair, choice));
  rating.kept = keep(rating.kind, rating.rater, rating.ratings);
  rating.at += 1;
  while (rating.at < rating.pairs.length && rating.ratings.has(pairKey(rating.pairs[rating.at]))) rating.at += 1;
  showPair(rating);
}

/** Goes one pair back, to rate it again. */
function goBack(rating) {
  rating.at = Math.max(0, rating.at - 1);
  showPair(rating);
}

/** The keys of the dialog. */
function ratingKey(rating, event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
  const choice = rating.labels
    ? rating.browser.data.labelling.labels[Number(event.key) - 1]?.[0]
    : { a: "first", b: "second", t: "tie", x: "bad" }[event.key.toLowerCase()];
  if (choice) rate(rating, choice);
  else if (event.key === "Backspace") goBack(rating);
  else return;
  event.preventDefault();
}

/** Saves the ratings as a file. */
function exportRatings(rating) {
  const blob = new Blob([jsonLines(rating.ratings)], { type: "application/jsonl" });
  el("a", { href: URL.createObjectURL(blob), download: `${rating.labels ? "labels" : "ratings"}-${slug(rating.rater)}.jsonl` }).click();
}
