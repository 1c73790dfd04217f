"""The stages in order: suite, plan, generate, score, compare, report. Reads like the README."""

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import product
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from evalharness.backends import Backend, open_backend
from evalharness.backends.survey import Check
from evalharness.compare import compare
from evalharness.compare.pairing import Side, narrowed, pair_runs, sides_of
from evalharness.config import RunConfig, read_gate
from evalharness.errors import ConfigError, EvalHarnessError, StoreError
from evalharness.gate import check_gate, check_rules, judged, order_of_groups, read_noise
from evalharness.gate.aa_test import against_itself, measure
from evalharness.gate.presets import fine_tune
from evalharness.gate.prospects import DISAGREEING, prospects_of
from evalharness.generate import Progress, first_token, generate, generated_again, outcomes_of
from evalharness.observations import observe
from evalharness.plan import load_suites, make_plan
from evalharness.preferences.judge.asking import (
    Judge,
    JudgeSettings,
    judging_of,
    kept_preferences,
    open_judge,
    pairs_to_judge,
)
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
    GenerationRequest,
    JudgeFailure,
    Manifest,
    Metric,
    Notice,
    Plan,
    Preference,
    Score,
    ScorerFacts,
    ScorerIdentity,
)
from evalharness.report import render_html
from evalharness.score import score, scorer_names
from evalharness.scorers import Scorer, facts_of, open_scorer
from evalharness.store import Run, RunStore, uncollected
from evalharness.store.check import refuse_stale
from evalharness.store.provenance import make_manifest

REPORTS = Path("reports")
LOOKS = 10
"""How often a run that stops when settled looks at its gate."""
FEWEST_AT_ONCE = 20
"""Groups between two looks, at least: each look loads every checkpoint again."""
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
    with store.lock(create=True):
        planned = _start(store, config, resume)
        _generate(store, config, planned, progress or Progress())
        return _finish(store, config, planned)


