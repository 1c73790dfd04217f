"""How fast the three text scorers are: completions a second on one core, and how the time grows up to 1 MB.

    python benchmarks/scorers.py [--data ../shared/data] [--profile] [--growth]

The completions are made by a seeded generator from the sentences of the bundled prompts: prose, lists, Markdown,
code, refusals, letters with accents and curly quotes, loops and run-on texts, 800 characters on average.
With `--data` the outputs of raw and tuned models in that folder are timed as well. `--growth` repeats each hard
string of the tests to 10 kB and 100 kB, the five slowest to 1 MB too, and prints the time per 10 kB of each scorer.
"""

import argparse
import cProfile
import json
import os
import pstats
import random
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from conditions import conditions

from evalharness.pipeline.scoring import AT_ONCE, judge
from evalharness.records import Completion, Constraint, Message, Sample
from evalharness.scorers import Item, Scorer, open_scorer
from evalharness.suites import load_suite

ROOT = Path(__file__).parent.parent
TEXT_SCORERS = ("style", "refusal", "instruction")
SUITES = ("style", "instructions", "refusal")
TARGET = 800
"""Characters of a completion on average."""
TRAPS = (
    "<think>",
    "> ",
    '"',
    "it is not ",
    "I am just ",
    "\n",
    "**a",
    "`a",
    "a:\n",
    "user:",
    "(",
    "_*",
    "# ",
    "1. ",
    "?",
)
"""Strings that make a careless regular expression try everything, repeated."""
SIZES = (10_000, 100_000, 1_000_000)
CONSTRAINTS = (
    Constraint(kind="punctuation:no_comma"),
    Constraint(kind="length_constraints:number_words", parameters={"relation": "at least", "num_words": 50}),
    Constraint(kind="keywords:existence", parameters={"keywords": ["model", "sample"]}),
    Constraint(kind="detectable_format:number_bullet_lists", parameters={"num_bullets": 3}),
)
OPENINGS = ("Sure! ", "Certainly. ", "I'm sorry, but I can't help with that. ", "", "", "", "", "As an AI model, ")
ACCENTS = {"a": "à", "e": "é", "o": "ö", "u": "ü", "'": "’", '"': "“", "-": "–"}


def sentences() -> list[str]:
    """The sentences of the bundled prompts, which do not change between two versions of a suite."""
    samples = (sample for name in SUITES for sample in load_suite(name).samples)
    results = (" ".join(part.split()) for sample in samples for part in re.split(r"(?<=[.!?])\s+|\n\n", sample.prompt))
    return list(dict.fromkeys(sentence for sentence in results if 30 <= len(sentence) <= 200))


