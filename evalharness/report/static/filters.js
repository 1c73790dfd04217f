// Which samples are listed, and in what order.

import { differencesIn, haystack } from "./data.js";

/** A filter that lets everything through. */
export function noFilter(left, right) {
  const none = { text: "", category: "", metric: "", verdict: "", leftState: "", rightState: "", order: "" };
  return { ...none, flipped: false, left, right };
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
  if (filter.metric && filter.verdict) found.push(verdictTest(data, filter));
  if (filter.flipped) {
    const flips = differencesIn(data, "", filter.left, filter.right);
    found.push((_, at) => flips[at] > 0);
  }
  for (const word of filter.text.toLowerCase().split(/\s+/).filter(Boolean)) {
    found.push((sample) => haystack(sample).includes(word));
  }
  return found;
}

/** Whether a sample came out as asked (`up`, `down`, `same`) in the chosen metric. */
function verdictTest(data, filter) {
  const differences = differencesIn(data, filter.metric, filter.left, filter.right);
  const wanted = { up: 1, down: -1, same: 0 }[filter.verdict];
  return (_, at) => Math.sign(differences[at]) === wanted;
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
