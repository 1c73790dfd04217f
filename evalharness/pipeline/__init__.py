"""The stages in order: suite, plan, generate, score, compare, report. Reads like the README."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

from pydantic import JsonValue

from evalharness.backends import backend_class, open_backend, refuse_without_teacher
from evalharness.backends.survey import Check
from evalharness.compare.pairing import Side, narrowed, pair_runs, sides_of
from evalharness.config import RunConfig, TokenSettings, read_gate, read_scorers
from evalharness.errors import ConfigError, EvalHarnessError, MissingExtra
from evalharness.gate import check_decidable, check_rules, read_noise
from evalharness.gate.aa_test import against_itself, measure
from evalharness.gate.presets import fine_tune
from evalharness.gate.prospects import DISAGREEING, prospects_of
from evalharness.pipeline.comparing import (
    apply_gate,
    compare_and_report,
    finish,
    load_compared,
    recompare_locked,
    score_all,
)
from evalharness.pipeline.generating import Progress, first_token, generated_again
from evalharness.pipeline.judging import judge, label
from evalharness.pipeline.planning import load_suites, make_plan, metrics_of
from evalharness.pipeline.scoring import facts_in, scorer_names
from evalharness.pipeline.settling import generate_as_asked
from evalharness.prompting import settle_format
from evalharness.records import (
    AATest,
    Checkpoint,
    Comparison,
    Completion,
    DeterminismCheck,
    Failure,
    GateRule,
    GenerationConfig,
    Manifest,
    Plan,
)
from evalharness.report import render_html
from evalharness.store import Run, RunStore, uncollected
from evalharness.store.merging import merge_into
from evalharness.store.provenance import make_manifest

__all__ = [
    "adopt",
    "compare_runs",
    "foresee",
    "judge",
    "label",
    "load_compared",
    "load_run",
    "merge",
    "new_path",
    "new_run_path",
    "plan",
    "read_tokens",
    "recompare",
    "recompare_locked",
    "redraw",
    "regate",
    "reproduce",
    "rescore",
    "resume_config",
    "run",
    "run_aa_test",
    "settled",
    "try_models",
]

REPORTS = Path("reports")
MOST_CHARACTERS = 120
"""Of a run directory's name."""


def run(config: RunConfig, *, out: Path | None = None, resume: bool = False, progress: Progress | None = None) -> Run:
    """Run an experiment into a run directory and return it.

    Args:
        config: what to run.
        out: the run directory; a new one under `reports/` by default.
        resume: continue the run in `out`; only missing completions are generated.
        progress: receives each outcome.

    Raises:
        EvalHarnessError: an error that the user can fix; files already written stay.
    """
    config = settled(config)
    store = RunStore(out or new_run_path(config))
    store.refuse_existing(resume=resume)
    # Before the folder is made, so that a start that is stopped leaves nothing.
    planned = plan(config)
    with store.lock(create=True):
        planned = _start(store, config, planned, resume)
        part = planned.part(config.shard)
        generate_as_asked(store, config, part, progress or Progress())
        if config.shard is None:
            return finish(store, config, planned)
        # A part decides nothing, so only what costs time is done: the rest is for the merged run.
        score_all(store, config, part)
        return store.load(part)


def merge(paths: Sequence[Path], *, out: Path | None = None) -> Run:
    """Merge shards into a run directory, then compare, judge and report; they are scored if one of them is not.

    Args:
        paths: the shards. A missing one leaves requests without an outcome, which resuming the merged run generates.
        out: the new directory; under `reports/` by default.

    Raises:
        StoreError: they are not shards of one run, or `out` already holds a run.
    """
    config = resume_config(paths[0]).model_copy(update={"shard": None})
    store = RunStore(out or new_run_path(config))
    with store.lock(create=True):
        store.refuse_existing(resume=False)
        names = tuple(path.resolve().name for path in paths)
        manifest = make_manifest(config).model_copy(update={"merged_from": names})
        merge_into(store, manifest, [RunStore(path) for path in paths])
        planned = store.read_plan()
        if store.read_scoring() is None:
            return finish(store, config, planned)
        return compare_and_report(store, planned, config.gate)