def write_text(random_: random.Random, stock: Sequence[str], length: int) -> str:
    """One completion of about `length` characters in one of eight forms."""
    drawn = random_.sample(stock, k=min(len(stock), max(1, length // 72)))
    form = random_.randrange(10)
    opening = random_.choice(OPENINGS)
    if form <= 3:
        paragraphs = [" ".join(drawn[start : start + 4]) for start in range(0, len(drawn), 4)]
        return opening + "\n\n".join(paragraphs)
    if form == 4:
        return opening + "Here are some points:\n\n" + "\n".join(f"{n}. {line}" for n, line in enumerate(drawn, 1))
    if form == 5:
        return "\n".join(f"- **{line.split()[0]}**: {line}" for line in drawn)
    if form == 6:
        return "".join(ACCENTS.get(letter, letter) if random_.random() < 0.2 else letter for letter in " ".join(drawn))
    if form == 7:
        return "```python\n" + "\n".join(f"def step_{n}(value):\n    return {line!r}" for n, line in enumerate(drawn))
    if form == 8:
        return (drawn[0] + "\n") * max(2, length // len(drawn[0]))
    return "\n\n".join(f"Question: {line}\nAnswer: yes, of course." for line in drawn)


def made_items(count: int, seed: int = 0) -> list[Item]:
    """`count` seeded completions with lengths spread widely around `TARGET`."""
    random_ = random.Random(seed)
    stock = sentences()
    items = []
    for number in range(count):
        text = write_text(random_, stock, int(random_.lognormvariate(6.45, 0.7)))
        items.append(item(f"Explain this: {random_.choice(stock)}", text, random_.choice(("stop", "length")), number))
    return items


def item(prompt: str, text: str, finish_reason: str | None, number: int = 0) -> Item:
    sample = Sample(
        id=f"s{number}",
        messages=(Message(role="user", content=prompt),),
        category="speed",
        expected="refuse" if number % 2 else "comply",
        constraints=(CONSTRAINTS[number % 4], CONSTRAINTS[(number + 1) % 4]),
    )
    return Item(sample, Completion(request_id=f"r{number}", text=text, finish_reason=finish_reason))


def data_items(folder: Path) -> list[Item]:
    """The completions of raw and tuned models in the validation data."""
    path = folder / "base_vs_instruct" / "self_instruct_252.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [item(row["prompt"], row["response"], None, number) for number, row in enumerate(rows)]


def fresh(items: Sequence[Item]) -> list[Item]:
    """The same items with nothing read of them yet."""
    return [Item(item.sample, item.completion) for item in items]


def yardstick() -> float:
    """Seconds for a million steps of pure Python, to compare machines and hours by."""
    return seconds(lambda: sum(number % 7 for number in range(1_000_000)))


def seconds(work: Callable[[], object], times: int = 5) -> float:
    """Processor seconds of the fastest of several runs."""
    results = []
    for _ in range(times):
        start = time.process_time()
        work()
        results.append(time.process_time() - start)
    return min(results)


def report_speed(title: str, items: Sequence[Item]) -> None:
    average = sum(len(item.completion.text) for item in items) / len(items)
    scorers = [open_scorer(name) for name in TEXT_SCORERS]

    def all_three() -> None:
        for start in range(0, len(items), AT_ONCE):
            judge(scorers, fresh(items[start : start + AT_ONCE]))

    unit = min(yardstick(), yardstick())
    total = seconds(all_three)
    print(f"{title}: {len(items):,} completions of {average:.0f} characters on average")
    print(f"  all three scorers: {len(items) / total:,.0f} completions a second")
    print(f"  {len(items) * unit / total:,.0f} in the time of the yardstick ({1000 * unit:.0f} ms)")
    read = fresh(items)
    state = seconds(lambda: [item.state for item in fresh(items)])
    for text in read:
        _ = text.state  # cached, so that each scorer is timed without it
    print(f"  state alone: {1e6 * state / len(items):.0f} µs each")
    for scorer in scorers:
        beside = seconds(lambda scorer=scorer: scorer.score(read))
        print(f"  {scorer.name} beside it: {1e6 * beside / len(items):.0f} µs each")


def report_profile(items: Sequence[Item]) -> None:
    """Print where the time goes, for each scorer."""
    again = fresh(items)
    for name in TEXT_SCORERS:
        scorer = open_scorer(name)
        with cProfile.Profile() as profile:
            scorer.score(again)
        print(f"\n{name}")
        pstats.Stats(profile, stream=sys.stdout).sort_stats("tottime").print_stats(18)


def repeated(text: str, size: int) -> str:
    """`text` again and again, up to `size` characters."""
    return (text * (size // len(text) + 1))[:size]


def hard_texts() -> dict[str, str]:
    """The hard strings of the tests, by the id of their scene."""
    sys.path.append(str(ROOT / "tests"))
    from hard_strings import SCENES

    return {scene.id: scene.completion for scene in SCENES if scene.text} | dict(zip(TRAPS, TRAPS, strict=True))


def taken(scorer: Scorer | None, text: str) -> float:
    """Milliseconds for each 10 kB of `text`: of the state where there is no scorer, else of the scorer beside it."""
    judged = item("Write a poem about nature", text, "length")
    if scorer is not None:
        _ = judged.state
    once = seconds(lambda: scorer.score([judged]) if scorer else fresh([judged])[0].state, times=3)
    return 1000 * once / (len(text) / 10_000)


def report_growth() -> None:
    """Print the slowest hard strings: milliseconds for each 10 kB at 10 and 100 kB, and for these at 1 MB too."""
    texts = hard_texts()
    for name in ("state", *TEXT_SCORERS):
        scorer = None if name == "state" else open_scorer(name)
        short = {scene: [taken(scorer, repeated(text, size)) for size in SIZES[:2]] for scene, text in texts.items()}
        slowest = sorted(short, key=lambda scene: max(short[scene]), reverse=True)[:5]
        print(f"{name}: ms per 10 kB at {', '.join(f'{size:,}' for size in SIZES)} characters, slowest of {len(texts)}")
        for scene in slowest:
            figures = [*short[scene], taken(scorer, repeated(texts[scene], SIZES[2]))]
            print(f"  {scene}: {', '.join(f'{each:.2f}' for each in figures)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the folder of validation data")
    parser.add_argument("--count", type=int, default=2_000)
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    parser.add_argument("--growth", action="store_true", help="time the hard strings up to 1 MB")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print(conditions("pydantic"))
    items = made_items(options.count)
    report_speed("made from the bundled prompts", items)
    if options.data:
        report_speed("outputs of models", data_items(options.data))
    if options.profile:
        report_profile(items)
    if options.growth:
        report_growth()


if __name__ == "__main__":
    main()
