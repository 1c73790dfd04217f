"""How far the scorers agree with the gold set of completions in tests/gold.

    python benchmarks/gold.py             # the working set
    python benchmarks/gold.py --held-out  # a held-out set: once, when nothing will be changed any more
    python benchmarks/gold.py --fresh     # the newer one

Prints counts, agreement and, of the working set, ids; never a text. What the labels mean is in docs/labelling.md.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from conditions import conditions

from evalharness.completion.state import NON_ANSWERS
from evalharness.records import Completion, Sample, Score
from evalharness.scorers import Item, open_scorer
from evalharness.statistics.agreement import cohens_kappa

GOLD = Path(__file__).parent.parent / "tests" / "gold"
WORK, HELD_OUT, FRESH = "completions", "held_out", "fresh"
ANSWERS = {
    "full_refusal": "refuses",
    "partial_refusal": "partial",
    "compliance": "complies",
    "no_answer": "none",
    "unclear": "unclear",
}
"""The refusal scorer's labels in the words of the guide."""
MISSING = "missing"
KINDS: dict[str, Callable[[str], bool]] = {
    "base greedy": lambda source: source.startswith("base") and source.endswith("greedy"),
    "base sampled": lambda source: source.startswith("base") and source.endswith("sampled"),
    "instruct": lambda source: not source.startswith("base"),
}


class Read(NamedTuple):
    """A completion with the readers' labels and the scorers'."""

    id: str
    source: str
    answer: str
    ending: str
    scorer_answer: str
    """`missing` where the refusal scorer gives no label."""
    state: str
    """The style scorer's."""

    @property
    def called_no_answer(self) -> bool:
        """By the refusal scorer, or by the state where that scorer has no label."""
        return self.scorer_answer == "none" or (self.scorer_answer == MISSING and self.state in NON_ANSWERS)


def gold_rows(name: str) -> list[dict[str, Any]]:
    """Rows of the set `WORK`, `HELD_OUT` or `FRESH`."""
    return [json.loads(line) for line in (GOLD / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def read_by_scorers(rows: Sequence[dict[str, Any]]) -> list[Read]:
    items = [item_of(row) for row in rows]
    refusals, styles = (open_scorer(name).score(items) for name in ("refusal", "style"))
    return [
        Read(row["id"], row["source"], row["final"]["answer"], row["final"]["ending"], answer_of(refusal), str(state))
        for row, refusal, state in zip(rows, refusals, (style.label for style in styles), strict=True)
    ]


def item_of(row: dict[str, Any]) -> Item:
    completion = Completion(request_id=row["id"], text=row["completion"], finish_reason=row["finish_reason"])
    return Item(Sample.model_validate(row["sample"]), completion)


def answer_of(score: Score) -> str:
    return ANSWERS.get(score.label or "", MISSING)


# ------------------------------------------------------------------------------------------- figures


def report(reads: Sequence[Read], named: bool) -> None:
    print(f"{len(reads)} completions; answers {counts(each.answer for each in reads)}")
    agreement("all", reads)
    for name, belongs in KINDS.items():
        part = [each for each in reads if belongs(each.source)]
        if not part:
            print(f"{name}: none in the set")
            continue
        print(f"{name}: {len(part)} completions; answers {counts(each.answer for each in part)}")
        agreement(name, part)
        clear = [each for each in part if each.answer != "unclear"]
        detection("non-answers", [(each.answer == "none", each.called_no_answer, each.id) for each in clear], named)
        detection("loops", [(each.ending == "loops", each.state == "loop", each.id) for each in part], named)
        complies_on_nothing(part)
        unclear_ones(part)
    print("readers, scorer")
    for (people, scorer), count in sorted(Counter((each.answer, each.scorer_answer) for each in reads).items()):
        print(f"  {people:<10} {scorer:<10} {count:>4}")


def counts(labels: Any) -> str:
    return ", ".join(f"{label} {count}" for label, count in Counter(labels).most_common())


def agreement(title: str, reads: Sequence[Read]) -> None:
    """Kappa of the answer axis where both sides have a label, and how many rows that leaves out."""
    both = [each for each in reads if each.answer != "unclear" and each.scorer_answer not in (MISSING, "unclear")]
    kappa = cohens_kappa([each.answer for each in both], [each.scorer_answer for each in both], seed=0)
    interval = "" if kappa.low is None else f" [{kappa.low:.3f}, {kappa.high:.3f}]"
    print(
        f"  answer, {title}: n {len(both)} of {len(reads)}, equal {kappa.agreed:.3f}, kappa {kappa.value:.3f}{interval}"
    )


def detection(title: str, rows: Sequence[tuple[bool, bool, str]], named: bool) -> None:
    """Recall and precision; if `named`, the ids of what was missed and of false alarms."""
    right = sum(is_so and seen for is_so, seen, _ in rows)
    missed = [each for is_so, seen, each in rows if is_so and not seen]
    false = [each for is_so, seen, each in rows if seen and not is_so]
    print(f"  {title}: recall {share(right, right + len(missed))}, precision {share(right, right + len(false))}")
    if named:
        print(f"    missed {' '.join(missed) or 'nothing'}")
        print(f"    false  {' '.join(false) or 'nothing'}")


def complies_on_nothing(reads: Sequence[Read]) -> None:
    """How often the scorer says `complies` of a text that readers call no answer."""
    nothing = [each for each in reads if each.answer == "none"]
    wrong = sum(each.scorer_answer == "complies" for each in nothing)
    print(f"  called `complies` of the readers' non-answers: {share(wrong, len(nothing))}")


def unclear_ones(reads: Sequence[Read]) -> None:
    """How many there are, and how often they would be wrong if forced: all of them lean to `complies`."""
    read = [each for each in reads if each.answer != "unclear"]
    unclear = [each for each in read if each.scorer_answer == "unclear"]
    clear = [each for each in read if each.scorer_answer not in (MISSING, "unclear")]
    forced, rest = (
        sum(each.answer != "complies" for each in unclear),
        sum(each.answer != each.scorer_answer for each in clear),
    )
    print(f"  unclear: {share(sum(each.scorer_answer == 'unclear' for each in reads), len(reads))}")
    print(f"    wrong if forced {share(forced, len(unclear))}, the others {share(rest, len(clear))}")


def share(part: int, whole: int) -> str:
    return f"{part} of {whole}" + (f" ({part / whole:.3f})" if whole else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sets = parser.add_mutually_exclusive_group()
    for flag, kept in (("--held-out", HELD_OUT), ("--fresh", FRESH)):
        text = "a set that is to be scored once, at the end"
        sets.add_argument(flag, dest="name", action="store_const", const=kept, default=WORK, help=text)
    name = parser.parse_args().name
    if name != WORK:
        print("this set is to be scored once: do not change a rule after what it shows", file=sys.stderr)
    print(conditions("numpy"))
    print(f"set: {name}")
    report(read_by_scorers(gold_rows(name)), named=name == WORK)


if __name__ == "__main__":
    main()
