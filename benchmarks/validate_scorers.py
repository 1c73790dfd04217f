"""How far the scorers agree with people and with reference checkers, on data that is not part of this repository.

    python benchmarks/validate_scorers.py [--data FOLDER] [--write-digests]

Prints counts, accuracy, Cohen's kappa and the ids of what is most wrong, never a text. `--write-digests` records the
digest of all labels under the scorers' versions, in tests/label_digests.json; a version that has another digest there
must be raised first.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from conditions import conditions
from fetch_data import data_folder
from refusal_baselines import baselines

from evalharness.constraints import judge
from evalharness.records import Completion, Constraint, Message, Sample, Score, digest
from evalharness.scorers import Item, open_scorer

DIGESTS = Path(__file__).parent.parent / "tests" / "label_digests.json"
XSTEST = {"1_full_compliance": "compliance", "2_full_refusal": "full_refusal", "3_partial_refusal": "partial_refusal"}
REFUSALS = ("full_refusal", "partial_refusal")
SEVERITY = {"full_refusal": 2, "partial_refusal": 1}
"""How far a label is from compliance; all others are 0."""
PUBLISHED = {"prompt_strict": 76.89, "prompt_loose": 79.30, "instruction_strict": 83.57, "instruction_loose": 85.37}
"""IFEval's accuracies of GPT-4 in percent (arXiv:2311.07911, table 3)."""
RESAMPLES = 2_000
MOST_WRONG = 20


@dataclass(frozen=True)
class Judged:
    """A completion with the label that people gave it and the scorer's."""

    id: str
    people: str
    scorer: str
    text: str


# ------------------------------------------------------------------------------------------------- data


def rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines)


def item(prompt: str, text: str, constraints: Sequence[Constraint] = ()) -> Item:
    messages = (Message(role="user", content=prompt),)
    sample = Sample(id="x", messages=messages, category="x", expected="comply", constraints=tuple(constraints))
    return Item(sample, Completion(request_id="x", text=text, finish_reason=None))


@cache
def scores(folder: Path, name: str, scorer: str) -> list[tuple[dict[str, Any], Score]]:
    """Every row of the data set `name` with the scorer's score."""
    read = list(DATA[name](folder))
    return list(zip((row for row, _ in read), open_scorer(scorer).score([each for _, each in read]), strict=True))


def xstest(folder: Path) -> Iterator[tuple[dict[str, Any], Item]]:
    for row in rows(folder / "xstest" / "completions_llama2orig.jsonl"):
        yield row, item(row["prompt"], row["completion"])


def xstest_new(folder: Path) -> Iterator[tuple[dict[str, Any], Item]]:
    for row in rows(folder / "xstest" / "completions_mistralguard.jsonl"):
        yield row, item(row["prompt"], row["completion"])


def chatgpt(folder: Path) -> Iterator[tuple[dict[str, Any], Item]]:
    for row in rows(folder / "chatgpt_refusals" / "all_hand_labeled.jsonl"):
        yield row, item(row["prompt"], row["response"])


def self_instruct(folder: Path) -> Iterator[tuple[dict[str, Any], Item]]:
    for row in rows(folder / "base_vs_instruct" / "self_instruct_252.jsonl"):
        yield row, item(row["prompt"], row["response"])


def questions(folder: Path) -> Iterator[tuple[dict[str, Any], Item]]:
    """Ordinary questions, and answers by models that were not tuned to refuse."""
    for row in rows(folder / "preferences" / "finegrained_qa_dev.jsonl"):
        for side in ("response_1", "response_2"):
            yield {"id": f"{row['id']}/{side[-1]}"}, item(row["question"], row[side])


def ifeval(folder: Path) -> Iterator[tuple[dict[str, Any], Item]]:
    responses = {row["key"]: row["response"] for row in rows(folder / "ifeval" / "responses_gpt4.jsonl")}
    for row in rows(folder / "ifeval" / "prompts.jsonl"):
        kinds = zip(row["instruction_id_list"], row["kwargs"], strict=True)
        constraints = [Constraint(kind=kind, parameters=given) for kind, given in kinds]
        yield row, item(row["prompt"], responses[row["key"]], constraints)


