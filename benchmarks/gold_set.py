"""Makes the gold sets of completions: draws them, prints sheets to be labelled by reading, merges the readings.

    python benchmarks/gold_set.py draw SET RAW                      # completions of the bundled checkpoints, unlabelled
    python benchmarks/gold_set.py sheet RAW SEED FOLDER             # what a reader sees, shuffled, in sheets
    python benchmarks/gold_set.py merge SET RAW FIRST SECOND FINAL  # readings into tests/gold/SET.jsonl

SET is `held_out`, with prompts of groups that the working set did not hold, or `completions`, which adds to that.
No scorer is imported here: the labels must not know what a scorer says. A reading is a file of lines
`ID ANSWER ENDING`. SECOND may hold some of the rows; FINAL holds those on which the readings differ, or `ID drop` for a
row to leave out.
"""

import argparse
import json
import random
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from evalharness.backends import open_backend
from evalharness.prompting import build_prompt
from evalharness.records import (
    Checkpoint,
    Completion,
    GenerationConfig,
    GenerationRequest,
    PromptFormat,
    Sample,
    digest,
)
from evalharness.store import RunStore
from evalharness.suites import load_suite

GOLD = Path(__file__).parent.parent / "tests" / "gold"
REPOSITORY = GOLD.parent.parent
SEED = 15
MAX_TOKENS = 96
LEFT_OUT = ("hate", "drugs_and_weapons", "theft-copper", "harass-profile")
"""Categories that are not drawn, so that the texts stay mild, and groups with a label that is known to be wrong."""
ANSWERS = ("refuses", "partial", "complies", "none", "unclear")
ENDINGS = ("itself", "cut", "aborted", "loops", "goes_on")
SHEET_ROWS = 100


class Source(NamedTuple):
    """Where completions come from: a committed run, or generated anew where `run` is empty."""

    name: str
    checkpoint: str
    prompt_format: PromptFormat
    run: str
    counts: dict[str, int]
    """How many of each suite."""


EXAMPLE, REGRESSION = "reports/example", "demo/recorded/regression"
HELD_OUT = (
    Source("base raw greedy", "base", "raw", EXAMPLE, {"refusal": 18, "style": 12, "instructions": 10}),
    Source("base icl greedy", "base-icl", "icl", EXAMPLE, {"refusal": 18, "style": 8, "instructions": 10}),
    Source("instruct chat greedy", "instruct", "chat", EXAMPLE, {"refusal": 18, "style": 12, "instructions": 10}),
    Source("regressed chat greedy", "regressed", "chat", REGRESSION, {"refusal": 14}),
    Source("base raw sampled", "base", "raw", "", {"refusal": 18, "style": 12, "instructions": 10}),
    Source("base icl sampled", "base", "icl", "", {"refusal": 6, "style": 4, "instructions": 4}),
    Source("instruct chat sampled", "instruct", "chat", "", {"refusal": 8, "style": 6, "instructions": 6}),
)

WORK = (
    Source("base icl greedy", "base-icl", "icl", EXAMPLE, {"refusal": 12, "style": 6, "instructions": 6}),
    Source("instruct chat greedy", "instruct", "chat", EXAMPLE, {"refusal": 12, "style": 6, "instructions": 6}),
    Source("base raw sampled", "base", "raw", "", {"refusal": 20, "core": 14, "style": 12, "instructions": 8}),
    Source("base icl sampled", "base", "icl", "", {"refusal": 12, "core": 8, "style": 4, "instructions": 4}),
    Source("instruct chat sampled", "instruct", "chat", "", {"refusal": 10, "core": 10, "style": 4, "instructions": 4}),
)
SETS = {"held_out": HELD_OUT, "completions": WORK}


# ---------------------------------------------------------------------------------------- completions


def draw(name: str, raw: Path) -> None:
    """Completions of committed runs, or sampled now."""
    known = {row["sample"]["group"] for row in read(GOLD / "completions.jsonl")}
    rows: list[dict[str, Any]] = []
    for source in SETS[name]:
        rows += rows_of(name, source, drawn(source, known, inside=name == "completions"))
    write(raw, rows)
    print(f"{len(rows)} completions in {raw}")


def drawn(source: Source, known: Collection[str], *, inside: bool) -> list[tuple[str, Sample]]:
    """Suite and sample, at random, of groups `inside` the `known` ones or of others."""
    chosen: list[tuple[str, Sample]] = []
    for suite, count in source.counts.items():
        samples = [
            sample
            for sample in load_suite(suite).samples
            if not {sample.category, sample.group} & {*LEFT_OUT}
            and (sample.group in known) == inside
            and (source.prompt_format != "icl" or sample.kind == "instruction")
        ]
        picked = random.Random(f"{SEED} {source.name} {suite}").sample(samples, count)
        chosen += [(suite, sample) for sample in picked]
    return chosen


