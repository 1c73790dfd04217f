// The samples: unpacked from the page, and given the few things that every filter asks for.

import { idle } from "./dom.js";
import { WITHOUT_LABEL } from "./shared.js";

/** Bytes out of base64. */
function bytesOf(base64) {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

/** The data that the page carries. */
export async function unpack(packed) {
  const stream = new Blob([bytesOf(packed.trim())]).stream().pipeThrough(new DecompressionStream("gzip"));
  return prepare(JSON.parse(await new Response(stream).text()));
}

/** Sorts each sample's cells by side and replicate; remembers ids and side names. */
function prepare(data) {
  data.byId = new Map();
  data.samples.forEach((sample, at) => {
    data.byId.set(sample.id, at);
    sample.sides = data.checkpoints.map(() => []);
    for (const cell of sample.cells) {
      cell.state ??= cell.scores?.find((score) => score.scorer === data.states)?.label ?? "unscored";
      sample.sides[cell.side].push(cell);
    }
    sample.sides.forEach((cells) => cells.sort((a, b) => (a.replicate ?? 0) - (b.replicate ?? 0)));
    delete sample.cells;
  });
  data.differences = new Map();
  return data;
}

/** All the text of a sample that a search looks at, in lower case; made once. */
export function haystack(sample) {
  return (sample.haystack ??= [
    sample.id,
    ...sample.messages.map((message) => message[1]),
    ...sample.sides.flat().map((cell) => cell.text ?? cell.problem),
  ].join("\n").toLowerCase());
}

/** Makes every sample's haystack while the reader reads, so that the first search need not wait. */
export async function stackHay(data) {
  for (let at = 0; at < data.samples.length; at++) {
    if (at % 200 === 0) await idle();
    haystack(data.samples[at]);
  }
}

/** What an object itself holds under a name from untrusted data, such as `constructor`. */
export function own(holder, name) {
  return holder !== undefined && Object.hasOwn(holder, name) ? holder[name] : undefined;
}

/** What a label of a scorer is called. */
export function labelInWords(data, scorer, label) {
  return label === undefined ? "no outcome" : own(own(data.labels, scorer), label)[0];
}

/** What a state is called. */
export function stateInWords(data, state) {
  return own(WITHOUT_LABEL, state) ?? labelInWords(data, data.states, state);
}

/** What a cell came to: where a sample calls for an answer or a refusal, the label that says so; else its state. */
export function outcomeOf(data, sample, cell) {
  const score = sample.expected && cell?.scores?.find((one) => data.outcomes.includes(one.scorer) && one.label);
  if (!score) return { scorer: data.states, label: cell?.state ?? "missing", tone: "" };
  return { scorer: score.scorer, label: score.label, tone: toneOf(data, score) };
}

/** `worse` where a score has what should be rare, `better` where it has what is wanted; empty where neither. */
export function toneOf(data, score) {
  const holds = data.metrics.filter((one) => (
    one.kind === "rate" && one.name.startsWith(`${score.scorer}.`)
    && own(score.values, one.name.slice(score.scorer.length + 1)) === 1
  ));
  if (holds.some((one) => one.better === "lower")) return "worse";
  return holds.some((one) => one.better === "higher") ? "better" : "";
}

/** Whether a scorer could not tell what a cell is. */
export function isUnclear(cell) {
  return (cell.scores ?? []).some((score) => score.status === "unclear" || score.label === "unclear");
}

/** The metric of a role, of one scorer or of any. */
export function metricWithRole(data, role, scorer) {
  return data.metrics.find((one) => one.role === role && (!scorer || one.name.startsWith(`${scorer}.`)));
}

/** The labels of a cell by scorer. */
function labelsOf(cell) {
  const found = {};
  for (const score of cell?.scores ?? []) if (score.label) found[score.scorer] = score.label;
  return found;
}

/** How the labels of two sides differ, in words. */
export function flipsOf(data, sample, left, right) {
  const found = new Set();
  const replicates = Math.max(sample.sides[left].length, sample.sides[right].length);
  for (let at = 0; at < replicates; at++) {
    const [before, after] = [labelsOf(sample.sides[left][at]), labelsOf(sample.sides[right][at])];
    for (const scorer of new Set([...Object.keys(before), ...Object.keys(after)])) {
      if (before[scorer] === after[scorer]) continue;
      found.add(`${labelInWords(data, scorer, before[scorer])} → ${labelInWords(data, scorer, after[scorer])}`);
    }
  }
  return [...found];
}

/** A metric's value for one side of a sample, averaged over replicates; NaN if there is none. */
export function valueOf(cells, metric) {
  const dot = metric.indexOf(".");
  const [scorer, key] = [metric.slice(0, dot), metric.slice(dot + 1)];
  let [sum, n] = [0, 0];
  for (const cell of cells) {
    for (const score of cell.scores ?? []) {
      const value = score.scorer === scorer ? own(score.values, key) : undefined;
      if (value === undefined) continue;
      sum += value;
      n += 1;
    }
  }
  return n ? sum / n : NaN;
}

/** Right minus left in a metric (empty: the number of labels that differ) for every sample; made once for each pair. */
export function differencesIn(data, metric, left, right) {
  const key = `${metric} ${left} ${right}`;
  if (!data.differences.has(key)) {
    const flips = (sample) => flipsOf(data, sample, left, right).length;
    const difference = (sample) => valueOf(sample.sides[right], metric) - valueOf(sample.sides[left], metric);
    data.differences.set(key, Float64Array.from(data.samples, metric ? difference : flips));
  }
  return data.differences.get(key);
}
