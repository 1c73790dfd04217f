"""One run directory: its lock, its start, and the run that it holds."""

import os
import platform
import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from evalharness.config import RunConfig
from evalharness.errors import StoreError
from evalharness.records import Manifest, Plan, Record
from evalharness.store import files, lock
from evalharness.store.generation import FORMAT_VERSION, GenerationFiles
from evalharness.store.results import ResultFiles, TokenFiles
from evalharness.store.run import Run


def what_differs(stored: Plan, planned: Plan) -> str | None:
    """The first relevant difference between a run's plan and a new one; None if the run can be resumed."""
    if _conditions(stored) == _conditions(planned):
        return None
    if [suite.digest for suite in stored.suites] != [suite.digest for suite in planned.suites]:
        return "the suite has changed"
    old = {side.name: side for side in stored.checkpoints}
    for side in planned.checkpoints:
        if side.name not in old:
            return f"checkpoint {side.name!r} is new"
        changed = _changed_fields(old[side.name].identity, side.identity)
        if changed:
            return f"checkpoint {side.name!r} has another {', '.join(changed)}"
        if old[side.name].checkpoint.prompt_format != side.checkpoint.prompt_format:
            return f"checkpoint {side.name!r} is prompted as {side.checkpoint.prompt_format}"
    if (stored.baseline, stored.candidate) != (planned.baseline, planned.candidate):
        return f"the baseline was {stored.baseline!r} and the candidate {stored.candidate!r}"
    changed = _changed_fields(stored.requests[0].config, planned.requests[0].config)
    if changed:
        return f"the generation has another {', '.join(changed)}"
    if _replicates(stored) != _replicates(planned):
        return f"it has {_replicates(stored)} replicates"
    return "the requests have changed"


def _conditions(plan: Plan) -> list[object]:
    suites = [suite.digest for suite in plan.suites]
    return [plan.baseline, plan.candidate, suites, [request.id for request in plan.requests]]


def _replicates(plan: Plan) -> int:
    return 1 + max(request.replicate for request in plan.requests)


def _changed_fields(old: Record, new: Record) -> list[str]:
    left, right = old.model_dump(), new.model_dump()
    return [name.replace("_", " ") for name in left if left[name] != right.get(name)]


class RunStore(GenerationFiles, ResultFiles, TokenFiles):
    """Reads and writes one run directory.

    Whole files are written to a temporary name and renamed, so a reader never sees half a file. `outcomes.jsonl` is
    flushed after each line, which survives a crash of the process, and synced to disk when the lock is released.
    """

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
        ours, asked = (kept.config.get("shard") for kept in (self.read_manifest(), manifest))
        if ours != asked:
            raise StoreError(
                f"{self.path} was started as {f'shard {ours}' if ours else 'a run without shards'}",
                fix=f"resume it as it was started: evalharness run --out {self.path} --resume",
            )
        stored = self.read_plan()
        if difference := what_differs(stored, plan):
            raise StoreError(
                f"{self.path} was started under different conditions: {difference}",
                fix="restore those conditions, or start a new run with another --out",
            )
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
        if any(side.backend == "elsewhere" for side in self.read_config().checkpoints):
            raise StoreError(
                f"{self.path} was generated elsewhere and imported, so nothing can be generated",
                fix=f"evalharness score {self.path} scores it again",
            )
        if self.read_manifest().paired_from:
            raise StoreError(
                f"{self.path} combines finished runs and cannot be resumed",
                fix="resume those runs, then compare them again",
            )

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


PACKAGES = ("numpy", "pydantic", "torch", "transformers", "tokenizers", "accelerate", "gguf", "peft")


def make_manifest(config: RunConfig) -> Manifest:
    """The manifest of a run that starts now."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return Manifest(
        format_version=FORMAT_VERSION,
        evalharness_version=version("evalharness"),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command_line(),
        config=config.model_dump(mode="json"),
        seed=config.seed,
        versions={"python": platform.python_version(), **versions},
        hardware=hardware(),
    )


def command_line() -> str:
    """The command line, or `python` if evalharness was called from Python."""
    place = Path(sys.argv[0])
    if "evalharness" not in (place.name, place.parent.name if place.name == "__main__.py" else ""):
        return "python"
    return shlex.join(["evalharness", *sys.argv[1:]])


def hardware() -> dict[str, str]:
    """System, processor and cores."""
    facts = {"system": f"{platform.system()} {platform.machine()}", "processor": _processor()}
    return {**facts, "cores": str(os.cpu_count() or "unknown")}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
