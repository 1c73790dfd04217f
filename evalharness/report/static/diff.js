// The word diff: which words one completion has that the other has not (Myers, An O(ND) Difference Algorithm, 1986).

import { cutAt } from "./safe_text.js";

const MOST_CHARACTERS = 40000;
const MOST_LINES = 2000;
const MOST_EDITS = 1000;

/** The words of a text, each with the blanks after it. */
function wordsOf(text) {
  return text.match(/\s*\S+|\s+$/gu) ?? [];
}

/**
 * For each side the runs of words, as [kept, text]; null where the texts are too long or too different to compare.
 * @returns {[Array<[boolean, string]>, Array<[boolean, string]>] | null}
 */
export function wordDiff(left, right) {
  if ([left, right].some((text) => cutAt(text, MOST_CHARACTERS, MOST_LINES) < text.length)) return null;
  const [a, b] = [wordsOf(left), wordsOf(right)];
  const same = (x, y) => a[x].trim() === b[y].trim();
  const kept = commonWords(a.length, b.length, same);
  return kept && [runs(a, kept.map(([x]) => x)), runs(b, kept.map(([, y]) => y))];
}

/** Pairs of places that hold the same word on both sides, in order; null after too many edits. */
function commonWords(n, m, same) {
  const history = furthestPaths(n, m, same);
  if (!history) return null;
  const pairs = [];
  let [x, y] = [n, m];
  for (let edits = history.length - 1; edits >= 0; edits--) {
    const before = (k) => history[edits].get(k) ?? -1;
    const k = x - y;
    const down = k === -edits || (k !== edits && before(k - 1) < before(k + 1));
    const startX = edits === 0 ? 0 : down ? before(k + 1) : before(k - 1) + 1;
    while (x > startX) pairs.push([--x, --y]);
    if (edits > 0) [x, y] = down ? [x, y - 1] : [x - 1, y];
  }
  return pairs.reverse();
}

/** For each number of edits, how far each diagonal had come before it. */
function furthestPaths(n, m, same) {
  const history = [];
  let reached = new Map([[1, 0]]);
  for (let edits = 0; edits <= MOST_EDITS; edits++) {
    history.push(reached);
    const next = new Map();
    for (let k = -edits; k <= edits; k += 2) {
      const x = furthest(reached, k, edits, n, m, same);
      next.set(k, x);
      if (x >= n && x - k >= m) return history;
    }
    reached = next;
  }
  return null;
}

/** How far diagonal `k` comes with one more edit and all the equal words after it. */
function furthest(reached, k, edits, n, m, same) {
  const before = (at) => reached.get(at) ?? -1;
  const down = k === -edits || (k !== edits && before(k - 1) < before(k + 1));
  let x = down ? before(k + 1) : before(k - 1) + 1;
  while (x < n && x - k < m && x >= 0 && x - k >= 0 && same(x, x - k)) x++;
  return x;
}

/** Words joined to runs that are kept, or are this side's alone. */
function runs(words, kept) {
  const keeps = new Set(kept);
  const found = [];
  words.forEach((word, at) => {
    const last = found[found.length - 1];
    if (last && last[0] === keeps.has(at)) last[1] += word;
    else found.push([keeps.has(at), word]);
  });
  return found;
}
