// One sample side by side: what was sent, what came back, what the scorers made of it.

import { counted, el, figure } from "./dom.js";
import { folded, marked, sentNodes, shown, tamed, textBox } from "./safe_text.js";
import { wordDiff } from "./diff.js";
import { NOTES, WITHOUT_LABEL } from "./shared.js";
import { stripNode } from "./token_strips.js";
import { flipsOf, metricWithRole, own, toneOf, valueOf } from "./data.js";

/** The whole panel of a sample. */
export function sampleNodes(data, place, view) {
  const sample = data.samples[place];
  const pairs = Math.max(sample.sides[view.left].length, sample.sides[view.right].length, 1);
  return [
    headNode(data, sample, view),
    el("div", { class: "prompt" }, promptNodes(sample)),
    ...Array.from({ length: pairs }, (_, at) => pairNode(data, sample, at, view)),
  ];
}

/** The tags of a sample and how its labels differ. */
function headNode(data, sample, view) {
  const tags = [data.categories[sample.category], sample.expected, sample.kind, ...(sample.constraints ?? [])];
  const flips = flipsOf(data, sample, view.left, view.right);
  const sign = el("span", { class: "sign", "aria-hidden": "true" }, "≠ ");
  return el("div", { class: "sample-head" },
    el("div", { class: "tags" }, tags.filter(Boolean).map((tag) => el("span", { class: "tag" }, tamed(tag)))),
    flips.length ? el("p", { class: "flip" }, sign, tamed(flips.join("; "))) : null,
    metricNode(data, sample, view),
  );
}

/** The chosen metric on both sides. */
function metricNode(data, sample, view) {
  const metric = data.metrics.find((one) => one.name === view.metric);
  if (!metric) return null;
  const [before, after] = [view.left, view.right].map((side) => valueOf(sample.sides[side], metric.name));
  const says = [before, after].some(Number.isNaN)
    ? "no value on both sides"
    : `${figure(before)} → ${figure(after)} (${figure(after - before, true)})`;
  return el("p", { class: "flip" }, `${metric.title}: ${says}`);
}

/** The sample's own turns, with a role before each where there are several. */
export function promptNodes(sample) {
  if (sample.messages.length === 1) return [textBox(sample.messages[0][1], (most) => marked(sample.messages[0][1], [], most))];
  return sample.messages.map(([role, text]) => [
    el("span", { class: "turn" }, role),
    textBox(text, (most) => marked(text, [], most)),
  ]);
}

/** Both cells of one replicate. */
function pairNode(data, sample, at, view) {
  const cells = [sample.sides[view.left][at], sample.sides[view.right][at]];
  const comparable = view.diff && cells.every((cell) => cell?.text !== undefined);
  const diff = comparable ? wordDiff(cells[0].text, cells[1].text) : null;
  return [
    comparable && !diff ? el("p", { class: "hint" }, "Too long or too different for a word diff.") : null,
    el("div", { class: "sides" }, cells.map((cell, side) => {
      const checkpoint = data.checkpoints[side ? view.right : view.left];
      return cellNode(data, checkpoint, cell, diff && { runs: diff[side], added: side === 1 }, view);
    })),
  ];
}

/** One side. */
function cellNode(data, checkpoint, cell, diff, view) {
  const who = el("p", { class: "who" },
    el("b", { class: checkpoint.role }, el("bdi", {}, tamed(checkpoint.name))),
    cell?.replicate ? el("span", { class: "share" }, `replicate ${cell.replicate + 1}`) : null,
    chips(data, cell),
  );
  const notAsked = el("p", { class: "problem" }, "No such request in the plan.");
  return el("div", { class: `cell side-${checkpoint.role}` }, who, cell ? cellBody(data, cell, diff, view) : notAsked);
}

/** What came back, and what is known of it. */
function cellBody(data, cell, diff, view) {
  const fine = el("details", { class: "fine", open: view.open, toggle: view.opened },
    el("summary", {}, `${NOTES[cell.note][0].toLowerCase()}, scores`),
    sentNode(cell),
    scoreNodes(data, cell),
  );
  if (cell.text === undefined) return [el("p", { class: "problem" }, tamed(cell.problem, 2000)), fine];
  const unread = view.tokens && !cell.strip ? el("p", { class: "hint" }, "Not read token by token.") : null;
  return [thinkingNode(cell), bodyNode(data, cell, diff, view), unread, el("p", { class: "facts" }, cell.facts), fine];
}