def _generate(store: RunStore, config: RunConfig, planned: Plan, progress: Progress) -> None:
    """All requests; or, until the gate is settled, those of more and more groups in random order."""
    if not config.until_decided:
        generate(planned, store, open_backend, check_determinism=config.check_determinism, progress=progress)
        return None
    if any(notice.kind == "settled" for notice in store.read_outcomes().notices):
        return None
    order, rank = order_of_groups(planned, config.seed)
    metrics, noise = _metrics_of(config, planned), read_noise(config.aa_test, planned)
    unbounded = {metric.name for metric in metrics if not all(map(math.isfinite, metric.bounds))}
    size = max(FEWEST_AT_ONCE, -(-len(order) // LOOKS))
    scores: list[Score] = []
    for end in range(size, len(order) + size, size):
        part = _requests_of(planned, order[end - size : end])
        check = config.check_determinism if end == size else 0
        generate(part, store, open_backend, check_determinism=check, progress=progress)
        scores += _scores_for_gate(store, config, part)
        so_far = _requests_of(planned, order[:end])
        table = observe(so_far, store.read_outcomes(), scores)
        results = judged(config.gate, metrics, so_far, table, noise=noise, seed=config.seed, rank=rank)
        open_ = [one.title for one in results if one.verdict == "undecided" or one.rule.metric in unbounded]
        if not open_ and end < len(order):
            return _note(store, planned, "settled", _settled(end, len(order), size))
    return _note(
        store,
        planned,
        "other",
        f"generation did not stop early: {'; '.join(open_) or 'the gate'} was settled at no look before the last",
    )


def _note(store: RunStore, planned: Plan, kind: Literal["settled", "other"], message: str) -> None:
    with store.appending() as out:
        out.append(Notice(checkpoint=planned.baseline, kind=kind, message=message))


def _requests_of(planned: Plan, groups: Collection[str]) -> Plan:
    chosen = {name for name, sample in planned.samples.items() if sample.group in set(groups)}
    kept = tuple(request for request in planned.requests if request.sample_id in chosen)
    return planned.model_copy(update={"requests": kept})


def _scores_for_gate(store: RunStore, config: RunConfig, part: Plan) -> list[Score]:
    """By the scorers of the rules alone."""
    needed = {rule.metric.partition(".")[0] for rule in config.gate}
    suites = tuple(
        suite.model_copy(update={"scorers": tuple(name for name in suite.scorers if name in needed)})
        for suite in part.suites
    )
    extra = tuple(name for name in config.extra_scorers if name in needed)
    asked = part.model_copy(update={"suites": suites})
    return list(score(asked, store.read_outcomes(), lambda name: open_scorer(name, config.scorer.get(name)), extra))


def _settled(end: int, total: int, size: int) -> str:
    return (
        f"generation stopped after {end:,} of {total:,} groups of samples, in random order: every gate rule was "
        f"settled. It was checked every {size:,} groups by betting confidence sequences, which hold whenever one "
        "stops. Gate verdicts allow for that; the intervals of the comparison do not."
    )


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
    names = dict.fromkeys((*(name for suite in suites for name in suite.scorers), *config.extra_scorers))
    rules = fine_tune([metric for name in names for metric in facts_of(name).metrics], suites)
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
        ConfigError: a gate rule cannot be judged on such a run.
        EvalHarnessError: as for a run.
    """
    planned = make_plan(config, open_backend)
    metrics = _metrics_of(config, planned)
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
        config.gate, _metrics_of(config, planned), planned, disagreeing=disagreeing, earlier=ran, of_metrics=of_metrics
    )
    return planned.model_copy(update={"prospects": found})


def _metrics_of(config: RunConfig, planned: Plan) -> list[Metric]:
    names = scorer_names(planned, tuple(config.extra_scorers))
    return config.compare.margined([metric for name in names for metric in facts_of(name).metrics])


def try_models(checkpoints: Sequence[Checkpoint], generation: GenerationConfig) -> Iterator[Check]:
    """Ask each checkpoint for one token, as a run with this generation would."""
    for checkpoint in checkpoints:
        name = f"one token of {checkpoint.model}"
        try:
            with closing(open_backend(checkpoint)) as backend:
                answer = first_token(backend, settle_format(backend.resolve()), generation)
        except EvalHarnessError as error:
            yield Check(name=name, status="missing", found=error.problem, fix=error.fix)
            continue
        if isinstance(answer, Failure):
            yield Check(name=name, status="missing", found=answer.message, fix="correct what the message names")
        else:
            yield Check(name=name, status="ok", found=f"{answer.seconds or 0:.1f} s")


def rescore(path: Path, scorer: Mapping[str, dict[str, JsonValue]] | None = None) -> Run:
    """Score a run's completions again, then compare and report.

    Args:
        path: the run directory.
        scorer: settings of scorers that are changed from now on, by name.
    """
    store = RunStore(path)
    with store.lock():
        config = resume_config(path)
        config = config.model_copy(update={"scorer": {**config.scorer, **(scorer or {})}})
        return _finish(store, config, store.read_plan())


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
        return _report(store, store.read_plan(), resume_config(store.path).gate)


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


def recompare_locked(store: RunStore) -> Run:
    """Compare and report again; the caller holds the run's lock."""
    compared = _compare(store)
    if not store.has_report():
        store.write_report(render_html(compared))
    return compared


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
        judged = _gate(store, loaded, rules, str(config or path / "manifest.json"))
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


def load_run(path: str | Path) -> Run:
    """Read a run directory."""
    return RunStore(Path(path)).load()


def _start(store: RunStore, config: RunConfig, resume: bool) -> Plan:
    store.refuse_existing(resume=resume)
    planned = plan(config)
    return store.start(make_manifest(config), planned, resume=resume)


def _finish(store: RunStore, config: RunConfig, planned: Plan) -> Run:
    extra_scorers = tuple(config.extra_scorers)
    scorers = {name: open_scorer(name, config.scorer.get(name)) for name in scorer_names(planned, extra_scorers)}
    scores = score(planned, store.read_outcomes(), scorers.__getitem__, extra_scorers)
    store.write_scores(scores, [_identity(scorer) for scorer in scorers.values()])
    store.keep_settings("scorer", config.scorer)
    return _report(store, planned, config.gate)


def _identity(scorer: Scorer) -> ScorerIdentity:
    return ScorerIdentity(name=scorer.name, version=scorer.version, identity=scorer.identity, facts=scorer.facts)


def _report(store: RunStore, planned: Plan, rules: Sequence[GateRule] = ()) -> Run:
    loaded = _compare(store, planned)
    try:
        loaded = _gate(store, loaded, rules) if rules else loaded
    finally:
        # Rules that cannot be judged are no reason to withhold what was measured.
        store.write_report(render_html(loaded))
    return loaded


def _gate(store: RunStore, run: Run, rules: Sequence[GateRule], source: str = "") -> Run:
    versions = {name: found[-1] for name, found in run.observations.versions.items()}
    noise = read_noise(store.read_config().aa_test, run.plan, versions)
    report = check_gate(rules, run, noise=noise, source=source)
    store.write_gate(report)
    return replace(run, gate=report)


def load_compared(store: RunStore) -> Run:
    """Read a run whose comparison is of its present outcomes, scores and preferences; the gate of another is left out.

    Raises:
        StoreError: it is not, or there is none.
    """
    run = store.load()
    if run.comparison is None:
        raise StoreError(
            f"{run.path} has outcomes or scores that are newer than its comparison",
            fix=f"evalharness score {run.path}",
        )
    _ = run.observations  # Reads all scores: a damaged line is named rather than called stale.
    refuse_stale(store, run.comparison)
    same = run.gate is not None and run.gate.evidence_digest == run.comparison.evidence_digest
    return run if same else replace(run, gate=None)


def _compare(store: RunStore, planned: Plan | None = None) -> Run:
    loaded = store.load(planned)
    scorers = _scorers_of(loaded)
    _refuse_unscored(loaded)
    refuse_stale(store)
    comparison = compare(
        loaded.plan,
        loaded.observations,
        store.read_config().compare.margined([metric for one in scorers for metric in one.metrics]),
        seed=loaded.manifest.seed,
        scorers=scorers,
        preferences=loaded.preferences,
        judgings=loaded.judgings,
    )
    digests = store.digests()
    comparison = comparison.model_copy(
        update={
            "evidence_digest": digests.evidence,
            "opinions_digest": digests.opinions,
            "warnings": (*comparison.warnings, *_incomplete(loaded)),
        }
    )
    store.write_comparison(comparison)
    return replace(loaded, comparison=comparison)


def _incomplete(run: Run) -> tuple[str, ...]:
    """A warning if requests have no outcome, because generation was stopped or lines were lost."""
    missing = sum(request.id not in run.outcomes for request in run.plan.requests)
    if not missing:
        return ()
    if run.stopped:
        return (f"{missing:,} of {len(run.plan.requests):,} requests were not generated: stopped when settled.",)
    return (
        f"{missing:,} of {len(run.plan.requests):,} requests have no outcome, because the run was stopped or lines "
        f"were lost; evalharness run --out {run.path} --resume generates them.",
    )


def _scorers_of(run: Run) -> list[ScorerFacts]:
    """The facts of the scorers that the run has scores of, or should have, as they were kept with it."""
    names = dict.fromkeys((*scorer_names(run.plan), *run.observations.versions))
    unknown = [name for name in names if name not in run.facts]
    if unknown:
        raise StoreError(
            f"{run.path} does not say what {' and '.join(unknown)} measures: it was not scored, or by an older version",
            fix=f"evalharness score {run.path}",
        )
    return [run.facts[name] for name in names]


def _refuse_unscored(run: Run) -> None:
    """A completion without scores would silently be left out of every number."""
    table = run.observations
    for checkpoint, scorer in product(table.checkpoints, table.applies):
        for sample_id in table.ids(table.unjudged(checkpoint, scorer))[:1]:
            raise StoreError(
                f"{run.path} has no {scorer} score of sample {sample_id!r}", fix=f"evalharness score {run.path}"
            )


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


# ----------------------------------------------------------------------------------------------- judge


def judge(path: Path, settings: JudgeSettings, *, again: bool = False, progress: Progress | None = None) -> Run:
    """Ask a model which side of each pair is better, record its verdicts, then compare and report again.

    Args:
        path: a finished run.
        settings: which model, and how it is asked.
        again: ask again about pairs that already have a verdict.
        progress: receives each answer.

    Raises:
        StoreError: the run was not compared since its outcomes or scores changed.
        EvalHarnessError: the judge cannot be used; verdicts so far are kept.
    """
    store = RunStore(path)
    with store.lock():
        loaded = load_compared(store)
        asked = open_judge(settings, open_backend)
        with closing(asked.backend):
            _judge(store, loaded, asked, again, progress or Progress())
        return recompare_locked(store)


def _judge(store: RunStore, run: Run, asked: Judge, again: bool, progress: Progress) -> None:
    """Write verdicts even if the judge is interrupted, because asking again is expensive."""
    pairs = pairs_to_judge(run, asked.rater, again=again)
    found: list[Preference | JudgeFailure] = []
    try:
        for one in asked.judge(pairs, run.plan, partial(_answers, progress)):
            found.append(one)
    finally:
        store.write_opinions(kept_preferences(run, asked.rater, found), judging_of(asked, run, found))


def _answers(
    progress: Progress, backend: Backend, requests: Sequence[GenerationRequest]
) -> Iterator[Completion | Failure | Notice]:
    name = requests[0].checkpoint
    progress.load(name)
    try:
        for number, event in enumerate(outcomes_of(backend, requests)):
            if number == 0:
                progress.start(name, total=len(requests), done=0)
            if not isinstance(event, Notice):
                progress.advance(tokens=(event.completion_tokens or 0) if isinstance(event, Completion) else 0)
            yield event
    finally:
        progress.finish()
