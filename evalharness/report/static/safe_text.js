// Untrusted text made safe to display: hidden characters are shown, surplus marks are cut, evidence is marked.

import { count, el, fill } from "./dom.js";
import { STRANGE } from "./shared.js";

const SPECIAL =
  /<\|[^|<>\s]{1,40}\|>|<\/?(?:s|bos|eos|pad|unk)>|<(?:start|end)_of_(?:turn|text|image)>|\[\/?(?:INST|SYSTEM_PROMPT)\]|<<\/?SYS>>/g;
const SHOWN_TIMES = 3;
const MOST_WORDS = 60;
const FEWEST_FOLDED = 60;
const SHOWN_AT_ONCE = 20000;
const SHOWN_MORE = 100000;
const LINES_AT_ONCE = 400;
const LINES_MORE = 4000;

/** What is shown for a run of one `hidden` character, or for marks that are too many. */
function standIn(strange, hidden) {
  const length = [...strange].length;
  if (hidden === undefined) return `[${count(length)} more marks]`;
  const times = length > 1 ? ` × ${count(length)}` : "";
  return `[U+${hidden.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}${times}]`;
}

/** A short untrusted text, such as a name, as a plain string. */
export function tamed(text, most = 400) {
  const shown = text.slice(0, most).replace(STRANGE, standIn);
  return text.length > most ? `${shown}…` : shown;
}

/** A text as nodes, hidden characters set apart. */
export function shown(text) {
  const nodes = [];
  let last = 0;
  for (const match of text.matchAll(STRANGE)) {
    if (match.index > last) nodes.push(text.slice(last, match.index));
    nodes.push(el("span", { class: "hidden-character" }, standIn(...match)));
    last = match.index + match[0].length;
  }
  if (last < text.length) nodes.push(text.slice(last));
  return nodes;
}

/** Spans count characters; strings here count code units. Makes the one out of the other, up to `most` units. */
function inCodeUnits(text, spans, most) {
  if (!/[\ud800-\udbff]/.test(text.slice(0, most))) return spans;
  const edges = [0];
  for (const character of text.slice(0, most)) edges.push(edges[edges.length - 1] + character.length);
  const place = (at) => (at < edges.length ? edges[at] : edges[edges.length - 1] + at);
  return spans.map(([start, end, ...rest]) => [place(start), place(end), ...rest]);
}

/** The same with loops folded after three repetitions. */
export function folded(text, spans, most) {
  const nodes = [];
  let last = 0;
  for (const { start, end, times } of loopsIn(text.slice(0, most))) {
    const says = `… repeated ${count(times)} more times`;
    const fold = el("details", { class: "loop" }, el("summary", {}, says), marked(text, spans, end, start));
    nodes.push(...marked(text, spans, start, last), fold);
    last = end;
  }
  return [...nodes, ...marked(text, spans, most, last)];
}

/** What to fold: from where to where, and how many repetitions that is; `loops_in` of `samples.py` does the same. */
function loopsIn(text) {
  const words = [...text.matchAll(/\S+/gu)];
  const loops = [];
  for (let at = 0; at < words.length;) {
    const { length, run } = repeated(words, at);
    const times = length ? Math.floor(run / length) + 1 : 1;
    if (times > SHOWN_TIMES) {
      const [start, end] = [SHOWN_TIMES, times].map((n) => endOf(words[at + n * length - 1]));
      if (end - start >= FEWEST_FOLDED) loops.push({ start, end, times: times - SHOWN_TIMES });
    }
    at += Math.max(times * length, 1);
  }
  return loops;
}

const endOf = (word) => word.index + word[0].length;

/** The length of the shortest part from here that is repeated often enough, in words, and how far it is. */
function repeated(words, at) {
  for (let length = 1; length <= MOST_WORDS; length++) {
    let run = 0;
    while (words[at + run][0] === words[at + run + length]?.[0]) run++;
    if (run >= SHOWN_TIMES * length) return { length, run };
  }
  return { length: 0, run: 0 };
}

/** A text from `from` up to `most` as nodes with its evidence highlighted; spans may overlap. */
export function marked(text, spans, most = Infinity, from = 0) {
  const whole = text.slice(0, most);
  const placed = inCodeUnits(text, spans, most).filter(([start, end]) => start < whole.length && end > from);
  const ends = placed.flatMap(([start, end]) => [Math.max(start, from), Math.min(end, whole.length)]);
  const edges = [...new Set([from, whole.length, ...ends])].sort((a, b) => a - b);
  return edges.slice(1).flatMap((end, at) => piece(whole, edges[at], end, placed));
}

/** The text between two edges, in a mark where any span covers it. */
function piece(text, start, end, spans) {
  const covering = spans.filter((span) => span[0] <= start && span[1] >= end);
  const nodes = shown(text.slice(start, end));
  if (!covering.length) return nodes;
  const form = covering.every((span) => span[3]);
  const labels = new Set(covering.map((span) => span[2].replaceAll("_", " ")));
  return [el("mark", { class: form ? "form" : null, title: tamed([...labels].join("; ")) }, nodes)];
}

/** A long text in a box that shows its beginning and more on demand, so that a megabyte does not stop the page. */
export function textBox(text, draw, attributes) {
  const box = el("div", { dir: "auto", ...attributes });
  const show = (most, lines) => {
    const cut = cutAt(text, most, lines);
    fill(box, draw(cut));
    if (cut < text.length) box.append(moreButton(text.length - cut, () => show(cut + SHOWN_MORE, lines + LINES_MORE)));
  };
  show(SHOWN_AT_ONCE, LINES_AT_ONCE);
  return box;
}

/** Where the beginning of a text ends: after so many characters or so many lines. */
export function cutAt(text, most, lines) {
  let at = -1;
  for (let line = 0; line < lines; line++) {
    at = text.indexOf("\n", at + 1);
    if (at < 0 || at >= most) return Math.min(text.length, most);
  }
  return at;
}

/** The control at the end of a text that is not shown in full. */
function moreButton(rest, show) {
  const says = `Show more of ${count(rest)} more characters`;
  return el("button", { type: "button", class: "more-text", click: show }, says);
}

/** A prompt as sent: what was put around the sample's text set apart, special tokens and line ends made visible. */
export function sentNodes(pieces) {
  return pieces.map((text, at) => {
    const nodes = tokenNodes(text.slice(0, SHOWN_AT_ONCE), at % 2 === 0);
    const rest = text.length - SHOWN_AT_ONCE;
    if (rest > 0) nodes.push(el("span", { class: "cut" }, `… ${count(rest)} more characters`));
    return at % 2 === 0 ? el("span", { class: "around" }, nodes) : nodes;
  });
}

/** A piece of a prompt with its special tokens framed; line ends are shown where a template put them. */
function tokenNodes(text, around) {
  const nodes = [];
  let last = 0;
  const plain = (part) => (around ? lineEnds(part) : shown(part));
  for (const match of text.matchAll(SPECIAL)) {
    nodes.push(...plain(text.slice(last, match.index)), el("span", { class: "special" }, match[0]));
    last = match.index + match[0].length;
  }
  return [...nodes, ...plain(text.slice(last))];
}

/** Text with a sign before each line end. */
function lineEnds(text) {
  const sign = () => el("span", { class: "line-end", "aria-hidden": "true" }, "↵");
  return text.split("\n").flatMap((line, at) => (at ? [sign(), "\n", ...shown(line)] : shown(line)));
}