def run_aa_test(config: RunConfig, *, out: Path, resume: bool = False, progress: Progress | None = None) -> AATest:
    """Run the baseline of `config` against itself into the run directory `out`, and record the differences.

    Args:
        config: names the baseline, its generation and the suites.
        out: the run directory.
        resume: continue an interrupted A/A test in `out`.
        progress: receives each outcome.

    Raises:
        ConfigError: the baseline is a replayed file, which always repeats.
        StoreError: nothing was completed twice.
        EvalHarnessError: as for a run.
    """
    measured = measure(run(against_itself(config), out=out, resume=resume, progress=progress), config)
    RunStore(out).write_aa_test(measured)
    return measured


def settled(config: RunConfig) -> RunConfig:
    """The same with the rules of its gate's preset written out."""
    if config.preset is None:
        return config
    suites = load_suites(config)
    names = scorer_names(suites, config.extra_scorers)
    rules = fine_tune([metric for name in names for metric in facts_in(config, name).metrics], suites)
    return config.model_copy(update={"gate": (*rules, *config.gate), "preset": None})


def reproduce(path: Path, count: int) -> Iterator[DeterminismCheck]:
    """Generate `count` samples of each checkpoint of a run again, on this machine; nothing is written.

    Raises:
        EvalHarnessError: a checkpoint cannot be loaded here.
    """
    store = RunStore(path)
    planned, outcomes = store.read_plan(), store.read_outcomes()
    for resolved in planned.checkpoints:
        requests = [request for request in planned.requests if request.checkpoint == resolved.name]
        with closing(open_backend(resolved.checkpoint)) as backend:
            made = generated_again(backend, requests, outcomes, count)
        if made is not None:
            yield made


def resume_config(out: Path) -> RunConfig:
    """The configuration of a run that was started before, from its manifest alone."""
    return RunStore(out).read_config()


def plan(config: RunConfig) -> Plan:
    """The plan that would run; nothing is generated.

    Raises:
        BackendError: a side cannot be read token by token, as the configuration asks.
        ConfigError: a gate rule cannot be judged on such a run, or a metric cannot be decided.
        EvalHarnessError: as for a run.
    """
    if config.tokens is not None:
        for checkpoint in config.checkpoints:
            if checkpoint.name in (config.baseline, config.candidate):
                refuse_without_teacher(backend_class(checkpoint), checkpoint.name)
    planned = make_plan(config, open_backend)
    metrics = metrics_of(config, planned)
    check_decidable(config.decide, metrics)
    if config.gate:
        check_rules(config.gate, metrics, planned.suites, extra_scorers=tuple(config.extra_scorers))
        read_noise(config.aa_test, planned)
    return planned


def foresee(
    config: RunConfig, *, disagreeing: float = DISAGREEING, earlier: Path | None = None, of_metrics: bool = False
) -> Plan:
    """The plan that would run, with what it can decide.

    Args:
        config: what to run.
        disagreeing: share of the pairs of a rate that disagree, without an earlier run.
        earlier: a scored run of the same suites, for what its data say.
        of_metrics: say also what each metric can show, and how many pairs its margin needs.

    Raises:
        EvalHarnessError: as for `plan`, or the earlier run is of other suites.
    """
    config = settled(config)
    planned = plan(config)
    ran = load_run(earlier) if earlier else None
    found = prospects_of(
        config.gate, metrics_of(config, planned), planned, disagreeing=disagreeing, earlier=ran, of_metrics=of_metrics
    )
    return planned.model_copy(update={"prospects": found})


def try_models(checkpoints: Sequence[Checkpoint], generation: GenerationConfig) -> Iterator[Check]:
    """Ask each checkpoint for one token, as a run with this generation would."""
    for checkpoint in checkpoints:
        name = f"one token of {checkpoint.model}"
        try:
            with closing(open_backend(checkpoint)) as backend:
                resolved = settle_format(backend.resolve())
                answer = first_token(backend, resolved, generation)
        except EvalHarnessError as error:
            yield Check(name=name, status="missing", found=error.problem, fix=error.fix)
            continue
        if isinstance(answer, Failure):
            yield Check(name=name, status="missing", found=answer.message, fix="correct what the message names")
        else:
            noted = "; ".join(note.removesuffix(".") for note in resolved.notes)
            seconds = f"{answer.seconds or 0:.1f} s"
            yield Check(name=name, status="ok", found=f"{seconds}: {noted}" if noted else seconds)