/** The completion as a strip of tokens where that is asked for and was read; else its text. */
function bodyNode(data, cell, diff, view) {
  if (!view.tokens || !cell.strip) return completionNode(cell, diff);
  const other = data.tokenSides.find((side) => side !== cell.side);
  return stripNode(data, cell.strip, data.checkpoints[other].name);
}

/** The completion with its evidence, or with the words that only it has. */
function completionNode(cell, diff) {
  if (diff) {
    const own = diff.added ? "ins" : "del";
    const runs = diff.runs.map(([kept, text]) => (kept ? shown(text) : el(own, {}, shown(text))));
    return el("div", { class: "completion", dir: "auto" }, runs);
  }
  const spans = (cell.scores ?? []).flatMap((score) => score.spans ?? []);
  return textBox(cell.text, (most) => folded(cell.text, spans, most), { class: "completion" });
}

/** What a thinking model wrote before its answer. */
function thinkingNode(cell) {
  if (!cell.thinking) return null;
  return el("details", { class: "thinking" },
    el("summary", {}, `Thinking, ${counted(cell.thinking.length, "character")}; never scored`),
    textBox(cell.thinking, (most) => marked(cell.thinking, [], most), { class: "thought" }),
  );
}

/** The labels of a cell as chips. */
function chips(data, cell) {
  if (cell?.text === undefined) return [plainChip("failure", WITHOUT_LABEL[cell?.state ?? "missing"])];
  const length = metricWithRole(data, "length");
  const n = length ? valueOf([cell], length.name) : NaN;
  const inWords = Number.isNaN(n) ? "" : ` for ${figure(n)}\u00a0${length.unit}`;
  return (cell.scores ?? []).map((score) => chip(data, score, inWords)).filter(Boolean);
}

/** One score as a chip, a reward with the length that may have earned it; null where it has nothing short to say. */
function chip(data, score, length) {
  const { scorer, label } = score;
  if (score.status === "failed") return plainChip("failure", `${tamed(scorer)} scorer failed`);
  if (label) {
    const [title, classes] = own(own(data.labels, scorer), label);
    const tone = data.outcomes.includes(scorer) ? toneOf(data, score) : "";
    return el("span", { class: `chip ${classes} ${tone && `chip-${tone}`}` }, tamed(title));
  }
  const metric = metricWithRole(data, "reward", scorer);
  const reward = metric && own(score.values, metric.name.slice(scorer.length + 1));
  if (reward === undefined) return null;
  return plainChip("reward", `${metric.title} ${figure(reward)}${length}`);
}

/** A chip of a kind that the stylesheet knows. */
function plainChip(kind, text) {
  return el("span", { class: `chip chip-${kind}` }, text);
}

/** The prompt as sent, its special tokens visible. */
function sentNode(cell) {
  const [title, note] = NOTES[cell.note];
  return [
    el("p", { class: "label" }, title),
    el("pre", { class: "sent", dir: "auto", tabindex: "0" }, sentNodes(cell.sent ?? [])),
    el("p", { class: "hint" }, `${note} ${cell.ids}`),
  ];
}

/** What each scorer said, why, and its values. */
function scoreNodes(data, cell) {
  return (cell.scores ?? []).map((score) => [
    el("p", { class: "reason" },
      el("b", {}, tamed(score.scorer)), score.status ? ` ${score.status}: ` : " ", tamed(score.explanation ?? "", 2000),
    ),
    el("p", { class: "hint" }, valuesOf(data, score).join(" · ")),
  ]);
}

/** The values of a score in words: what holds, and every measure. */
function valuesOf(data, score) {
  return Object.entries(score.values ?? {}).flatMap(([name, value]) => {
    const metric = data.metrics.find((one) => one.name === `${score.scorer}.${name}`);
    const unit = metric?.unit ? `\u00a0${metric.unit}` : "";
    if (!metric || metric.kind === "mean") return [`${metric?.title ?? tamed(name)} ${figure(value)}${unit}`];
    if (!value || score.label === name) return [];
    return [value === 1 ? metric.title : `${metric.title} ${figure(value)}`];
  });
}
