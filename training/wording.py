"""Fit the weights by which the refusal scorer reads wording, and say how well they do on writers left out.

    python training/wording.py --data ../shared/data [--write]

Learns from completions in which the rules see no refusal: those of `wording.jsonl`, written and labelled in the manner
of many models by writers who knew no rule; the gold set; and, as answers, outputs of real models in `--data`. No set
that `benchmarks/validate_scorers.py` compares with people is among them. `--write` puts the weights into the package.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from preferences import read_lines
from scipy.optimize import minimize  # type: ignore[import-untyped]
from scipy.sparse import csr_array  # type: ignore[import-untyped]

from evalharness.records import Completion, Message, Sample
from evalharness.scorers import Item
from evalharness.scorers.refusal import BY_WORDING, REFUSALS, judge
from evalharness.scorers.refusal.asked import Asked, asked_of
from evalharness.scorers.refusal.sentences import own_voice
from evalharness.scorers.refusal.wording import SURE, WEIGHTS, WORD, Wording, features_of
from evalharness.suites import load_suite

ROOT = Path(__file__).parent.parent
WRITTEN = ("training/wording.jsonl", "tests/written_dev.jsonl", "tests/written_more.jsonl")
GOLD = "tests/gold/completions.jsonl"
EXAMPLE, SUITES = ROOT / "reports" / "example", ("refusal", "instructions", "style")
COMMON, SEEN = 15, 10
"""Completions in which a word is known, and in which a feature has a weight."""
PENALTY = 10.0
"""Half of it times the squared weights is added to the loss; the intercept is free."""
READ_WEIGHT = 4.0
"""Of an output of a model that was read, since they are few; all others have 1."""
DIGITS, LEAST = 3, 0.02
"""A weight's decimals, and the size below which that of a pair is dropped."""
OUTCOMES = {(True, True): "found", (True, False): "missed", (False, True): "false", (False, False): "right"}
"""By whether it refuses and is called a refusal."""
TABLES = ("grams", "first", "context")
Array = NDArray[np.float64]
Feature = tuple[str, str]
"""Its table and its name."""


@dataclass(frozen=True)
class Row:
    """A completion that was read; `group` is what may not be in training and test at once."""

    group: str
    prompt: str
    completion: str
    refuses: bool
    weight: float = 1.0

    @cached_property
    def item(self) -> Item:
        """With its state, once."""
        sample = Sample(id="r", messages=(Message(role="user", content=self.prompt or " "),), category="r")
        return Item(sample, Completion(request_id="r", text=self.completion, finish_reason="stop"))

    @cached_property
    def asked(self) -> Asked:
        """What its prompt asks for."""
        return asked_of(self.item.sample)

    @cached_property
    def sentences(self) -> list[str]:
        """In its own voice."""
        return [piece.text for piece in own_voice(self.item.state.head).sentences]

    @cached_property
    def refused_by_rules(self) -> bool:
        """Whether the scorer calls it a refusal without looking at its wording."""
        reading = judge(self.item.state, self.item.sample)
        return reading.label in REFUSALS and not reading.reason.startswith(BY_WORDING)

    @property
    def length(self) -> int:
        """In words."""
        return len(self.item.state.head.words)

    def features(self, known: set[str]) -> set[Feature]:
        """What the regression sees of it."""
        features = features_of(self.sentences, self.asked, self.length, known)
        return {(table, each) for table in TABLES for each in getattr(features, table, ())}


# ------------------------------------------------------------------------------------------------- data


def written() -> Iterator[Row]:
    """Completions in the manner of many models; a group is a writer."""
    for path in WRITTEN:
        for row in read_lines(ROOT / path):
            yield Row(row["id"].split("-")[0], row["prompt"], row["completion"], row["answer"] in REFUSALS)


def gold() -> Iterator[Row]:
    """The gold working set, without what its reader found unclear."""
    for row in read_lines(ROOT / GOLD):
        answer = row["final"]["answer"]
        if answer != "unclear" and row["sample"].get("kind") != "continuation":
            prompt = row["sample"]["messages"][-1]["content"]
            yield Row("", prompt, row["completion"], answer in ("refuses", "partial"), READ_WEIGHT)


def example() -> Iterator[Row]:
    """The completions of the example run, whose refusals the rules know."""
    samples = {sample.id: sample for suite in SUITES for sample in load_suite(suite).samples}
    asked = {row["id"]: samples[row["sample_id"]] for row in read_lines(EXAMPLE / "requests.jsonl")}
    for row in read_lines(EXAMPLE / "outcomes.jsonl"):
        if row["type"] == "completion" and asked[row["request_id"]].kind != "continuation":
            yield Row("", asked[row["request_id"]].prompt, row["text"], refuses=False)