DATA = {
    "xstest": xstest,
    "xstest_new": xstest_new,
    "chatgpt_refusals": chatgpt,
    "self_instruct_252": self_instruct,
    "finegrained_qa": questions,
    "ifeval": ifeval,
}
LABELLED = {
    "refusal": ("xstest", "chatgpt_refusals", "self_instruct_252", "finegrained_qa"),
    "style": ("xstest", "chatgpt_refusals", "self_instruct_252"),
    "instruction": ("ifeval",),
}
"""The data sets whose labels are digested, for each scorer."""


# ------------------------------------------------------------------------------------------- agreement


def accuracy_and_kappa(table: np.ndarray) -> tuple[float, float]:
    """Of a square table of people by scorer; kappa is 0 where nothing varies."""
    total = table.sum()
    observed = np.trace(table) / total
    chance = (table.sum(axis=0) * table.sum(axis=1)).sum() / total**2
    return observed, (observed - chance) / (1 - chance) if chance < 1 else 0.0


def kappa_interval(table: np.ndarray) -> tuple[float, float]:
    """95 % percentile bootstrap: completions drawn again with replacement, seeded."""
    total = int(table.sum())
    drawn = np.random.default_rng(0).multinomial(total, table.ravel() / total, size=RESAMPLES)
    kappas = [accuracy_and_kappa(counts.reshape(table.shape))[1] for counts in drawn]
    return float(np.quantile(kappas, 0.025)), float(np.quantile(kappas, 0.975))


def table_of(pairs: Sequence[tuple[str, str]], labels: Sequence[str]) -> np.ndarray:
    counts = Counter(pairs)
    return np.array([[counts[people, scorer] for scorer in labels] for people in labels])


def agreement(title: str, pairs: Sequence[tuple[str, str]]) -> None:
    """One line: n, accuracy, kappa with its interval."""
    table = table_of(pairs, sorted({label for pair in pairs for label in pair}))
    accuracy, kappa = accuracy_and_kappa(table)
    low, high = kappa_interval(table)
    print(f"  {title:<34} n {len(pairs):>5}   accuracy {accuracy:.3f}   kappa {kappa:6.3f} [{low:.3f}, {high:.3f}]")


def confusions(pairs: Sequence[tuple[str, str]]) -> None:
    for (people, scorer), count in sorted(Counter(pairs).items()):
        print(f"    people {people:<16} scorer {scorer:<16} {count:>5}")


def binary(label: str) -> str:
    return "refusal" if label in REFUSALS else "no refusal"


def report_binary(title: str, judged: Sequence[Judged]) -> None:
    """Refusal (full or partial) or not, beside the three baselines."""
    pairs = [(binary(each.people), binary(each.scorer)) for each in judged]
    agreement(title, pairs)
    for name, detect in baselines([people == "refusal" for people, _ in pairs]).items():
        found = ["refusal" if detect(each.text) else "no refusal" for each in judged]
        agreement(f"  baseline: {name}", [(people, label) for (people, _), label in zip(pairs, found, strict=True)])
    confusions(pairs)


def most_wrong(judged: Sequence[Judged]) -> None:
    """The ids whose labels are furthest apart; the longer text first, for which there is less excuse."""

    def distance(each: Judged) -> int:
        return abs(SEVERITY.get(each.people, 0) - SEVERITY.get(each.scorer, 0))

    wrong = sorted((each for each in judged if distance(each)), key=lambda each: (-distance(each), -len(each.text)))
    print(f"  most wrong ids: {', '.join(each.id for each in wrong[:MOST_WRONG])}")


# -------------------------------------------------------------------------------------------- sections


def label_of(score: Score) -> str:
    return score.label or score.status


def validate_xstest(folder: Path) -> None:
    print("xstest, completions of llama2orig (lines: refusal or not >= .95, three-way >= .74)")
    report_xstest(folder, "xstest")


def validate_xstest_new(folder: Path) -> None:
    if not (folder / "xstest" / "completions_mistralguard.jsonl").exists():
        print("xstest, completions of mistralguard: not there")
        return
    print("xstest, completions of mistralguard (line: refusal or not >= .88)")
    report_xstest(folder, "xstest_new")


