"""Train the bundled reward head, and say how often it is right on prompts that it did not see.

    python training/reward_head.py --data ../shared/data/preferences --cache ~/reward-head

Reads the preference data from `--data`, keeps completions and hidden states in `--cache` (both outside the repository),
prints the figures of docs/reward-head.md and, with `--write`, writes the head into the package. Most of
the time goes into the hidden states, which are computed once.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np
import torch
from bradley_terry import Array, directions, fit, interval, loss, splits
from completions import our_answers
from features import LAYERS, FeatureCache
from numpy.typing import NDArray
from preferences import Pair, draw_answers, obvious_pairs, read_pairs

from evalharness.records import digest
from evalharness.scorers.reward.bundled import HEAD
from evalharness.scorers.reward.head import Head, cosines, write_head
from evalharness.weights import bundled, loading
from evalharness.weights.files import file_digest

SEED = 0
LENGTH = 0.01
DIRECTIONS = 800
"""Of the hidden states, the others being hardly used: there are more numbers than pairs."""
ANSWERS = {"PandaLM": 170, "Natural": 60, "LLMEval^2": 40}
PARTS = ("PandaLM", "Natural", "MT-Bench", "LLMEval^2")


@dataclass(frozen=True)
class Setting:
    """One way to fit a head."""

    penalty: float
    """Of the head's squared length."""
    obvious: float
    """Weight of an obvious pair; one that people judged has 1."""
    relevance: float
    """How freely the cosines may be used, beside the hidden states."""
    length: float
    """Of the squared covariance of reward and length, per pair."""


CHOICES = [Setting(*values) for values in product((0.1, 0.3, 1.0, 3.0), (1.0,), (3.0,), (LENGTH,))]