def adopt(
    planned: Plan, outcomes: Sequence[Completion | Failure], config: RunConfig, *, out: Path | None = None
) -> Run:
    """Make a run of outcomes that exist already: write them, then score, compare, judge and report.

    Args:
        planned: names the samples and the requests that the outcomes are of.
        outcomes: one for each request.
        config: scorers, gate and margins.
        out: the run directory; a new one under `reports/` by default.

    Raises:
        EvalHarnessError: a rule or a scorer does not exist, or there is a run already; nothing is written.
    """
    if config.preset is not None:
        names = scorer_names(planned.suites, config.extra_scorers)
        rules = fine_tune([metric for name in names for metric in facts_in(config, name).metrics], planned.suites)
        config = config.model_copy(update={"gate": (*rules, *config.gate), "preset": None})
    metrics = metrics_of(config, planned)
    check_rules(config.gate, metrics, planned.suites, extra_scorers=tuple(config.extra_scorers))
    store = RunStore(out or new_run_path(config))
    with store.lock(create=True):
        store.refuse_existing(resume=False)
        store.start(make_manifest(config), planned, resume=False)
        with store.appending() as written:
            for outcome in outcomes:
                written.append(outcome)
        return finish(store, config, planned)


def rescore(path: Path, scorer: Mapping[str, dict[str, JsonValue]] | None = None, source: Path | None = None) -> Run:
    """Score a run's completions again, then compare and report.

    Args:
        path: the run directory.
        scorer: settings of scorers that are changed from now on, by name.
        source: a TOML file whose `[scorer.NAME]` tables count from now on; only with it, scorers that are Python files
            are run.
    """
    store = RunStore(path)
    with store.lock():
        config = resume_config(path)
        tables = {**config.scorer, **(read_scorers(source) if source else {}), **(scorer or {})}
        config = config.model_copy(update={"scorer": tables})
        config = config.of_folder(source.parent) if source else config
        return finish(store, config, store.read_plan())


@uncollected()
def compare_runs(
    paths: Sequence[Path], *, out: Path | None = None, baseline: str | None = None, candidate: str | None = None
) -> Run:
    """Compare a checkpoint of the first run with one of each other run, in a run directory of its own.

    Args:
        paths: the baseline's run, then the candidates'.
        out: the new directory; under `reports/` by default.
        baseline: the checkpoint of the first run; its candidate by default.
        candidate: the checkpoint of the other runs; their candidates by default.

    Raises:
        StoreError: a comparison would be invalid, or `out` already holds a run.
    """
    store = RunStore(out or new_path([path.resolve().name for path in paths]))
    # What was read is let go before the pairing is read: both at once would be twice the memory.
    write = _pairing_writer(paths, baseline, candidate)
    with store.lock(create=True):
        store.refuse_existing(resume=False)
        write(store)
        del write
        return compare_and_report(store, store.read_plan(), resume_config(store.path).gate)


def _pairing_writer(paths: Sequence[Path], baseline: str | None, candidate: str | None) -> Callable[[RunStore], None]:
    """Read and pair the runs; what comes back writes the pairing into a run directory."""
    sides = sides_of(
        [_load_side(path, candidate if n else baseline) for n, path in enumerate(paths)], baseline, candidate
    )
    pairing, manifest = pair_runs(sides[0], sides[1:]), _paired_manifest(sides)
    # Where two sides have a scorer, its version is the same, and so is the rest.
    scorers = {one.name: one for side in sides for one in side.run.scorers}

    def write(store: RunStore) -> None:
        store.start(manifest, pairing.plan, resume=False)
        with store.appending() as outcomes:
            for event in pairing.events:
                outcomes.append(event)
        store.write_scores(pairing.scores, scorers.values())

    return write


def _load_side(path: Path, checkpoint: str | None) -> Run:
    run = load_run(path)
    return narrowed(run, checkpoint or run.plan.candidate)