def outputs(folder: Path) -> Iterator[Row]:
    """Outputs of real models that nobody labelled, nearly all of which answer; what the rules call a refusal is out."""
    yield from example()
    for row in read_lines(folder / "base_vs_instruct" / "self_instruct_252.jsonl"):
        yield Row("", row["instruction"], row["response"], refuses=False)
    for row in read_lines(folder / "preferences" / "finegrained_qa_dev.jsonl"):
        yield Row("", row["question"], row["response_1"], refuses=False)
    for row in read_lines(folder / "preferences" / "pandalm_human.jsonl"):
        for response in (row["response1"], row["response2"]):
            yield Row("", f"{row['instruction']}\n{row['input']}", str(response), refuses=False)
    for row in read_lines(folder / "preferences" / "llmbar_natural_and_processed.jsonl"):
        for response in (row["output_1"], row["output_2"]):
            yield Row("", row["input"], str(response), refuses=False)


# -------------------------------------------------------------------------------------------- regression


def fit(rows: Sequence[Row]) -> Wording:
    """The weights with the least penalised logistic loss."""
    counts = Counter(
        chain.from_iterable({word for text in row.sentences for word in WORD.findall(text)} for row in rows)
    )
    known = {word for word, count in counts.items() if count >= COMMON and set(word) != {"x"}}  # x: quoted
    features = [row.features(known) for row in rows]
    common = (feature for feature, count in Counter(chain.from_iterable(features)).items() if count >= SEEN)
    places = {feature: place for place, feature in enumerate(sorted(common), 1)}
    columns = [[0, *(places[each] for each in row if each in places)] for row in features]
    ends = np.cumsum([0, *map(len, columns)])
    matrix = csr_array((np.ones(ends[-1]), np.concatenate(columns), ends), shape=(len(rows), len(places) + 1))
    weights = np.array([row.weight for row in rows])
    head = least_loss(matrix, np.array([1.0 if row.refuses else -1.0 for row in rows]), weights)
    tables: dict[str, dict[str, float]] = {table: {} for table in TABLES}
    for (table, feature), place in places.items():
        if abs(head[place]) >= LEAST or " " not in feature:  # each known word keeps a weight
            tables[table][feature] = round(float(head[place]), DIGITS)
    return Wording(round(float(head[0]), DIGITS), **tables)


def least_loss(matrix: csr_array, signs: Array, weights: Array) -> Array:
    """The head of a logistic regression, its first feature unpenalised, by L-BFGS."""

    def loss(head: Array) -> tuple[float, Array]:
        margins = signs * (matrix @ head)
        penalised = np.concatenate([[0.0], head[1:]])
        slope = -weights * signs * np.exp(-np.logaddexp(0, margins))
        value = weights @ np.logaddexp(0, -margins) + PENALTY / 2 * penalised @ penalised
        return float(value), matrix.T @ slope + PENALTY * penalised

    start = np.zeros(matrix.shape[1])
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 2_000}).x)


# ------------------------------------------------------------------------------------------------ report


def left_out(rows: Sequence[Row]) -> None:
    """Print what weights find that are fitted without a writer's rows, and what they call a refusal wrongly."""
    total: Counter[str] = Counter()
    for group in sorted({row.group for row in rows} - {""}):
        wording = fit([row for row in rows if row.group != group])
        counts = Counter(
            OUTCOMES[row.refuses, wording.probability(row.sentences, row.asked, row.length) >= SURE]
            for row in rows
            if row.group == group
        )
        total += counts
        print(f"  without writer {group:5} {described(counts)}", flush=True)
    print(f"  all {described(total)}")


def described(counts: Counter[str]) -> str:
    """The counts of a writer in words."""
    refusals, others = counts["found"] + counts["missed"], counts["false"] + counts["right"]
    return (
        f"{counts['found']:4} of {refusals:4} refusals found, {counts['false']:3} of {others:4} others called refusals"
    )


def write(wording: Wording) -> None:
    """Put the weights into the package, and say how many."""
    content = json.dumps(asdict(wording), indent=0)
    WEIGHTS.write_text(content + "\n", encoding="utf-8")
    print(f"{sum(len(getattr(wording, table)) for table in TABLES):,} weights in {WEIGHTS.relative_to(ROOT)}")


def main() -> None:
    """Fit and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of validation data")
    parser.add_argument("--write", action="store_true", help="put the weights into the package")
    options = parser.parse_args()
    everything = [*written(), *gold(), *outputs(options.data)]
    rows = [row for row in everything if row.completion.strip() and not row.refused_by_rules]
    labelled = sum(1 for row in rows if row.group)
    print(f"{len(rows):,} completions in which rules see no refusal, {labelled:,} of them written")
    left_out(rows)
    if options.write:
        write(fit(rows))


if __name__ == "__main__":
    main()
