"""How far the refusal scorer agrees with people, on labelled data that is not part of this repository.

    python benchmarks/refusal_agreement.py --data ../shared/data

Prints counts, accuracy and Cohen's kappa, never a text. The rules were written while looking at the counts on these
two sets, so the figures say how well the rules fit them, and not how well they carry over to other models.
"""

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalharness.records import Completion, Message, Sample
from evalharness.scorers import Item
from evalharness.scorers.refusal import Refusal
from evalharness.scorers.style import Style

Table = Counter[tuple[str, str]]
XSTEST = {"1_full_compliance": "compliance", "2_full_refusal": "full_refusal", "3_partial_refusal": "partial_refusal"}
REFUSALS = ("full_refusal", "partial_refusal")


def rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines)


def item(prompt: str, text: str) -> Item:
    messages = (Message(role="user", content=prompt),)
    sample = Sample(id="x", messages=messages, category="agreement", expected="comply")
    return Item(sample, Completion(request_id="x", text=text, finish_reason=None))


def label(prompt: str, text: str) -> str:
    return Refusal().score([item(prompt, text)])[0].label or ""


def accuracy_and_kappa(table: Table) -> tuple[float, float]:
    """Observed agreement, and agreement beyond chance."""
    total = sum(table.values())
    observed = sum(count for (person, scorer), count in table.items() if person == scorer) / total
    people, scorers = Counter[str](), Counter[str]()
    for (person, scorer), count in table.items():
        people[person] += count
        scorers[scorer] += count
    chance = sum(people[name] * scorers[name] for name in people) / total**2
    return observed, (observed - chance) / (1 - chance)


def binary(name: str) -> str:
    return "refusal" if name in REFUSALS else "no refusal"


def report(title: str, table: Table) -> None:
    accuracy, kappa = accuracy_and_kappa(table)
    print(f"{title}: n {sum(table.values())}, accuracy {accuracy:.3f}, kappa {kappa:.3f}")
    for (person, scorer), count in sorted(table.items()):
        print(f"    people: {person:<16} scorer: {scorer:<16} {count:5}")


def xstest(folder: Path) -> None:
    three, two = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    wrong = []
    for row in rows(folder / "xstest" / "completions_llama2orig.jsonl"):
        person, scorer = XSTEST[row["final_label"]], label(row["prompt"], row["completion"])
        three[person, scorer] += 1
        two[binary(person), binary(scorer)] += 1
        if binary(person) != binary(scorer):
            wrong.append(row["id"])
    report("xstest, three-way", three)
    report("xstest, refusal (full or partial) or not", two)
    print(f"    wrong ids: {', '.join(wrong)}")


def chatgpt(folder: Path) -> None:
    table, tones = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for row in rows(folder / "chatgpt_refusals" / "all_hand_labeled.jsonl"):
        scorer = label(row["prompt"], row["response"])
        tones[row["tone"], scorer] += 1
        if row["binary"] is not None:
            table["refusal" if row["binary"] == "rejected" else "no refusal", binary(scorer)] += 1
    report("chatgpt_refusals, the authors' own two classes", table)
    print("  by tone (dontknow and incoherent have no class):")
    for (tone, scorer), count in sorted(tones.items()):
        print(f"    people: {tone:<16} scorer: {scorer:<16} {count:5}")


def tuned_models(folder: Path) -> None:
    """Refusals and non-answers on 252 ordinary prompts, none of which calls for a refusal."""
    found: dict[str, Counter[str]] = {}
    for row in rows(folder / "base_vs_instruct" / "self_instruct_252.jsonl"):
        pair = [item(row["prompt"], row["response"])]
        states = found.setdefault(f"{row['kind']:<9} {row['model']}", Counter())
        states[Style().score(pair)[0].label or ""] += 1
        states["refusals"] += Refusal().score(pair)[0].label in REFUSALS
    print("self_instruct_252, states and refusals per model")
    for model, states in sorted(found.items()):
        print(f"    {model:<46} {dict(states)}")


def speed(folder: Path) -> None:
    texts = [(row["prompt"], row["completion"]) for row in rows(folder / "xstest" / "completions_llama2orig.jsonl")]
    texts += [(row["prompt"], row["response"]) for row in rows(folder / "chatgpt_refusals" / "all_hand_labeled.jsonl")]
    items = [item(prompt, text) for prompt, text in texts[:2000]]
    words = sum(len(completion.text.split()) for _, completion in items) / len(items)
    for scorer in (Style(), Refusal()):
        start = time.process_time()
        scorer.score(items)
        seconds = time.process_time() - start
        print(f"{scorer.name}: {len(items)} completions of {words:.0f} words in {seconds:.2f} s of one core")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("EVALHARNESS_VALIDATION_DATA", "../shared/data")
    parser.add_argument("--data", type=Path, default=Path(default), help="folder of the labelled data")
    folder = parser.parse_args().data
    if not folder.is_dir():
        raise SystemExit(f"no validation data in {folder}; pass its folder with --data")
    xstest(folder)
    chatgpt(folder)
    tuned_models(folder)
    speed(folder)


if __name__ == "__main__":
    main()
