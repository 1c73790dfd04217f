"""What a run was started with, and what was generated: manifest, plan, requests and outcomes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from pydantic import ConfigDict, JsonValue, TypeAdapter, ValidationError

from evalharness.config import RunConfig
from evalharness.errors import FormatVersionError, StoreError
from evalharness.records import (
    ChatPrompt,
    Completion,
    DeterminismCheck,
    Failure,
    GenerationConfig,
    GenerationEvent,
    GenerationRequest,
    Manifest,
    Notice,
    Plan,
    RawPrompt,
    Record,
    Spent,
    digest,
    slim,
)
from evalharness.store import files
from evalharness.store.lines import Lines, StoredOutcomes, uncollected
from evalharness.store.record_files import RecordFiles

FORMAT_VERSION = 2
# 1: the first format; 2: requests have a file of their own.

EVENTS: TypeAdapter[Completion | Failure | Notice | DeterminismCheck | Spent] = TypeAdapter(GenerationEvent)


class _RequestId(Record):
    """Of a request, what a shard is merged by."""

    model_config = ConfigDict(extra="ignore")

    id: str


class _SuiteDigest(Record):
    model_config = ConfigDict(extra="ignore")

    digest: str


class _PlannedSuites(Record):
    """Of a plan, what the ids of its requests do not cover."""

    model_config = ConfigDict(extra="ignore")

    suites: tuple[_SuiteDigest, ...]


class Appender:
    """Appends records; each line is written completely or not at all."""

    def __init__(self, descriptor: int, writing: Callable[[], AbstractContextManager[None]]) -> None:
        self._descriptor = descriptor
        self._writing = writing

    def append(self, record: Record) -> None:
        """Write one line.

        Raises:
            StoreError: the disk is full; the partly written line is removed.
        """
        line = record.model_dump_json().encode() + b"\n"
        with self._writing():
            files.append(self._descriptor, line)


class GenerationFiles(RecordFiles):
    """Reads what was planned, and reads and appends what was generated."""

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
        """Digest over what is asked and how it is judged: the requests and the suites, not where a server is."""
        suites = self._parse(_PlannedSuites, "plan.json").suites
        return digest([*(suite.digest for suite in suites), self._digest("requests.jsonl")])

    def _requests(self, plan: Plan) -> Iterator[GenerationRequest]:
        """There are many requests: their common parts, mainly prompts and settings, are stored once."""
        samples = {name: name for name in plan.samples}
        checkpoints = {side.name: side.name for side in plan.checkpoints}
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

    def recover(self, name: str = "outcomes.jsonl") -> bool:
        """Remove an incomplete last line left by a kill or a full disk; True if there was one."""
        with self._writing():
            return files.cut_torn_line(self.path / name)

    def read_events(self) -> list[Completion | Failure | Notice | DeterminismCheck | Spent]:
        """All events in the order they were written, without an incomplete last line."""
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
