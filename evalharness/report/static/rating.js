// Blind rating without its looks: who is shown first, what was preferred, and the lines that are exported.

export const CHOICES = ["first", "second", "tie", "bad"];

/** A 32-bit number out of a text (FNV-1a), the same everywhere. */
function numberOf(text) {
  let number = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) number = Math.imul(number ^ text.charCodeAt(at), 0x01000193) >>> 0;
  // The last bits of FNV-1a are weak; mix them once more.
  number = Math.imul(number ^ (number >>> 15), 0x2c1b3c6d) >>> 0;
  return (number ^ (number >>> 13)) >>> 0;
}

/** Which side is shown first: settled by the run, the rater and the sample, all of which are in the exported line. */
export function shownFirst(run, rater, sampleId, replicate) {
  return numberOf([run, rater, sampleId, replicate].join("\n")) % 2 ? "candidate" : "baseline";
}

/** The two checkpoints to rate: the baseline, and of the two in view the one that is not the baseline. */
export function ratedSides(data, filter) {
  const baseline = data.checkpoints.findIndex((one) => one.role === "baseline");
  const own = data.checkpoints.findIndex((one) => one.role === "candidate");
  return { baseline, candidate: [filter.right, filter.left].find((side) => side !== baseline) ?? own };
}

/** The names of the two, where the candidate is not the run's own; an exported line without names means those. */
export function ratedNames(data, sides) {
  if (data.checkpoints[sides.candidate].role === "candidate") return {};
  return { baseline: data.checkpoints[sides.baseline].name, candidate: data.checkpoints[sides.candidate].name };
}

/** The pairs that can be rated: both sides have a completion; in an order of the rater's own. */
export function ratable(data, places, run, rater, { baseline, candidate }) {
  const pairs = places.flatMap((at) => {
    const sample = data.samples[at];
    return sample.sides[baseline].flatMap((left) => {
      const replicate = left.replicate ?? 0;
      const right = sample.sides[candidate].find((cell) => (cell.replicate ?? 0) === replicate);
      if (left.text === undefined || right?.text === undefined) return [];
      return [{ sample, replicate, texts: { baseline: left.text, candidate: right.text } }];
    });
  });
  const number = (pair) => numberOf(["order", run, rater, pair.sample.id, pair.replicate].join("\n"));
  const turn = new Map(pairs.map((pair) => [pair, number(pair)]));
  return pairs.sort((a, b) => turn.get(a) - turn.get(b));
}

/** The completions to label, in the order in which they were drawn. */
export function drawn(data) {
  return data.labelling.turns.map(([at, side, replicate]) => {
    const sample = data.samples[at];
    const place = data.checkpoints.findIndex((one) => one.role === side);
    const cell = sample.sides[place].find((one) => (one.replicate ?? 0) === replicate);
    return { sample, replicate, side, text: cell.text };
  });
}

/** The key of a pair, or of a completion, among the ratings. */
export function pairKey(pair) {
  return `${pair.replicate} ${pair.side ?? ""}${pair.side ? " " : ""}${pair.sample.id}`;
}

/** One exported label. */
export function labelOf({ rater, browser }, drawn, label) {
  const { sample, replicate, side } = drawn;
  return { run: browser.data.evidence_digest, sample_id: sample.id, replicate, side, label, rater };
}

/** One exported line. */
export function ratingOf({ run, rater, names, browser }, pair, choice) {
  const first = shownFirst(run, rater, pair.sample.id, pair.replicate);
  const second = first === "baseline" ? "candidate" : "baseline";
  const preferred = { first, second, tie: "tie", bad: "both bad" }[choice];
  const line = { run: browser.data.evidence_digest, sample_id: pair.sample.id, replicate: pair.replicate };
  return { ...line, ...names, preferred, shown_first: first, rater };
}

/** All ratings as JSON lines. */
export function jsonLines(ratings) {
  return [...ratings.values()].map((rating) => `${JSON.stringify(rating)}\n`).join("");
}

/** Ratings made before in this browser; none where it keeps nothing. */
export function recall(run, rater) {
  try {
    return new Map(JSON.parse(localStorage.getItem(`evalharness ${run} ${rater}`) ?? "[]"));
  } catch {
    // Private windows and some browsers refuse to store anything for a file; rating goes on in memory.
    return new Map();
  }
}

/** Keeps the ratings in this browser; false where it refuses. */
export function keep(run, rater, ratings) {
  try {
    localStorage.setItem(`evalharness ${run} ${rater}`, JSON.stringify([...ratings]));
    return true;
  } catch {
    return false;
  }
}
