// A completion as a strip of tokens: which of them the other checkpoint would have written too, and what instead.

import { count, el, fill } from "./dom.js";
import { shown, tamed } from "./safe_text.js";

const KINDS = ["'s first choice", "'s second or third choice", " ranks it below its third choice"];
const FEWEST_DIGITS = 0.001;

/** The strip with a line of facts below it, filled on hover, focus and tap. */
export function stripNode(data, strip, other) {
  const facts = el("p", { class: "token-facts", "aria-live": "polite" }, "Point at a token or tap it, or move to a shifted one with Tab.");
  const show = (event) => {
    const at = event.target.closest?.("[data-at]")?.dataset.at;
    if (at !== undefined) fill(facts, factNodes(data, strip, Number(at), other));
  };
  const tokens = strip.ids.map((_, at) => tokenNode(data, strip, at));
  const rest = strip.rest ? el("span", { class: "cut" }, `… ${count(strip.rest)} more tokens`) : null;
  const box = el("div", { class: "completion", dir: "auto", pointerover: show, focusin: show, click: show }, tokens, rest);
  return [box, facts];
}

/** One token. Only those that the other checkpoint would not have written can be reached by Tab: they are few. */
function tokenNode(data, strip, at) {
  const kind = Number(strip.kinds[at]);
  const isEnd = strip.ended && at === strip.ids.length - 1 && !strip.rest;
  const text = data.tokenTexts[strip.ids[at]].replaceAll("\n", "↵\n");
  const attributes = { class: `tok t${kind}${isEnd ? " end" : ""}`, "data-at": at, tabindex: kind ? "0" : null };
  return el("span", attributes, shown(text));
}

/** Both probabilities of a token, its rank, and what the other checkpoint finds likeliest. */
function factNodes(data, strip, at, other) {
  const code = (place) => el("code", {}, tamed(data.tokenTexts[place].replaceAll("\n", "↵"), 60));
  const top = strip.likeliest[at];
  const listed = top.flatMap((place, n) => (n % 2 ? [] : [n ? ", " : "", code(place), ` ${inPercent(top[n + 1])}`]));
  const [name, kind] = [tamed(other, 60), Number(strip.kinds[at])];
  const says = kind === 2 ? `: ${name}${KINDS[kind]}` : ` is ${name}${KINDS[kind]}`;
  return [
    code(strip.ids[at]), `${says} (rank ${count(strip.ranks[at])}); it has ${inPercent(Math.exp(strip.other[at]))} there `,
    `and ${inPercent(Math.exp(strip.own[at]))} here. ${name} expects `, ...listed, ".",
  ];
}

/** A probability, never rounded to 0 or to 1. */
function inPercent(chance) {
  if (chance < FEWEST_DIGITS) return "< 0.1\u00a0%";
  if (chance > 1 - FEWEST_DIGITS) return "> 99.9\u00a0%";
  return `${(100 * chance).toFixed(1)}\u00a0%`;
}
