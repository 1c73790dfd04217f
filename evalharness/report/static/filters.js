// Which samples are listed, and in what order.

import { differencesIn, haystack, isUnclear, valueOf } from "./data.js";

/** A filter that lets everything through. */
export function noFilter(left, right) {
  const none = { text: "", category: "", metric: "", verdict: "", leftState: "", rightState: "", order: "" };
  const ranges = { leftFrom: "", leftBelow: "", rightFrom: "", rightBelow: "" };
  return { ...none, ...ranges, quick: "", leftLabel: "", rightLabel: "", expected: "", left, right };
}

/** Places of the samples that pass, in the order asked for. */
export function listed(data, filter) {
  const passes = tests(data, filter);
  const places = [];
  for (let at = 0; at < data.samples.length; at++) {
    if (passes.every((test) => test(data.samples[at], at))) places.push(at);
  }
  return ordered(data, filter, places);
}

/** The tests that a filter asks for, the cheap ones first. */
function tests(data, filter) {
  const found = [];
  if (filter.category !== "") found.push((sample) => sample.category === Number(filter.category));
  const inState = (side, state) => (sample) => sample.sides[side].some((cell) => cell.state === state);
  if (filter.leftState) found.push(inState(filter.left, filter.leftState));
  if (filter.rightState) found.push(inState(filter.right, filter.rightState));
  if (filter.leftLabel) found.push(labelTest(filter.left, filter.leftLabel));
  if (filter.rightLabel) found.push(labelTest(filter.right, filter.rightLabel));
  if (filter.expected) found.push((sample) => sample.expected === filter.expected);
  if (filter.quick) found.push(quickTests(data, filter).get(filter.quick));
  if (filter.metric && filter.verdict) found.push(verdictTest(data, filter));
  for (const side of ["left", "right"]) {
    const [from, below] = [filter[`${side}From`], filter[`${side}Below`]];
    if (filter.metric && (from || below)) found.push(rangeTest(filter[side], filter.metric, from, below));
  }
  for (const word of filter.text.toLowerCase().split(/\s+/).filter(Boolean)) {
    found.push((sample) => haystack(sample).includes(word));
  }
  return found;
}

/** Whether a sample came out as asked (`differ`, `up`, `down`, `same`) in the chosen metric. */
function verdictTest(data, filter) {
  const differences = differencesIn(data, filter.metric, filter.left, filter.right);
  if (filter.verdict === "differ") return (_, at) => Math.abs(differences[at]) > 0;
  const wanted = { up: 1, down: -1, same: 0 }[filter.verdict];
  return (_, at) => Math.sign(differences[at]) === wanted;
}

/** Whether a side has a completion with a value from a number on and below another; either may be empty. */
function rangeTest(side, metric, from, below) {
  const [low, high] = [from ? Number(from) : -Infinity, below ? Number(below) : Infinity];
  const inside = (value) => value >= low && value < high;
  return (sample) => sample.sides[side].some((cell) => inside(valueOf([cell], metric)));
}

/** Whether a side has a label, written as `scorer:label`. */
function labelTest(side, wanted) {
  const [scorer, label] = [wanted.slice(0, wanted.indexOf(":")), wanted.slice(wanted.indexOf(":") + 1)];
  const has = (cell) => (cell.scores ?? []).some((score) => score.scorer === scorer && score.label === label);
  return (sample) => sample.sides[side].some(has);
}

/** The quick filters that this report can answer, with their tests. */
export function quickTests(data, { left, right }) {
  const tests = data.quick.map(({ title, metric, is, moved }) => {
    const differences = differencesIn(data, metric, left, right);
    return [title, moved
      ? (_, at) => Math.sign(differences[at]) === (moved === "up" ? 1 : -1)
      : (sample) => valueOf(sample.sides[right], metric) >= Number(is)];
  });
  const flips = differencesIn(data, "", left, right);
  return new Map([
    ...tests,
    ["newly broken", brokenTest(data, left, right)],
    ["unclear", (sample) => [left, right].some((side) => sample.sides[side].some(isUnclear))],
    ["scored differently", (_, at) => flips[at] > 0],
  ]);
}

/** Whether the right side is worse than the left in a headline rate. */
function brokenTest(data, left, right) {
  const worse = data.metrics
    .filter((metric) => metric.headline && metric.kind === "rate" && metric.better)
    .map((metric) => [differencesIn(data, metric.name, left, right), metric.better === "lower" ? 1 : -1]);
  return (_, at) => worse.some(([differences, turn]) => turn * differences[at] > 0);
}

/** +1 where more of the metric is better, -1 where less is. */
function worth(data, name) {
  return data.metrics.find((metric) => metric.name === name)?.better === "lower" ? -1 : 1;
}

/** Places in the order asked for; samples without a difference last, equals in suite order. */
function ordered(data, filter, places) {
  if (!filter.order) return places;
  const differences = differencesIn(data, filter.metric, filter.left, filter.right);
  const turn = worth(data, filter.metric);
  const key = { size: Math.abs, best: (difference) => turn * difference, worst: (difference) => -turn * difference };
  const keyOf = (difference) => (Number.isNaN(difference) ? -Infinity : key[filter.order](difference));
  const keys = new Map(places.map((at) => [at, keyOf(differences[at])]));
  return places.sort((a, b) => keys.get(b) - keys.get(a) || a - b);
}
