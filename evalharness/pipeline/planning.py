"""From a configuration to a `Plan`: suites loaded, checkpoints resolved, every prompt rendered and linted."""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from pydantic import JsonValue

from evalharness.backends import open_backend
from evalharness.backends.backend import Backend, refuse_without_teacher
from evalharness.config import RunConfig
from evalharness.errors import ScorerError, SuiteError
from evalharness.gate import check_decidable, check_rules, read_noise
from evalharness.gate.presets import fine_tune
from evalharness.gate.prospects import DISAGREEING, prospects_of
from evalharness.pipeline.scoring import facts_in, opened, scorer_names
from evalharness.prompting import build_prompt, settle_format
from evalharness.prompting.lint import lint_checkpoint, lint_pair
from evalharness.records import (
    Checkpoint,
    Estimate,
    GenerationRequest,
    LintFinding,
    Message,
    Metric,
    Plan,
    ResolvedCheckpoint,
    Sample,
    Suite,
    digest,
    slim,
)
from evalharness.scorers import default_scorers
from evalharness.store import RunStore
from evalharness.suites import load_suite


def with_default_scorers(config: RunConfig) -> RunConfig:
    """The same, with the scorers that judge every run which does not configure them."""
    missing: dict[str, dict[str, JsonValue]] = {name: {} for name in default_scorers() if name not in config.scorer}
    return config.model_copy(update={"scorer": {**config.scorer, **missing}}) if missing else config


def make_plan(
    config: RunConfig, open_backend: Callable[[Checkpoint], Backend], suites: tuple[Suite, ...] | None = None
) -> Plan:
    """Resolve everything that generation needs. Loads tokenizers, but no weights.

    Args:
        suites: those of the configuration, where they are loaded already.

    Raises:
        SuiteError: a suite is not valid, or two suites share a sample id.
        BackendError: a checkpoint cannot be found.
        PromptFormatError: a checkpoint cannot be prompted as asked.
    """
    suites = load_suites(config) if suites is None else suites
    samples = [sample for suite in suites for sample in suite.samples]
    sides = [_plan_side(checkpoint, samples, config, open_backend(checkpoint)) for checkpoint in config.checkpoints]
    resolved = [side[0] for side in sides]
    return Plan(
        suites=tuple(map(slim, suites)),
        checkpoints=tuple(resolved),
        baseline=config.baseline,
        candidate=config.candidate,
        requests=tuple(slim(request) for side in sides for request in side[1]),
        lint=(*lint_pair(resolved), *(finding for side in sides for finding in side[2])),
        estimates=tuple(_estimate(side[0], side[1]) for side in sides),
    )


def load_suites(config: RunConfig) -> tuple[Suite, ...]:
    """Load the suites of a run, cut to its limit; their scorers must exist, and sample ids be unique across them."""
    loaded = [_limited(load_suite(name), config.limit) for name in config.suites]
    suites = tuple(_with_system(suite, config.system) if config.system else suite for suite in loaded)
    for suite in suites:
        _refuse_unknown_scorers(suite, config)
    for name in config.extra_scorers:
        opened(config, name)
    owner: dict[str, str] = {}
    for suite in suites:
        for sample in suite.samples:
            if sample.id in owner and owner[sample.id] == suite.name:
                raise SuiteError(f"suite {suite.name!r} is given twice", fix="name it once")
            if sample.id in owner:
                raise SuiteError(
                    f"sample id {sample.id!r} is in suite {owner[sample.id]!r} and in suite {suite.name!r}",
                    fix="rename one of the two, or run the suites one by one",
                )
            owner[sample.id] = suite.name
    return suites


def _with_system(suite: Suite, system: str) -> Suite:
    """The suite with a system turn before every prompt."""
    own = next((sample.id for sample in suite.samples if sample.messages[0].role == "system"), None)
    if own is not None:
        raise SuiteError(
            f"sample {own!r} of suite {suite.name!r} has a system turn of its own",
            fix="leave out --system (`system` in evalharness.toml), or that turn",
        )
    turn = Message(role="system", content=system)
    samples = tuple(sample.model_copy(update={"messages": (turn, *sample.messages)}) for sample in suite.samples)
    return suite.model_copy(update={"samples": samples, "digest": digest([suite.digest, system])})


