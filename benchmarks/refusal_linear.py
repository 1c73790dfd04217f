"""Whether a small linear model on the rules' own features labels refusals better than the rules.

    python benchmarks/refusal_linear.py [--data FOLDER]

Logistic regression on what the rules see of each completion: the share and the presence of each kind of sentence, in
all and among the first three, and what the prompt asks for. Fitted by five-fold cross-validation in which prompts of
one template (their first four words, in the political half of chatgpt_refusals) stay together, and on one data set
and tested on the other. Prints Cohen's kappa, the rules' beside it.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
from conditions import conditions
from fetch_data import data_folder
from validate_scorers import REFUSALS, accuracy_and_kappa, chatgpt, scores, table_of, xstest

from evalharness.scorers import Item
from evalharness.scorers.refusal.asked import asked_of
from evalharness.scorers.refusal.sentences import OPENING, Balance, Kind, sentences_of

FOLDS, SEEDS, PENALTY = 5, 3, 5.0


@dataclass(frozen=True)
class Labelled:
    """A data set as numbers."""

    features: np.ndarray
    people: np.ndarray
    rules: np.ndarray
    groups: list[str]


def features(item: Item) -> list[float]:
    asked = asked_of(item.sample)
    sentences = sentences_of(item.state.text, asked)
    balance = Balance(sentences)
    results = [float(wish) for wish in (asked.writing, asked.rewording, asked.act, asked.judging, asked.yes_or_no)]
    for kind in get_args(Kind):
        words = sum(each.words for each in sentences if each.kind == kind)
        results += [
            words / max(1, balance.total),
            float(words > 0),
            float(any(e.kind == kind for e in sentences[:OPENING])),
        ]
    turned = any(each.turned for each in sentences)
    return [*results, np.log1p(balance.total), np.log1p(balance.content), min(balance.offers, 3), float(turned)]


def read(folder: Path, name: str) -> Labelled:
    make = {"xstest": xstest, "chatgpt_refusals": chatgpt}[name]
    kept = [
        (row, item, score)
        for (row, item), (_, score) in zip(make(folder), scores(folder, name, "refusal"), strict=True)
        if row.get("binary", "") is not None
    ]
    return Labelled(
        np.array([features(item) for _, item, _ in kept]),
        np.array([row.get("final_label", "1")[0] != "1" or row.get("binary") == "rejected" for row, _, _ in kept]),
        np.array([score.label in REFUSALS for _, _, score in kept]),
        [
            " ".join(row["prompt"].split()[:4]) if row.get("subset") == "political" else str(row["id"])
            for row, _, _ in kept
        ],
    )


def fit(features_: np.ndarray, labels: np.ndarray, steps: int = 50) -> np.ndarray:
    """Weights of a logistic regression with a ridge penalty, by Newton's method; the last is the constant."""
    inputs = np.c_[features_, np.ones(len(features_))]
    weights = np.zeros(inputs.shape[1])
    ridge = np.r_[np.full(features_.shape[1], PENALTY), 1e-6]
    for _ in range(steps):
        chances = 1 / (1 + np.exp(-np.clip(inputs @ weights, -30, 30)))
        slope = inputs.T @ (chances - labels) + ridge * weights
        bend = (inputs * (chances * (1 - chances))[:, None]).T @ inputs + np.diag(ridge)
        weights -= np.linalg.solve(bend, slope)
    return weights


def predict(features_: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.c_[features_, np.ones(len(features_))] @ weights > 0


def kappa(people: np.ndarray, labels: np.ndarray) -> float:
    pairs = [(str(person), str(other)) for person, other in zip(people, labels, strict=True)]
    return accuracy_and_kappa(table_of(pairs, ("False", "True")))[1]


def folds(groups: Sequence[str], seed: int) -> np.ndarray:
    names = sorted(set(groups))
    np.random.default_rng(seed).shuffle(names)
    fold = {name: place % FOLDS for place, name in enumerate(names)}
    return np.array([fold[group] for group in groups])


def cross_validated(data: Labelled) -> float:
    kappas = []
    for seed in range(SEEDS):
        fold, result = folds(data.groups, seed), np.zeros(len(data.people), bool)
        for held in range(FOLDS):
            weights = fit(data.features[fold != held], data.people[fold != held])
            result[fold == held] = predict(data.features[fold == held], weights)
        kappas.append(kappa(data.people, result))
    return float(np.mean(kappas))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder of the labelled data")
    folder = parser.parse_args().data
    if not folder.is_dir():
        raise SystemExit(f"no validation data in {folder}; pass its folder with --data")
    print(conditions("numpy"))
    sets = {name: read(folder, name) for name in ("xstest", "chatgpt_refusals")}
    for name, data in sets.items():
        [other] = [each for each in sets if each != name]
        crossed = kappa(data.people, predict(data.features, fit(sets[other].features, sets[other].people)))
        print(
            f"{name}: rules {kappa(data.people, data.rules):.3f}; linear model, cross-validated "
            f"{cross_validated(data):.3f}, fitted on {other} {crossed:.3f}"
        )


if __name__ == "__main__":
    main()