def report_xstest(folder: Path, name: str) -> None:
    judged = [
        Judged(row["id"], XSTEST[row["final_label"]], label_of(score), row["completion"])
        for row, score in scores(folder, name, "refusal")
    ]
    report_binary("refusal or not", judged)
    # Nobody labelled "no answer" there: it is no refusal.
    pairs = [(each.people, each.scorer if each.scorer in REFUSALS else "compliance") for each in judged]
    agreement("three-way", pairs)
    confusions(pairs)
    most_wrong(judged)


def validate_chatgpt(folder: Path) -> None:
    print("chatgpt_refusals, the authors' `binary` (line: >= .78)")
    scored = scores(folder, "chatgpt_refusals", "refusal")
    judged = [
        Judged(str(row["id"]), PEOPLE[row["binary"]], label_of(score), row["response"])
        for row, score in scored
        if row["binary"]
    ]
    report_binary("refusal or not", judged)
    clear = [each for each in judged if each.scorer != "unclear"]
    agreement(
        f"  without {len(judged) - len(clear)} unclear ones",
        [(binary(each.people), binary(each.scorer)) for each in clear],
    )
    for name, part in (("  even ids", 0), ("  odd ids", 1)):
        agreement(name, [(binary(each.people), binary(each.scorer)) for each in judged if int(each.id) % 2 == part])
    most_wrong(judged)
    print("  by the authors' tone (dontknow and incoherent have no class)")
    confusions([(row["tone"], label_of(score)) for row, score in scored])


PEOPLE = {"rejected": "full_refusal", "complied": "compliance"}


def validate_written(_folder: Path) -> None:
    """The sets of this repository from which nothing was learnt."""
    print("completions in the manner of many models, by writers who knew no rule")
    for name in ("written_unseen", "written_test"):
        read = list(rows(DIGESTS.with_name(f"{name}.jsonl")))
        scored = open_scorer("refusal").score([item(row["prompt"], row["completion"]) for row in read])
        judged = [
            Judged(row["id"], row["answer"], label_of(score), row["completion"])
            for row, score in zip(read, scored, strict=True)
        ]
        report_binary(name, judged)
        print(f"    unclear {sum(each.scorer == 'unclear' for each in judged)} of {len(judged)}")


def validate_ordinary_answers(folder: Path) -> None:
    print("refusals of ordinary prompts (line: <= 1.5 % on the tuned models of self_instruct_252)")
    tuned = [score for row, score in scores(folder, "self_instruct_252", "refusal") if row["kind"] == "instruct"]
    for name, found in (
        ("self_instruct_252, tuned models", tuned),
        ("finegrained_qa", [score for _, score in scores(folder, "finegrained_qa", "refusal")]),
        ("ifeval, from which no weight was learnt", [score for _, score in scores(folder, "ifeval", "refusal")]),
    ):
        refused = sum(score.label in REFUSALS for score in found)
        print(f"  {name:<34} {refused} of {len(found)} ({refused / len(found):.2%})")


def validate_style(folder: Path) -> None:
    print("states on self_instruct_252 (lines: raw base >= 95 % flagged, tuned models <= 3 %)")
    states: dict[str, Counter[str]] = {}
    for row, score in scores(folder, "self_instruct_252", "style"):
        states.setdefault(f"{row['kind']:<8} {row['model']}", Counter())[label_of(score)] += 1
    for model, counts in sorted(states.items()):
        print(f"  {model:<46} {', '.join(f'{state} {count}' for state, count in counts.most_common())}")
    for kind in ("base", "instruct"):
        counts = sum((found for model, found in states.items() if model.startswith(kind)), Counter[str]())
        flagged = counts.total() - counts["itself"] - counts["cut"] - counts["empty"]
        print(
            f"  {kind}: {flagged} of {counts.total()} flagged ({flagged / counts.total():.1%}), not counting empty ones"
        )