class Trainer:
    """All pairs, with the standardised features of their completions."""

    def __init__(self, pairs: Sequence[Pair], parts: dict[str, Sequence[Pair]], cache: FeatureCache) -> None:
        self.pairs = pairs
        self.groups = [pair.group for pair in pairs]
        self.parts = np.array([part_of(pair) for pair in pairs])
        self.texts, self.raw = _features(parts, cache)
        place = {text: number for number, text in enumerate(self.texts)}
        self.better = np.array([place[pair.prompt, pair.better] for pair in pairs])
        self.worse = np.array([place[pair.prompt, pair.worse] for pair in pairs])
        # Centre and scale come from the features alone: no label decides them.
        self.spread = self.raw.std(0) + 1e-3
        self.centre, self.scale = self.raw.mean(0)[:, [0, 3]], self.spread[:, [0, 3]]
        near = cosines(self.raw, self.centre, self.scale)
        self.near = np.concatenate([near, near**2], axis=1)
        self.near_spread = self.near.std(0)
        rows = (self.raw[:, :, :3] / self.spread[:, :3]).reshape(len(self.raw), -1)
        self.turned = directions(rows, DIRECTIONS, SEED)
        self._rows = (rows @ self.turned.T).astype(float) / np.sqrt(rows.shape[1])
        self._near_rows = self.near / self.near_spread
        self._linear, self._near = self._differences(self._rows), self._differences(self._near_rows)

    def _differences(self, rows: Array) -> Array:
        differences: Array = rows[self.better] - rows[self.worse]
        return differences

    def features(self, setting: Setting, pairs: NDArray[np.bool_]) -> Array:
        """What the head is fitted on, [pairs, features]: hidden states, then cosines."""
        return np.concatenate([self._linear[pairs], np.sqrt(setting.relevance) * self._near[pairs]], axis=1)

    def fit(self, setting: Setting, train: NDArray[np.bool_]) -> Array:
        """The head for those features, by the pairs of `train`."""
        weights = np.where(self.parts == "obvious", setting.obvious, 1.0)[train]
        with_length = self._with_length(setting, train)
        penalty = setting.penalty * np.eye(len(with_length))
        penalty += setting.length * train.sum() * np.outer(with_length, with_length)
        return fit(self.features(setting, train), weights, penalty)

    def _with_length(self, setting: Setting, train: NDArray[np.bool_]) -> Array:
        """Covariance of each feature with the standardised logarithm of the length, where people judged."""
        human = train & (self.parts != "obvious")
        seen = np.unique(np.concatenate([self.better[human], self.worse[human]]))
        lengths = np.log1p([len(self.texts[place][1]) for place in seen])
        lengths = (lengths - lengths.mean()) / lengths.std()
        features = np.concatenate([self._rows[seen], np.sqrt(setting.relevance) * self._near_rows[seen]], axis=1)
        covariance: Array = lengths @ (features - features.mean(0)) / len(seen)
        return covariance

    def choose(self, train: NDArray[np.bool_]) -> Setting:
        """The setting with the least loss on prompts held back within `train`, every part counting the same."""

        def cost(setting: Setting) -> float:
            margins = np.zeros(len(self.pairs))
            for others, quarter in splits(self.groups, folds=4, seed=SEED + 100):
                margins[train & quarter] = self.features(setting, train & quarter) @ self.fit(setting, train & others)
            parts = sorted(set(self.parts[train]))
            return float(np.mean([loss(margins[train & (self.parts == part)]) for part in parts]))

        return min(CHOICES, key=cost)

    def head(self, setting: Setting, train: NDArray[np.bool_]) -> Head:
        """The head fitted on the pairs of `train`, for features that are not standardised."""
        fitted = self.fit(setting, train)
        turned = fitted[:DIRECTIONS] @ self.turned / np.sqrt(self.turned.shape[1])
        linear = turned.reshape(self.spread[:, :3].shape)
        near = np.sqrt(setting.relevance) * fitted[DIRECTIONS:] / self.near_spread
        file = bundled.LOCATE["smollm2"]()
        head = Head(
            weights=(linear / self.spread[:, :3]).astype(np.float32),
            centre=self.centre,
            scale=self.scale,
            relevance=near.reshape(2, -1).T.astype(np.float32),
            offset=0.0,
            layers=LAYERS,
            backbone_digest=file_digest(file, file.stat().st_mtime_ns),
            template_digest=template_digest(file),
            training={"seed": SEED, **asdict(setting), "pairs": self.counts(train)},
        )
        seen = np.unique(np.concatenate([self.better[train], self.worse[train]]))
        return replace(head, offset=float(head.rewards(self.raw[seen]).mean()))

    def counts(self, train: NDArray[np.bool_]) -> dict[str, int]:
        """Pairs of each part."""
        return {name: int((self.parts[train] == name).sum()) for name in (*PARTS, "obvious")}


@lru_cache
def template_digest(file: Path) -> str:
    """Of the chat template in the backbone's file."""
    return digest(loading.load_tokenizer(loading.find_source(str(file)), trust_remote_code=False).chat_template)


def part_of(pair: Pair) -> str:
    """The part that a pair counts in."""
    return pair.source if pair.kind == "human" else "obvious"


def _texts(pairs: Sequence[Pair]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((pair.prompt, text) for pair in pairs for text in (pair.better, pair.worse)))


def _features(
    parts: dict[str, Sequence[Pair]], cache: FeatureCache
) -> tuple[list[tuple[str, str]], NDArray[np.float32]]:
    texts = {name: _texts(pairs) for name, pairs in parts.items()}
    rows = np.concatenate([cache.features(name, of_part) for name, of_part in texts.items()])
    return [text for of_part in texts.values() for text in of_part], rows.astype(np.float32)


# ---------------------------------------------------------------------------------------------- figures


def held_back_rewards(trainer: Trainer, seed: int = SEED) -> tuple[Array, Array]:
    """For each pair the rewards of better and worse, by a head chosen and fitted without its prompt."""
    better, worse = np.zeros(len(trainer.pairs)), np.zeros(len(trainer.pairs))
    for number, (train, test) in enumerate(splits(trainer.groups, folds=5, seed=seed)):
        setting = trainer.choose(train)
        rewards = trainer.head(setting, train).rewards(trainer.raw)
        better[test], worse[test] = rewards[trainer.better[test]], rewards[trainer.worse[test]]
        print(f"fold {number}: {test.sum()} pairs held back, {setting}")
    return better, worse


