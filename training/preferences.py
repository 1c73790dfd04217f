"""Pairs of completions of which one is known to be better: those that people compared, and obvious ones that are made.

Nothing of the data is copied: it is read from the folder that is given, and only ids and counts are printed.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Pair:
    """Two completions of one prompt; `group` is what may not be split between training and test."""

    source: str
    group: str
    prompt: str
    better: str
    worse: str
    kind: str = "human"
    """`human`, or what is wrong with the worse one: `loop`, `echo`, `empty`, `cut`, `other prompt`."""


def read_pairs(folder: Path) -> list[Pair]:
    """All pairs of the preference data; ties are left out."""
    return [*_pandalm(folder / "pandalm_human.jsonl"), *_llmbar(folder / "llmbar_natural_and_processed.jsonl")]


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file of JSON lines."""
    with path.open(encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines)


def _pandalm(path: Path) -> Iterator[Pair]:
    """Three people judged each pair; what two of them said counts. Samples of one instruction are one group."""
    for row in read_lines(path):
        votes = Counter(row[f"annotator{number}"] for number in (1, 2, 3))
        verdict, count = votes.most_common(1)[0]
        if count < 2 or verdict == 0:
            continue
        # A completion that reads as a number or a truth value was stored as one.
        texts = [str(row["response1"]), str(row["response2"])]
        better, worse = texts if verdict == 1 else reversed(texts)
        parts = [str(row["instruction"]).strip(), str(row["input"] or "").strip()]
        yield Pair("PandaLM", parts[0].lower(), "\n\n".join(part for part in parts if part), better, worse)


def _llmbar(path: Path) -> Iterator[Pair]:
    for row in read_lines(path):
        texts = [row["output_1"], row["output_2"]]
        better, worse = texts if row["label"] == 1 else reversed(texts)
        prompt = row["input"].strip()
        yield Pair(row["subset"].rpartition("/")[2], prompt.lower(), prompt, better, worse)


# --------------------------------------------------------------------------------------- obvious pairs


@dataclass(frozen=True)
class Answer:
    """A completion that answers its prompt."""

    source: str
    group: str
    prompt: str
    text: str


def obvious_pairs(answers: Sequence[Answer], seed: int = 1) -> list[Pair]:
    """Each answer against a loop, an echo, an empty text, its own beginning, and an answer to another prompt."""
    random_ = random.Random(seed)
    return [pair for answer in answers for pair in _obvious(answer, answers, random_)]


def _obvious(answer: Answer, answers: Sequence[Answer], random_: random.Random) -> Iterator[Pair]:
    words = answer.text.split(" ")
    worse = [
        ("loop", _loop(answer.text, random_)),
        ("echo", _echo(answer.prompt, random_)),
        ("empty", random_.choice(["", " ", "\n\n"])),
        *(("other prompt", text) for text in _others(answer, answers, random_)),
    ]
    if len(words) >= 12:
        worse.append(("cut", " ".join(words[: int(len(words) * random_.uniform(0.3, 0.6))])))
    for kind, text in worse:
        if text.strip() != answer.text.strip():
            yield Pair(answer.source, answer.group, answer.prompt, answer.text, text, kind)


def _loop(text: str, random_: random.Random) -> str:
    """A sentence or a few words of the answer, again and again, and cut where a token limit would."""
    sentences = re.split(r"(?<=[.!?])\s+", text.strip())
    start = " ".join(text.split()[: random_.choice([2, 3, 5, 8, 12, 20])])
    unit = random_.choice([sentences[0], sentences[-1], start, start])
    words = (unit + random_.choice(["", "\n", "\n\n"])).split(" ")
    length = max(len(words) * 3, random_.randint(30, 120))
    return " ".join((words * (length // len(words) + 1))[:length])


def _echo(prompt: str, random_: random.Random) -> str:
    return random_.choice([prompt, f"{prompt}\n\n{prompt}", prompt.rstrip(".?!") + ".", f"{prompt}\n"])


def _others(answer: Answer, answers: Sequence[Answer], random_: random.Random) -> list[str]:
    """Two answers to other prompts of the same source, of much the same length."""
    others = [sample for sample in answers if sample.source == answer.source and sample.group != answer.group]
    others.sort(key=lambda other: abs(len(other.text) - len(answer.text)))
    return [completion.text for completion in random_.sample(others[:8], min(2, len(others)))]


def draw_answers(pairs: Sequence[Pair], counts: dict[str, int], seed: int = 1) -> list[Answer]:
    """Completions that people preferred, not long, one of each group and at most so many of each source."""
    random_ = random.Random(seed)
    drawn = []
    for source, count in counts.items():
        by_group: dict[str, list[Pair]] = {}
        for pair in pairs:
            if pair.source == source and 5 < len(pair.better.split()) < 150:
                by_group.setdefault(pair.group, []).append(pair)
        groups = random_.sample(sorted(by_group), min(count, len(by_group)))
        chosen = [random_.choice(by_group[group]) for group in groups]
        drawn += [Answer(pair.source, pair.group, pair.prompt, pair.better) for pair in chosen]
    return drawn