def rows_of(name: str, source: Source, chosen: Sequence[tuple[str, Sample]]) -> Iterator[dict[str, Any]]:
    samples = [sample for _, sample in chosen]
    completions = recorded(source, samples) if source.run else sampled(source, samples)
    for (suite, sample), completion in zip(chosen, completions, strict=True):
        yield {
            "id": name[0] + digest([source.name, sample.id]).removeprefix("sha256:")[:6],
            "half": "held_out" if name == "held_out" else "work",
            "source": source.name,
            "model": f"demo/{source.checkpoint.removesuffix('-icl')}",
            "prompt_format": source.prompt_format,
            "temperature": 0.0 if source.run else 1.0,
            "suite": suite,
            "sample": sample.model_dump(mode="json", exclude_defaults=True),
            "completion": completion.text,
            "finish_reason": completion.finish_reason,
        }


def recorded(source: Source, samples: Sequence[Sample]) -> list[Completion]:
    store = RunStore(REPOSITORY / source.run)
    outcomes = store.read_outcomes()
    ids = {
        request.sample_id: request.id
        for request in store.read_plan().requests
        if request.checkpoint == source.checkpoint
    }
    return [cast(Completion, outcomes[ids[sample.id]]) for sample in samples]


def sampled(source: Source, samples: Sequence[Sample]) -> list[Completion]:
    """At temperature 1."""
    variant = "base" if source.checkpoint == "base" else "instruct"
    backend = open_backend(
        Checkpoint(
            name=source.name,
            model=f"demo/{source.checkpoint}",
            variant=variant,
            prompt_format=source.prompt_format,
        )
    )
    resolved = backend.resolve()
    prompts = [build_prompt(sample, source.prompt_format) for sample in samples]
    config = GenerationConfig(max_tokens=MAX_TOKENS, temperature=1.0, seed=SEED)
    requests = [
        GenerationRequest.of(resolved, sample.id, prompt, rendered, config)
        for sample, prompt, rendered in zip(samples, prompts, backend.render(prompts), strict=True)
    ]
    events = {event.request_id: event for event in backend.generate(requests) if isinstance(event, Completion)}
    backend.close()
    return [events[request.id] for request in requests]


# ------------------------------------------------------------------------------------------- readings


def sheet(raw: Path, seed: int, out: Path) -> None:
    """Sheets with number, what was asked, completion and finish reason; nothing of the checkpoint or the suite."""
    rows = read(raw)
    random.Random(seed).shuffle(rows)
    out.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(rows), SHEET_ROWS):
        text = "\n".join(shown(row) for row in rows[start : start + SHEET_ROWS])
        (out / f"sheet-{start // SHEET_ROWS + 1:02}.txt").write_text(text, encoding="utf-8")


def shown(row: dict[str, Any]) -> str:
    asked = "\n".join(f"{turn['role']}: {turn['content']}" for turn in row["sample"]["messages"])
    kind = ", a text to continue" if row["sample"].get("kind") == "continuation" else ""
    return f"### {row['id']} ({row['finish_reason']}{kind})\n{asked}\n---\n{row['completion']}\n"


def merge(name: str, raw: Path, first: Path, second: Path, final: Path) -> None:
    """Add rows to a set: the readings of each, and a final label where two differ."""
    left, other, settled = reading(first), reading(second), reading(final)
    path = GOLD / f"{name}.jsonl"
    rows = {row["id"]: row for row in read(path)} if path.exists() else {}
    for row in read(raw):
        labels = {"first": left[row["id"]]} | ({"second": other[row["id"]]} if row["id"] in other else {})
        agreed = labels["first"] == labels.get("second", labels["first"])
        last = settled.get(row["id"], labels["first"] if agreed else None)
        if last is None:
            raise SystemExit(f"{row['id']}: the readings differ and {final} does not settle it")
        if last:
            rows[row["id"]] = row | labels | {"final": last}
    write(path, [rows[identity] for identity in sorted(rows)])
    print(f"{len(rows)} rows in {path}")


def reading(path: Path) -> dict[str, dict[str, str]]:
    """Labels by id; an empty dict for a dropped row.

    Raises:
        SystemExit: a line has another shape, or a word that is no label.
    """
    results: dict[str, dict[str, str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        identity, *labels = line.split()
        if labels == ["drop"]:
            results[identity] = {}
        elif len(labels) == 2 and labels[0] in ANSWERS and labels[1] in ENDINGS and identity not in results:
            results[identity] = dict(zip(("answer", "ending"), labels, strict=True))
        else:
            raise SystemExit(f"{path}: cannot read {line!r}")
    return results


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


ARGUMENTS: dict[str, dict[str, Callable[[str], Any]]] = {
    "draw": {"name": str, "raw": Path},
    "sheet": {"raw": Path, "seed": int, "out": Path},
    "merge": {"name": str, "raw": Path, "first": Path, "second": Path, "final": Path},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, arguments in ARGUMENTS.items():
        command = commands.add_parser(name)
        for argument, kind in arguments.items():
            command.add_argument(argument, type=kind)
    given = vars(parser.parse_args())
    {"draw": draw, "sheet": sheet, "merge": merge}[given.pop("command")](**given)


if __name__ == "__main__":
    main()
