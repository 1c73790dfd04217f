"""The run directory: its layout, atomic writes, append and resume. No other code opens run files.

manifest.json      the start of a run   format version, command, configuration, versions, hardware
plan.json          plan                 suites, resolved checkpoints, lint findings
requests.jsonl     plan                 one line a request, with its rendered prompt
outcomes.jsonl     generate             one line an outcome (completion or failure), notice or check; append-only
scores.jsonl       score                one line a score, written while scoring
scorers.json       score                versions, models with their digests, what each measures and how it is shown
comparison.json    compare              summaries, paired differences, findings, warnings
gate.json          gate                 the verdict of each gate rule, with its reason
preferences.jsonl  judge, rate import   which side a judge model or a person prefers
ratings.jsonl      rate import          what people say that a completion did, drawn with known probabilities
judgings.jsonl     judge                one line per judge model: its prompt, and the pairs on which it failed
tokens.jsonl       tokens               one line a completion that both checkpoints read, token by token; append-only
tokens.json        tokens               what the tuning changed, token by token: shares, divergences, shifted tokens
depth.jsonl        tokens --depth       one line a completion that begins with the other side's tokens; append-only
depth.json         tokens --depth       at which depth another beginning changes whether a checkpoint refuses
aa_test.json       aa-test              how much the baseline differs from itself
report.html        report               all of it, for people
digests.json       every stage          digests of files whose digest is in no other, by which `check` sees a change
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import ConfigDict, JsonValue, TypeAdapter, ValidationError

from evalharness.config import RunConfig
from evalharness.errors import FormatVersionError, StoreError
from evalharness.records import (
    AATest,
    ChatPrompt,
    Comparison,
    Completion,
    DeterminismCheck,
    Failure,
    GateReport,
    GenerationConfig,
    GenerationEvent,
    GenerationRequest,
    Judging,
    LabelRating,
    Manifest,
    Notice,
    Plan,
    Preference,
    RawPrompt,
    Record,
    Score,
    ScorerIdentity,
    Scoring,
    Spent,
    digest,
    slim,
)
from evalharness.records.depth import RefusalDepth
from evalharness.records.tokens import TokenComparison, TokenFacts
from evalharness.store import files, lock
from evalharness.store.appending import Appender
from evalharness.store.collection import uncollected
from evalharness.store.conditions import what_differs
from evalharness.store.digests import Digests
from evalharness.store.lines import Lines, StoredOutcomes, StoredScores, StoredTokens
from evalharness.store.record_files import RecordFiles
from evalharness.store.run import Run

__all__ = ["FORMAT_VERSION", "RETRIED", "Appender", "Run", "RunStore", "uncollected"]

FORMAT_VERSION = 2
# 1: the first format; 2: requests have a file of their own.

EVENTS: TypeAdapter[Completion | Failure | Notice | DeterminismCheck | Spent] = TypeAdapter(GenerationEvent)
RETRIED = frozenset({"server", "timeout", "out_of_memory", "error"})
"""Temporary kinds of failure: `--resume` retries these requests."""


class _RequestId(Record):
    """Of a request, what a shard is merged by."""

    model_config = ConfigDict(extra="ignore")

    id: str


class RunStore(RecordFiles):
    """Reads and writes one run directory.

    Whole files are written to a temporary name and renamed, so a reader never sees half a file. `outcomes.jsonl` is
    flushed after each line, which survives a crash of the process, and synced to disk when the lock is released.
    """

    # ------------------------------------------------------------------------------------------ lock

    @contextmanager
    def lock(self, *, create: bool = False) -> Iterator[None]:
        """Prevent other processes from writing here; the lock ends with the process.

        Raises:
            RunInUse: another process holds it.
            StoreError: the directory cannot be written, or is not a run directory (unless `create`).
        """
        if create:
            with self._writing():
                self.path.mkdir(parents=True, exist_ok=True)
        else:
            self.read_manifest()
        with self._writing():
            descriptor = lock.take(self.path)
        try:
            with self._writing():
                files.remove_left_over(self.path)
            yield
        finally:
            lock.release(self.path, descriptor)

    # ----------------------------------------------------------------------------------------- start

    def start(self, manifest: Manifest, plan: Plan, *, resume: bool) -> Plan:
        """Begin a new run, or resume the existing one, and return its plan.

        Raises:
            StoreError: there is a run and `resume` is not set, or its plan differs.
        """
        if not self._holds("plan.json"):
            self._write("manifest.json", manifest.model_dump_json(indent=2))
            self._write_lines("requests.jsonl", plan.requests)
            self._write("plan.json", plan.model_dump_json(exclude={"requests"}))
            return plan
        self.refuse_existing(resume=resume)
        self._check_shard(manifest)
        stored = self.read_plan()
        self._check_same(stored, plan)
        return stored

    def start_merged(self, manifest: Manifest, shard: "RunStore", events: Iterable[bytes]) -> None:
        """Begin a run with the plan of a shard and the outcomes of several, all files or none."""
        with self._replacing() as new:
            new.write("outcomes.jsonl", events)
            for name in ("plan.json", "requests.jsonl"):
                with shard._reading(name):
                    new.write(name, files.blocks(shard.path / name))
            new.write("manifest.json", [manifest.model_dump_json(indent=2).encode()])

    def refuse_existing(self, *, resume: bool) -> None:
        """Raise StoreError if a run exists and cannot be resumed or `resume` is not set."""
        if not self._holds("manifest.json"):
            return
        if not resume:
            raise StoreError(
                f"{self.path} holds a run already", fix="resume it with --resume, or choose another path with --out"
            )
        if any(one.backend == "elsewhere" for one in self.read_config().checkpoints):
            raise StoreError(
                f"{self.path} was generated elsewhere and imported, so nothing can be generated",
                fix=f"evalharness score {self.path} scores it again",
            )
        if self.read_manifest().paired_from:
            raise StoreError(
                f"{self.path} combines finished runs and cannot be resumed",
                fix="resume those runs, then compare them again",
            )

    def _check_shard(self, manifest: Manifest) -> None:
        ours, asked = (one.config.get("shard") for one in (self.read_manifest(), manifest))
        if ours != asked:
            raise StoreError(
                f"{self.path} was started as {f'shard {ours}' if ours else 'a run without shards'}",
                fix=f"resume it as it was started: evalharness run --out {self.path} --resume",
            )

    def _check_same(self, stored: Plan, planned: Plan) -> None:
        if difference := what_differs(stored, planned):
            raise StoreError(
                f"{self.path} was started under different conditions: {difference}",
                fix="restore those conditions, or start a new run with another --out",
            )

    # -------------------------------------------------------------------------------------- outcomes

    @contextmanager
    def appending(self, name: str = "outcomes.jsonl") -> Iterator[Appender]:
        """Open a file of lines for appending."""
        with self._writing():
            descriptor = files.open_to_append(self.path / name)
        try:
            yield Appender(descriptor, self._writing)
        finally:
            with self._writing():
                files.sync_and_close(descriptor)

    def recover(self) -> bool:
        """Remove an incomplete last line left by a kill or a full disk; True if there was one."""
        with self._writing():
            return files.cut_torn_line(self.path / "outcomes.jsonl")

    def read_events(self) -> list[Completion | Failure | Notice | DeterminismCheck | Spent]:
        """All events in the order they were written, without an incomplete last line.

        Raises:
            StoreError: a line other than the last is not an event.
        """
        with self._reading("outcomes.jsonl"):
            return [event for _, event in self._events()]

    def _events(self) -> Lines[Completion | Failure | Notice | DeterminismCheck | Spent]:
        return Lines(self.path / "outcomes.jsonl", self._event, growing=True)

    def _event(self, line: bytes, number: int) -> Completion | Failure | Notice | DeterminismCheck | Spent:
        try:
            return EVENTS.validate_json(line)
        except ValidationError:
            raise StoreError(
                f"{self.path / 'outcomes.jsonl'}:{number} is not an outcome of this version",
                fix="delete that line and use --resume: its request is generated again",
            ) from None

    def read_outcomes(self) -> StoredOutcomes:
        """Outcomes by request id; for a retried request, the last outcome.

        Raises:
            StoreError: a line other than the last is not an event.
        """
        with self._reading("outcomes.jsonl"):
            return StoredOutcomes(self._events())

    # ------------------------------------------------------------------------------------ whole files

    def read_manifest(self) -> Manifest:
        """Read the manifest and reject a run of a newer format.

        Raises:
            StoreError: this is not a run directory.
            FormatVersionError: it was written by a later evalharness.
        """
        text = self._read("manifest.json")
        try:
            version = TypeAdapter(dict[str, object]).validate_json(text).get("format_version")
        except ValidationError:
            version = None
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise FormatVersionError(
                f"{self.path} has run format {version}; this evalharness reads up to {FORMAT_VERSION}",
                fix="upgrade evalharness: pip install --upgrade evalharness",
            )
        return self._parse(Manifest, "manifest.json")

    def read_config(self) -> RunConfig:
        """The configuration that the run was started with.

        Raises:
            StoreError: the manifest holds none that is valid.
        """
        try:
            return RunConfig.model_validate(self.read_manifest().config)
        except ValidationError as error:
            raise self._not_valid("manifest.json", error) from None

    def keep_settings(self, table: str, settings: Mapping[str, JsonValue] | Mapping[str, dict[str, JsonValue]]) -> None:
        """Store a table of the configuration, so that the next scoring or comparison is the same."""
        manifest = self.read_manifest()
        if manifest.config.get(table) != settings:
            config = {**manifest.config, table: settings}
            self._write("manifest.json", manifest.model_copy(update={"config": config}).model_dump_json(indent=2))

    @uncollected()
    def read_plan(self) -> Plan:
        """Read the plan with its requests.

        Raises:
            StoreError: a file is missing or not valid, or a request names a sample or checkpoint that is not in the
            plan.
        """
        plan = slim(self._parse(Plan, "plan.json"))
        if plan.requests:  # Format 1 has them there.
            return plan
        with self._reading("requests.jsonl"):
            return plan.model_copy(update={"requests": tuple(self._requests(plan))})

    def read_request_ids(self) -> Iterator[str]:
        """The ids of all requests in order, without holding the requests."""
        with self._reading("requests.jsonl"):
            parse = self._line_parser(_RequestId, "requests.jsonl")
            yield from (request.id for _, request in Lines(self.path / "requests.jsonl", parse, needed=True))

    def plan_digest(self) -> str:
        """Digest over the plan with its requests.

        Raises:
            StoreError: it cannot be read.
        """
        return digest([self._digest("plan.json"), self._digest("requests.jsonl")])

    def _requests(self, plan: Plan) -> Iterator[GenerationRequest]:
        """There are many requests: their common parts, mainly prompts and settings, are stored once."""
        samples, checkpoints = {name: name for name in plan.samples}, {one.name: one.name for one in plan.checkpoints}
        configs: dict[GenerationConfig, GenerationConfig] = {}
        prompts: dict[str, RawPrompt | ChatPrompt] = {}
        parse = self._line_parser(GenerationRequest, "requests.jsonl")
        for _, request in Lines(self.path / "requests.jsonl", parse, needed=True):
            sample, checkpoint = samples.get(request.sample_id), checkpoints.get(request.checkpoint)
            if sample is None or checkpoint is None:
                what = f"checkpoint {request.checkpoint!r}" if checkpoint is None else f"sample {request.sample_id!r}"
                raise StoreError(
                    f"{self.path / 'requests.jsonl'} names {what}, which is not in the plan",
                    fix="restore the file, or run again",
                )
            config = configs.setdefault(request.config, request.config)
            prompt = prompts.setdefault(sample, request.prompt)
            common = {"prompt": prompt} if prompt == request.prompt else {}
            yield slim(
                request.model_copy(update={"sample_id": sample, "checkpoint": checkpoint, "config": config, **common})
            )

    def write_scores(self, scores: Iterable[Score], scorers: Iterable[ScorerIdentity] = ()) -> None:
        """Replace all scores; the old comparison and gate are removed."""
        self.write_score_lines((score.model_dump_json().encode() + b"\n" for score in scores), scorers)

    def write_score_lines(self, lines: Iterable[bytes], scorers: Iterable[ScorerIdentity]) -> None:
        """As `write_scores`, with each score as a line of JSON."""
        outcomes = self.digests().outcomes
        with self._writing():
            with self._replacing() as new:
                made = new.write("scores.jsonl", lines)
                scoring = Scoring(scorers=tuple(scorers), outcomes_digest=outcomes, scores_digest=made)
                new.write("scorers.json", [scoring.model_dump_json(indent=2).encode()])
            for name in ("comparison.json", "gate.json"):
                files.remove(self.path / name)

    def read_scores(self) -> StoredScores:
        """Read all scores; empty if the run was not scored yet."""
        with self._reading("scores.jsonl"):
            return StoredScores(Lines(self.path / "scores.jsonl", self._line_parser(Score, "scores.jsonl")))

    def read_scoring(self) -> Scoring | None:
        """The scorers and the outcomes that they scored; None if the run was not scored yet."""
        return self._parse(Scoring, "scorers.json") if self._holds("scorers.json") else None

    def digests(self) -> Digests:
        """Digests of the files that others are derived from.

        Raises:
            StoreError: one cannot be read.
        """
        names = ("outcomes.jsonl", "scores.jsonl", "preferences.jsonl", "judgings.jsonl", "ratings.jsonl")
        return Digests(*map(self._digest, names))

    def _digest(self, name: str) -> str:
        try:
            return files.digest(self.path / name) if self._holds(name) else ""
        except OSError as error:
            raise StoreError(f"{self.path / name} cannot be read: {error.strerror}", fix="check the file") from None

    def write_comparison(self, comparison: Comparison) -> None:
        """Replace the comparison; a gate of other evidence is removed."""
        self._replace_shown("comparison.json", comparison.model_dump_json(indent=2))
        gate = self.read_gate()
        if gate is not None and gate.evidence_digest != comparison.evidence_digest:
            with self._writing():
                files.remove(self.path / "gate.json")

    def _replace_shown(self, name: str, text: str) -> None:
        """Replace a file that the report shows; if it changes, the old report is removed first."""
        if self._holds(name) and self._read_bytes(name) == text.encode():
            return
        with self._replacing() as new:
            new.write(name, [text.encode()])
            files.remove(self.path / "report.html")

    def read_comparison(self) -> Comparison | None:
        """Read the comparison; None if there is none yet."""
        return self._parse(Comparison, "comparison.json") if self._holds("comparison.json") else None

    def _comparison_of(self, plan: Plan) -> Comparison | None:
        comparison = self.read_comparison()
        if comparison is not None:
            named = {
                comparison.baseline,
                comparison.candidate,
                *(other.candidate for other in comparison.other_comparisons),
            }
            if unknown := named - {checkpoint.name for checkpoint in plan.checkpoints}:
                raise StoreError(
                    f"{self.path / 'comparison.json'} compares {min(unknown)!r}, which is not in the plan",
                    fix=f"compare again: evalharness score {self.path}",
                )
        return comparison

    def write_gate(self, report: GateReport) -> None:
        """Replace the results of the gate rules."""
        self._replace_shown("gate.json", report.model_dump_json(indent=2))

    def read_gate(self) -> GateReport | None:
        """Read the results of the gate rules; None if they were not judged."""
        return self._parse(GateReport, "gate.json") if self._holds("gate.json") else None

    def write_preferences(self, preferences: Iterable[Preference]) -> None:
        """Replace all preferences."""
        self.write_opinions(preferences, None)

    def write_opinions(self, preferences: Iterable[Preference], judgings: Iterable[Judging] | None) -> None:
        """Replace all preferences and, if given, the judgings, together or not at all."""
        with self._replacing() as new:
            new.write("preferences.jsonl", (one.model_dump_json().encode() + b"\n" for one in preferences))
            if judgings is not None:
                new.write("judgings.jsonl", (one.model_dump_json().encode() + b"\n" for one in judgings))

    def write_ratings(self, ratings: Iterable[LabelRating]) -> None:
        """Replace all labels that people gave."""
        self._write_lines("ratings.jsonl", ratings)

    def read_ratings(self) -> tuple[LabelRating, ...]:
        """Read the labels that people gave; empty if there are none."""
        return self._parse_lines(LabelRating, "ratings.jsonl")

    def read_preferences(self) -> tuple[Preference, ...]:
        """Read the preferences of people and judges; empty if there are none."""
        return self._parse_lines(Preference, "preferences.jsonl")

    def read_judgings(self) -> tuple[Judging, ...]:
        """Read the judgings of all judges; empty if there are none."""
        return self._parse_lines(Judging, "judgings.jsonl")

    def read_token_facts(self) -> StoredTokens:
        """What both checkpoints make of each completion; empty if `tokens` was not run."""
        with self._reading("tokens.jsonl"):
            parse = self._line_parser(TokenFacts, "tokens.jsonl")
            return StoredTokens(Lines(self.path / "tokens.jsonl", parse, growing=True))

    def recover_token_facts(self) -> None:
        """Remove an incomplete last line left by a kill or a full disk."""
        with self._writing():
            files.cut_torn_line(self.path / "tokens.jsonl")

    def write_tokens(self, comparison: TokenComparison) -> None:
        """Replace the comparison of tokens."""
        self._replace_shown("tokens.json", comparison.model_dump_json(indent=2))

    def read_tokens(self) -> TokenComparison | None:
        """Read the comparison of tokens; None if there is none."""
        return self._parse(TokenComparison, "tokens.json") if self._holds("tokens.json") else None

    def token_digests(self) -> tuple[str, str]:
        """Digests of the files that a comparison of tokens is made from: outcomes and facts."""
        return self._digest("outcomes.jsonl"), self._digest("tokens.jsonl")

    def _tokens_of_now(self) -> TokenComparison | None:
        """The comparison of tokens, unless outcomes or facts changed since."""
        tokens = self.read_tokens()
        same = tokens is not None and (tokens.outcomes_digest, tokens.facts_digest) == self.token_digests()
        return tokens if same else None

    def read_continuations(self) -> dict[str, Completion]:
        """Completions that were made to begin with the other side's tokens, by a digest over all that they are of."""
        with self._reading("depth.jsonl"):
            parse = self._line_parser(Completion, "depth.jsonl")
            return {one.request_id: one for _, one in Lines(self.path / "depth.jsonl", parse, growing=True)}

    def recover_continuations(self) -> None:
        """Remove an incomplete last line left by a kill or a full disk."""
        with self._writing():
            files.cut_torn_line(self.path / "depth.jsonl")

    def write_depth(self, depth: RefusalDepth) -> None:
        """Replace what is known of the depth of refusals."""
        self._replace_shown("depth.json", depth.model_dump_json(indent=2))

    def read_depth(self) -> RefusalDepth | None:
        """Read it; None if there is none."""
        return self._parse(RefusalDepth, "depth.json") if self._holds("depth.json") else None

    def depth_digests(self) -> tuple[str, str, str]:
        """Digests of the files that it is made from: outcomes, scores and continuations."""
        return self._digest("outcomes.jsonl"), self._digest("scores.jsonl"), self._digest("depth.jsonl")

    def _depth_of_now(self) -> RefusalDepth | None:
        """The depth of refusals, unless what it is made from changed since."""
        depth = self.read_depth()
        return depth if depth is not None and depth.made_of == self.depth_digests() else None

    def write_aa_test(self, test: AATest) -> None:
        """Write the result of an A/A test."""
        self._write("aa_test.json", test.model_dump_json(indent=2))

    def read_aa_test(self) -> AATest:
        """Read it.

        Raises:
            StoreError: this run was not an A/A test.
        """
        return self._parse(AATest, "aa_test.json")

    def write_report(self, html: str) -> Path:
        """Replace the report and return its path."""
        self._write("report.html", html)
        return self.path / "report.html"

    def has_report(self) -> bool:
        """Whether there is a report; an outdated report is removed when its results are replaced."""
        return self._holds("report.html")

    def load(self, plan: Plan | None = None) -> Run:
        """Read the run; its texts and scores stay on disk until needed.

        Args:
            plan: its plan, where that was read before.
        """
        manifest, outcomes, scoring = self.read_manifest(), self.read_outcomes(), self.read_scoring()
        plan, tokens = plan or self.read_plan(), self._tokens_of_now()
        return Run(
            path=self.path,
            manifest=manifest,
            plan=plan,
            outcomes=outcomes,
            notices=outcomes.notices,
            determinism=outcomes.determinism,
            spent=outcomes.spent,
            scores=self.read_scores(),
            scorers=scoring.scorers if scoring else (),
            comparison=self._comparison_of(plan),
            gate=self.read_gate(),
            preferences=self.read_preferences(),
            judgings=self.read_judgings(),
            tokens=tokens,
            token_facts=self.read_token_facts() if tokens else {},
            depth=self._depth_of_now(),
            ratings=self.read_ratings(),
        )
