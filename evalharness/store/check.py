"""Checks a run: reads each file from disk and compares it with the others."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from evalharness.errors import StoreError
from evalharness.records import Comparison, Completion, Failure, GateReport, Notice, Plan, Record, Score, explain
from evalharness.records.tokens import RefusalDepth, TokenComparison, TokenFacts
from evalharness.store import RunStore, files
from evalharness.store.generation import EVENTS
from evalharness.store.outputs import RUN_FILES
from evalharness.store.record_files import DIGESTS

Read = TypeVar("Read")
SCORE: TypeAdapter[Score] = TypeAdapter(Score)
FACTS = TypeAdapter(TokenFacts)
CONTINUATION = TypeAdapter(Completion)
WRITES_AGAIN = {
    "scorers.json": "score",
    "comparison.json": "score",
    "gate.json": "gate",
    "tokens.json": "tokens",
    "depth.json": "tokens --depth",
    "report.html": "report",
}
"""Which command writes a file again from others."""
MOST = 20
"""Most invalid lines listed per file; the rest are counted."""


class Problem(Record):
    """A problem of a run, with its fix."""

    file: str
    line: int | None = None
    kind: Literal["damaged", "incomplete", "stale"]
    """`stale`: made from an earlier state of other files."""
    message: str
    fix: str


class Checked(Record):
    """The result of checking a run."""

    run: str
    whole: bool
    requests: int
    outcomes: int
    """Requests that have one."""
    problems: tuple[Problem, ...]


def check_run(path: Path) -> Checked:
    """Read all files of a run and compare them with each other; nothing is written.

    Raises:
        StoreError: this is no run directory, or its manifest cannot be read.
    """
    store = RunStore(path)
    store.read_manifest()
    examination = Examination(store)
    examination.run()
    return Checked(
        run=str(path),
        whole=not examination.problems,
        requests=len(examination.requests),
        outcomes=len(examination.answered & examination.requests.keys()),
        problems=tuple(examination.problems),
    )


def stale(store: RunStore, comparison: Comparison | None, gate: GateReport | None) -> Iterator[Problem]:
    """Derived files that are older than their sources."""
    score, digests, scoring = f"evalharness score {store.path}", store.digests(), store.read_scoring()
    if comparison is not None and comparison.evidence_digest != digests.evidence:
        yield _stale(store, "comparison.json", "outcomes or scores newer than its comparison", score)
    if digests.scores and (scoring is None or scoring.scores_digest != digests.scores):
        yield _stale(store, "scores.jsonl", "scores newer than its scorers.json", score)
    elif scoring is not None and scoring.outcomes_digest != digests.outcomes:
        yield _stale(store, "scores.jsonl", "outcomes that changed after scoring", score)
    if comparison is not None and comparison.opinions_digest != digests.opinions:
        again = f"evalharness compare {store.path}"
        yield _stale(store, "comparison.json", "preferences newer than its comparison", again)
    if gate is not None and (comparison is None or gate.evidence_digest != comparison.evidence_digest):
        yield _stale(store, "gate.json", "a gate verdict on another comparison", f"evalharness gate {store.path}")


def stale_readings(store: RunStore, tokens: TokenComparison | None, depth: RefusalDepth | None) -> Iterator[Problem]:
    """A comparison of tokens or a depth of refusals that is older than its sources; readers leave it out."""
    again = f"evalharness tokens {store.path}"
    if tokens is not None and (tokens.outcomes_digest, tokens.facts_digest) != store.token_digests():
        what = "outcomes or token facts newer than its comparison of tokens"
        yield _stale(store, "tokens.json", what, again)
    if depth is not None and depth.made_of != store.depth_digests():
        what = "outcomes, scores or continuations newer than its depth of refusals"
        yield _stale(store, "depth.json", what, f"{again} --depth")


def refuse_stale(store: RunStore, comparison: Comparison | None = None) -> None:
    """Refuse scores, and a comparison, that were made from an earlier state of the run.

    Raises:
        StoreError: they were, or a file cannot be read.
    """
    for problem in stale(store, comparison, None):
        raise StoreError(problem.message, fix=problem.fix)


def _stale(store: RunStore, file: str, what: str, fix: str) -> Problem:
    return Problem(file=file, kind="stale", message=f"{store.path} holds {what}", fix=fix)


class Examination:
    """Reads a run; an unreadable file is a problem, and the others are still read."""

    def __init__(self, store: RunStore) -> None:
        self.store = store
        self.problems: list[Problem] = []
        self.requests: dict[str, str] = {}
        """In words, by id."""
        self.answered: set[str] = set()
        self.settled = False
        self.shard: str | None = None
        self.completed: set[str] = set()

    def run(self) -> None:
        """All problems, the most basic first."""
        broken = [name for name in sorted(RUN_FILES) if not self._is_regular(name)]
        config = self._attempt("manifest.json", self.store.read_config, broken)
        self.shard = config.shard if config else None
        plan = self._attempt("plan.json", self.store.read_plan, broken)
        self._read_requests(plan and plan.part(self.shard))
        if "outcomes.jsonl" not in broken:
            self._read_outcomes(plan is not None)
        if "scores.jsonl" not in broken:
            self._read_lines("scores.jsonl", SCORE, f"evalharness score {self.store.path}", planned=plan is not None)
        self._read_derived(plan, broken)

    def _add(self, kind: Literal["damaged", "incomplete"], file: str, message: str, fix: str, line: int | None) -> None:
        self.problems.append(Problem(file=file, line=line, kind=kind, message=message, fix=fix))

    def _is_regular(self, name: str) -> bool:
        path = self.store.path / name
        try:
            if files.exists(path):
                files.open_to_read(path).close()
        except OSError as error:
            fix = "remove it, or replace it by the file itself"
            self._add("damaged", name, f"{path} cannot be read: {error.strerror}", fix, None)
            return False
        return True

    def _attempt(self, name: str, read: Callable[[], Read], broken: list[str]) -> Read | None:
        if name in broken:
            return None
        try:
            return read()
        except StoreError as error:
            self._add("damaged", name, error.problem, error.fix, None)
            broken.append(name)
            return None

    def _read_requests(self, plan: Plan | None) -> None:
        for request in plan.requests if plan else ():
            self.requests[request.id] = f"sample {request.sample_id!r} of {request.checkpoint}"

    def _compare_digests(self, broken: list[str]) -> None:
        """Files that something else changed; those that are named already are left out."""
        written = self._attempt(DIGESTS, self.store.read_digests, broken) or {}
        named = {problem.file for problem in self.problems}
        for name in sorted((written.keys() & RUN_FILES) - named):
            path = self.store.path / name
            if files.exists(path) and files.digest(path) not in written[name]:
                command = WRITES_AGAIN.get(name)
                fix = f"evalharness {command} {self.store.path}" if command else "restore the file, or run again"
                self._add("damaged", name, f"{path} was changed after evalharness wrote it", fix, None)

    # -------------------------------------------------------------------------------------------- lines

    def _read_outcomes(self, planned: bool) -> None:
        resume = f"evalharness run --out {self.store.path} --resume"
        for number, event in self._lines("outcomes.jsonl", EVENTS, f"delete the line, then {resume}", resume):
            if isinstance(event, Notice) and event.kind == "settled":
                self.settled = True
            if isinstance(event, Completion | Failure):
                self.answered.add(event.request_id)
                if planned and event.request_id not in self.requests:
                    self._unknown("outcomes.jsonl", number, event.request_id)
        missing = [words for name, words in self.requests.items() if name not in self.answered]
        if missing and not self.settled:
            message = f"{len(missing):,} of {len(self.requests):,} requests have no outcome, the first {missing[0]}"
            self._add("incomplete", "outcomes.jsonl", message, resume, None)

    def _read_lines(self, name: str, form: TypeAdapter[Any], fix: str, *, planned: bool) -> None:
        """Lines that are each of one request, which the plan has."""
        for number, record in self._lines(name, form, f"delete the line, then {fix}", fix):
            if planned and record.request_id not in self.requests:
                self._unknown(name, number, record.request_id)

    def _unknown(self, name: str, number: int, request: str) -> None:
        message = f"{self.store.path / name}:{number} is for the request {request[:80]!r}, which is not in the plan"
        self._add("damaged", name, message, "delete the line, then score the run again", number)

    def _lines(self, name: str, form: TypeAdapter[Read], fix: str, torn: str) -> Iterator[tuple[int, Read]]:
        """The valid lines of a file with their numbers; of the others, the first are problems."""
        path, wrong = self.store.path / name, 0
        if not files.exists(path):
            return
        with files.open_to_read(path) as handle:
            for number, line in enumerate(handle, start=1):
                if not line.endswith(b"\n"):
                    self._add("damaged", name, f"{path}:{number} is incomplete: it has no line end", torn, number)
                    return
                try:
                    yield number, form.validate_json(line)
                except ValidationError as error:
                    wrong += 1
                    if wrong <= MOST:
                        self._add("damaged", name, f"{path}:{number} is not valid: {explain(error)}", fix, number)
        if wrong > MOST:
            self._add("damaged", name, f"{path} has {wrong - MOST:,} more wrong lines", fix, None)

    # ------------------------------------------------------------------------------------------ derived

    def _read_derived(self, plan: Plan | None, broken: list[str]) -> None:
        comparison = self._attempt("comparison.json", self.store.read_comparison, broken)
        gate = self._attempt("gate.json", self.store.read_gate, broken)
        for name, read in (
            ("scorers.json", self.store.read_scoring),
            ("preferences.jsonl", self.store.read_preferences),
            ("judgings.jsonl", self.store.read_judgings),
            ("ratings.jsonl", self.store.read_ratings),
        ):
            self._attempt(name, read, broken)
        tokens = self._attempt("tokens.json", self.store.read_tokens, broken)
        depth = self._attempt("depth.json", self.store.read_depth, broken)
        again = f"evalharness tokens {self.store.path}"
        if "tokens.jsonl" not in broken:
            self._read_lines("tokens.jsonl", FACTS, again, planned=plan is not None)
        if "depth.jsonl" not in broken:
            # Each is of a beginning, which no plan has.
            self._read_lines("depth.jsonl", CONTINUATION, f"{again} --depth", planned=False)
        if not broken:
            self.problems += stale(self.store, comparison, gate)
            self.problems += stale_readings(self.store, tokens, depth)
        self._compare_digests(broken)
        for name, command in (("comparison.json", "score"), ("report.html", "report")):
            expected = plan is not None and self.shard is None and name not in broken
            if expected and not files.exists(self.store.path / name):
                message = f"{self.store.path} has no {name}"
                self._add("incomplete", name, message, f"evalharness {command} {self.store.path}", None)
