"""From outcomes to a report: score, compare, judge by the gate and draw, each step on what the run directory holds."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import product

from evalharness.compare import compare
from evalharness.config import RunConfig
from evalharness.errors import StoreError
from evalharness.gate import check_gate, read_noise
from evalharness.pipeline.scoring import nothing_kept, opened, score, scorer_names
from evalharness.records import GateRule, Plan, RunWarning, Score, ScorerFacts, ScorerIdentity
from evalharness.report import render_html
from evalharness.scorers import Scorer
from evalharness.store import Run, RunStore
from evalharness.store.check import refuse_stale


def finish(store: RunStore, config: RunConfig, planned: Plan) -> Run:
    """Score all completions, then compare, judge and report; the caller holds the run's lock."""
    score_all(store, config, planned)
    return compare_and_report(store, planned, config.gate)


def score_all(store: RunStore, config: RunConfig, planned: Plan) -> None:
    """Score all completions of the plan; the caller holds the run's lock."""
    extra_scorers = tuple(config.extra_scorers)
    scorers = {name: opened(config, name) for name in scorer_names(planned.suites, extra_scorers)}
    kept = kept_scores(store, [_identity(scorer) for scorer in scorers.values()])
    scores = score(planned, store.read_outcomes(), scorers.__getitem__, extra_scorers, kept)
    store.write_scores(scores, [_identity(scorer) for scorer in scorers.values()])
    store.keep_settings("scorer", config.scorer)


def _identity(scorer: Scorer) -> ScorerIdentity:
    return ScorerIdentity(name=scorer.name, version=scorer.version, identity=scorer.identity, facts=scorer.facts)


def kept_scores(store: RunStore, scorers: Sequence[ScorerIdentity]) -> Callable[[str, str], Score | None]:
    """Scores that need not be made again, by scorer and request: those of the same model, of the present outcomes.

    Rules cost little, and while they are written their version may stay behind: they always score again.
    """
    try:
        scoring, digests = store.read_scoring(), store.digests()
    except StoreError:
        scoring = None
    if scoring is None or (scoring.outcomes_digest, scoring.scores_digest) != (digests.outcomes, digests.scores):
        return nothing_kept
    before = {scorer.model_dump_json() for scorer in scoring.scorers}
    same = {
        scorer.name for scorer in scorers if "weights_digest" in scorer.identity and scorer.model_dump_json() in before
    }
    scores = store.read_scores()

    def kept(scorer: str, request_id: str) -> Score | None:
        made = scores.of(request_id) if scorer in same else ()
        return next((score for score in made if score.scorer == scorer and score.status != "failed"), None)

    return kept


def compare_and_report(store: RunStore, planned: Plan, rules: Sequence[GateRule] = ()) -> Run:
    """Compare, judge by rules if there are any, and write the report."""
    loaded = compare_again(store, planned)
    try:
        loaded = apply_gate(store, loaded, rules) if rules else loaded
    finally:
        # Rules that cannot be judged are no reason to withhold what was measured.
        store.write_report(render_html(loaded))
    return loaded


def apply_gate(store: RunStore, run: Run, rules: Sequence[GateRule], source: str = "") -> Run:
    """Judge a compared run by rules and keep the verdict; `source` is the file of the rules, for messages."""
    versions = {name: of_scorer[-1] for name, of_scorer in run.observations.versions.items()}
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


def compare_again(store: RunStore, planned: Plan | None = None) -> Run:
    """Compare the scores that a run has now, and keep the result."""
    loaded = store.load(planned)
    scorers = _scorers_of(loaded)
    _refuse_unscored(loaded)
    refuse_stale(store)
    comparison = compare(
        loaded.plan,
        loaded.observations,
        store.read_config().compare.margined([metric for scorer in scorers for metric in scorer.metrics]),
        seed=loaded.manifest.seed,
        scorers=scorers,
        preferences=loaded.preferences,
        judgings=loaded.judgings,
        ratings=loaded.ratings,
        may_stop=loaded.may_stop,
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


def _incomplete(run: Run) -> Iterator[RunWarning]:
    """A warning if requests have no outcome, because generation was stopped or lines were lost."""
    missing = sum(request.id not in run.outcomes for request in run.plan.requests)
    if not missing:
        return
    of_all = f"{missing:,} of {len(run.plan.requests):,} requests"
    text = f"{of_all} were not generated: stopped when settled."
    if not run.stopped:
        why = "because the run was stopped or lines were lost"
        text = f"{of_all} have no outcome, {why}; evalharness run --out {run.path} --resume generates them."
    yield RunWarning(kind="incomplete", text=text)


def _scorers_of(run: Run) -> list[ScorerFacts]:
    """The facts of the scorers that the run has scores of, or should have, as they were kept with it."""
    names = dict.fromkeys((*scorer_names(run.plan.suites), *run.observations.versions))
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


def recompare_locked(store: RunStore) -> Run:
    """Compare and report again; the caller holds the run's lock."""
    compared = compare_again(store)
    if not store.has_report():
        store.write_report(render_html(compared))
    return compared