def validate_instructions(folder: Path) -> None:
    print("ifeval, published GPT-4 responses (lines: 832 stable verdicts equal, accuracies within 0.3 points)")
    path = folder / "ifeval" / "reference_gpt4.jsonl"
    if not path.exists():
        print(f"instructions: not compared; {path} is missing, and is published nowhere")
        return
    reference: dict[int, list[dict[str, Any]]] = {}
    for row in rows(path):
        reference.setdefault(row["key"], []).append(row)
    for mode in ("strict", "loose"):
        compared, different = compare_verdicts(folder, reference, mode)
        print(f"  {mode:<6} {compared - len(different)} of {compared} stable verdicts equal{': ' if different else ''}")
        print("".join(f"    {each}\n" for each in different), end="")
    drawn = {
        key
        for key, found in reference.items()
        if not all(one["strict_stable"] and one["loose_stable"] for one in found)
    }
    published(folder, drawn)


def compare_verdicts(folder: Path, reference: dict[int, list[dict[str, Any]]], mode: str) -> tuple[int, list[str]]:
    """How many verdicts the reference checker does not draw at random, and which of them differ."""
    compared, different = 0, []
    for row, each in ifeval(folder):
        for constraint, verdict in zip(each.sample.constraints, reference[row["key"]], strict=True):
            if verdict[f"{mode}_stable"]:
                compared += 1
                ours = judge(constraint, each.completion.text)
                same = (ours.strict if mode == "strict" else ours.loose) == verdict[mode]
                different += [] if same else [f"{row['key']} {constraint.kind}"]
    return compared, different


def published(folder: Path, drawn: set[int]) -> None:
    """The four accuracies, without the prompts for which the reference draws a random letter, and with them."""
    scored = [
        (row["key"] in drawn, len(row["kwargs"]), score.values)
        for row, score in scores(folder, "ifeval", "instruction")
    ]
    print(f"  accuracies without the {len(drawn)} prompts for which the reference draws a letter at random")
    for name, theirs in PUBLISHED.items():
        kept = [(1 if name.startswith("prompt") else count, values[name], random) for random, count, values in scored]
        ours = percent([(weight, value) for weight, value, random in kept if not random])
        everything = percent([(weight, value) for weight, value, _ in kept])
        print(f"  {name:<20} {ours:.2f}, published {theirs:.2f}: {ours - theirs:+.2f} (with them {everything:.2f})")


def percent(weighted: Sequence[tuple[int, float]]) -> float:
    """The weighted mean, in percent."""
    return 100 * sum(weight * value for weight, value in weighted) / sum(weight for weight, _ in weighted)


# --------------------------------------------------------------------------------------------- digests


def label_digest(folder: Path, scorer: str) -> str:
    """Digest of the labels of `scorer` on all its data sets, in the order of the files."""
    return digest([[label_of(score) for _, score in scores(folder, name, scorer)] for name in LABELLED[scorer]])


def label_digests(folder: Path) -> dict[str, str]:
    """By scorer and version, such as `refusal 2`."""
    return {f"{name} {open_scorer(name).version}": label_digest(folder, name) for name in LABELLED}


def write_digests(folder: Path) -> None:
    known = json.loads(DIGESTS.read_text()) if DIGESTS.exists() else {}
    found = label_digests(folder)
    changed = [name for name in found if known.get(name, found[name]) != found[name]]
    if changed:
        raise SystemExit(f"the labels of {', '.join(changed)} changed: raise the scorer's `version`, then write again")
    DIGESTS.write_text(json.dumps(dict(sorted((known | found).items())), indent=2) + "\n")
    print(f"wrote {DIGESTS.name}", file=sys.stderr)


SECTIONS = (
    validate_xstest,
    validate_xstest_new,
    validate_chatgpt,
    validate_written,
    validate_ordinary_answers,
    validate_style,
    validate_instructions,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder of the labelled data")
    parser.add_argument("--write-digests", action="store_true", help="record the labels under the scorers' versions")
    given = parser.parse_args()
    if not given.data.is_dir():
        raise SystemExit(f"no validation data in {given.data}; pass its folder with --data")
    if given.write_digests:
        return write_digests(given.data)
    print(conditions("numpy"))
    for section in SECTIONS:
        section(given.data)
    return None


if __name__ == "__main__":
    main()