def right(better: Array, worse: Array) -> Array:
    """1 where the better one has more, a half for a tie."""
    return (better > worse) + 0.5 * (better == worse)


def report(trainer: Trainer, better: Array, worse: Array) -> None:
    """Print accuracies with intervals, beside `the longer wins`, and how the reward goes with length."""
    lengths = np.array([len(text) for _, text in trainer.texts], float)
    kinds = np.array([pair.kind for pair in trainer.pairs])
    sources = np.array([pair.source for pair in trainer.pairs])
    longer = right(lengths[trainer.better], lengths[trainer.worse])
    found = right(better, worse)
    chosen = {name: trainer.parts == name for name in (*PARTS, "obvious")}
    chosen |= {f"obvious, {kind}": kinds == kind for kind in sorted(set(kinds) - {"human"})}
    no_cut = (trainer.parts == "obvious") & (kinds != "cut")
    chosen["obvious without cut"] = no_cut
    chosen["obvious without cut, our prompts"] = no_cut & (sources == "our prompts")
    for name, mask in chosen.items():
        if not mask.any():
            continue
        groups = [group for group, kept in zip(trainer.groups, mask, strict=True) if kept]
        low, high = interval(found[mask], groups)
        print(
            f"{name}: {mask.sum()} pairs of {len(set(groups))} groups, right {100 * found[mask].mean():.1f} % "
            f"[{low * 100:.1f}, {high * 100:.1f}], the longer wins {100 * longer[mask].mean():.1f} %"
        )
    for name in PARTS:
        mask = trainer.parts == name
        print(f"{name}: correlation of reward with characters {_correlation(trainer, lengths, better, worse, mask)}")


def _correlation(trainer: Trainer, lengths: Array, better: Array, worse: Array, mask: NDArray[np.bool_]) -> str:
    """Pearson and Spearman over the completions, each once."""
    places = np.concatenate([trainer.better[mask], trainer.worse[mask]])
    rewards = np.concatenate([better[mask], worse[mask]])
    _, first = np.unique(places, return_index=True)
    one, other = rewards[first], lengths[places[first]]
    ranks = [np.argsort(np.argsort(values)) for values in (one, other)]
    logs = np.corrcoef(one, np.log1p(other))[0, 1]
    return (
        f"{np.corrcoef(one, other)[0, 1]:.2f}, with its logarithm {logs:.2f}, of ranks {np.corrcoef(*ranks)[0, 1]:.2f}"
    )


def final_head(trainer: Trainer) -> Head:
    """The head that ships: chosen and fitted on all pairs."""
    everything = np.ones(len(trainer.pairs), bool)
    setting = trainer.choose(everything)
    print(f"shipped: {setting} on {trainer.counts(everything)}")
    return trainer.head(setting, everything)


def main() -> None:
    """Train, report and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the preference data")
    parser.add_argument("--cache", type=Path, required=True, help="a folder for completions and hidden states")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--seed", type=int, default=SEED, help="of the folds; the head that ships does not depend on it"
    )
    parser.add_argument("--write", action="store_true", help="write the head into the package")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.cache.mkdir(parents=True, exist_ok=True)
    pairs = read_pairs(options.data)
    answers = our_answers(options.cache) + draw_answers(pairs, ANSWERS)
    pairs += obvious_pairs(answers)
    parts = {name: [pair for pair in pairs if part_of(pair) == name] for name in (*PARTS, "obvious")}
    trainer = Trainer(pairs, parts, FeatureCache(options.cache))
    report(trainer, *held_back_rewards(trainer, options.seed))
    if options.write:
        write_head(final_head(trainer), HEAD)
        print(f"wrote {HEAD.name}, {HEAD.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