def recompare(path: Path, margin: float | None = None) -> Comparison:
    """Compare a run's scores again and keep the result; the report is written again where it changed.

    Args:
        path: the run directory.
        margin: within which rates are equivalent, from now on.
    """
    store = RunStore(path)
    with store.lock():
        if margin is not None:
            settings = store.read_config().compare.model_copy(update={"margin": margin})
            store.keep_settings("compare", settings.model_dump(mode="json"))
        return recompare_locked(store).compared


def regate(path: Path, config: Path | None = None) -> Run:
    """Judge a finished run by gate rules and keep the verdict.

    Args:
        path: the run directory.
        config: a TOML file with `[[gate]]` rules; those that the run was started with by default.

    Raises:
        ConfigError: there are no rules, or one that cannot be judged on this run.
        StoreError: the run was not compared since its outcomes or scores changed.
    """
    store = RunStore(path)
    with store.lock():
        loaded = load_compared(store)
        rules = _rules_of(config, loaded) if config else resume_config(path).gate
        if not rules:
            raise ConfigError(
                f"{path} was started without gate rules", fix="give a file with rules: --config evalharness.toml"
            )
        judged = apply_gate(store, loaded, rules, str(config or path / "manifest.json"))
        if not store.has_report():
            store.write_report(render_html(judged))
        return judged


def _rules_of(path: Path, run: Run) -> tuple[GateRule, ...]:
    given = read_gate(path)
    return (*(fine_tune(run.compared.metrics, run.plan.suites) if given.preset else ()), *given.rules)


def redraw(path: Path, *, all_samples: bool = False) -> Run:
    """Write a run's report again.

    Args:
        path: the run directory.
        all_samples: put all samples into the file, however many there are.
    """
    store = RunStore(path)
    with store.lock():
        loaded = load_compared(store)
        store.write_report(render_html(loaded, readable=loaded if all_samples else None))
        return loaded


def read_tokens(
    path: Path,
    settings: TokenSettings,
    *,
    baseline: str | None = None,
    candidate: str | None = None,
    progress: Progress | None = None,
) -> Run:
    """Compare the checkpoints of a finished run token by token; see `reading_tokens.read_tokens`.

    Args:
        path: the run directory.
        settings: how much is read, and whether it may generate.
        baseline: a checkpoint of the run; its baseline by default.
        candidate: a checkpoint of the run; its candidate by default.
        progress: receives each completion.

    Raises:
        MissingExtra: torch is not installed.
        EvalHarnessError: the two cannot be compared.
    """
    try:
        from evalharness.pipeline.reading_tokens import read_tokens as read
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"reading tokens needs {error.name}, which is not installed", fix="pip install 'evalharness[hf]'"
        ) from None
    choices = settings.model_dump()
    read(path, **choices, baseline=baseline, candidate=candidate, progress=progress)
    return load_run(path)


def load_run(path: str | Path) -> Run:
    """Read a run directory."""
    return RunStore(Path(path)).load()


def _start(store: RunStore, config: RunConfig, planned: Plan, resume: bool) -> Plan:
    store.refuse_existing(resume=resume)
    return store.start(make_manifest(config), planned, resume=resume)


def new_run_path(config: RunConfig) -> Path:
    """A new run directory under `reports/`, named after the time and the two checkpoints."""
    return new_path([config.baseline, config.candidate])


def new_path(names: Sequence[str]) -> Path:
    """A new directory under `reports/`, named after the time and these names."""
    name = "_".join([f"{datetime.now():%Y-%m-%dT%H-%M-%S}", *names])
    return REPORTS / re.sub(r"[^\w.-]", "-", name)[:MOST_CHARACTERS]


def _paired_manifest(sides: Sequence[Side]) -> Manifest:
    """Where the runs came from: the configuration of the candidate, with the checkpoints of all."""
    config = resume_config(sides[1].run.path).model_copy(
        update={
            "checkpoints": tuple(side.resolved.checkpoint for side in sides),
            "baseline": sides[0].name,
            "candidate": sides[1].name,
            "aa_test": None,
        }
    )
    runs = tuple(side.run.path.resolve().name for side in sides)
    return make_manifest(config).model_copy(update={"paired_from": runs})