def _refuse_unknown_scorers(suite: Suite, config: RunConfig) -> None:
    for name in suite.scorers:
        try:
            facts_in(config, name)
        except ScorerError as error:
            raise ScorerError(f"suite {suite.name!r}: {error.problem}", fix=error.fix) from None


def _limited(suite: Suite, limit: int | None) -> Suite:
    if limit is None or limit >= len(suite.samples):
        return suite
    kept = suite.samples[:limit]
    return suite.model_copy(update={"samples": kept, "digest": digest([suite.digest, limit])})


def _plan_side(
    checkpoint: Checkpoint, samples: Sequence[Sample], config: RunConfig, backend: Backend
) -> tuple[ResolvedCheckpoint, list[GenerationRequest], list[LintFinding]]:
    try:
        resolved = settle_format(backend.resolve())
        prompts = [build_prompt(sample, resolved.checkpoint.prompt_format) for sample in samples]
        rendered, generation = backend.render(prompts), backend.resolve_config(prompts, config.generation)
    finally:
        backend.close()
    requests = [
        GenerationRequest.of(resolved, sample.id, prompt, text, generation, replicate)
        for replicate in range(config.replicates)
        for sample, prompt, text in zip(samples, prompts, rendered, strict=True)
    ]
    return resolved, requests, lint_checkpoint(resolved, samples, requests[: len(samples)], rendered)


def _estimate(resolved: ResolvedCheckpoint, requests: Sequence[GenerationRequest]) -> Estimate:
    counts = [request.prompt_tokens for request in requests]
    known = [count for count in counts if count is not None]
    return Estimate(
        checkpoint=resolved.name,
        requests=len(requests),
        prompt_tokens=sum(known) if len(known) == len(counts) else None,
        completion_tokens_at_most=sum(request.config.max_tokens for request in requests),
        memory_bytes=resolved.memory_bytes,
    )


def metrics_of(config: RunConfig, suites: Sequence[Suite]) -> list[Metric]:
    """The metrics of all scorers that judge the run, with the margins that the configuration states."""
    names = scorer_names(suites, config.extra_scorers)
    return config.compare.margined([metric for name in names for metric in facts_in(config, name).metrics])


def with_preset(config: RunConfig, suites: Sequence[Suite] | None = None) -> RunConfig:
    """The same with the rules of its gate's preset, if it has one, written out for `suites`, by default its own."""
    if config.preset is None:
        return config
    suites = load_suites(config) if suites is None else suites
    rules = fine_tune(metrics_of(config, suites), suites)
    return config.model_copy(update={"gate": (*rules, *config.gate), "preset": None})


def plan(config: RunConfig) -> Plan:
    """The plan that would run; nothing is generated.

    Raises:
        BackendError: a side cannot be read token by token, as the configuration asks.
        ConfigError: a gate rule cannot be judged on such a run, or a metric cannot be decided.
        EvalHarnessError: as for a run.
    """
    # First what needs no checkpoint, whose loading takes long.
    suites = load_suites(config)
    metrics = metrics_of(config, suites)
    check_decidable(config.decide, metrics, config.source)
    check_rules(config.gate, metrics, suites, extra_scorers=tuple(config.extra_scorers), source=config.source)
    if config.tokens is not None:
        for checkpoint in config.checkpoints:
            if checkpoint.name in (config.baseline, config.candidate):
                with closing(open_backend(checkpoint)) as backend:
                    refuse_without_teacher(backend, checkpoint.name)
    planned = make_plan(config, open_backend, suites)
    if config.gate:
        read_noise(config.aa_test, planned)
    return planned


def foresee(
    config: RunConfig, *, disagreeing: float = DISAGREEING, earlier: Path | None = None, of_metrics: bool = False
) -> Plan:
    """The plan that would run, with what it can decide.

    Args:
        disagreeing: share of the pairs of a rate that disagree, without an earlier run.
        earlier: a scored run of the same suites, for what its data say.
        of_metrics: say also what each metric can show, and how many pairs its margin needs.
    """
    config = with_preset(config)
    planned = plan(config)
    ran = RunStore(earlier).load() if earlier else None
    foreseen = prospects_of(
        config.gate,
        metrics_of(config, planned.suites),
        planned,
        disagreeing=disagreeing,
        earlier=ran,
        of_metrics=of_metrics,
    )
    return planned.model_copy(update={"prospects": foreseen})
