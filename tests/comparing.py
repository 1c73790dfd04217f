"""Builds small comparisons out of real records: who said what is given, everything else is filled in."""

from evalharness.compare import compare
from evalharness.observations import observe
from evalharness.records import (
    Checkpoint,
    CheckpointIdentity,
    Completion,
    Failure,
    GenerationConfig,
    GenerationRequest,
    Message,
    Metric,
    Plan,
    RawPrompt,
    RenderedPrompt,
    ResolvedCheckpoint,
    Sample,
    Score,
    Suite,
)

RATE = Metric(name="s.hit", title="hits", description="", kind="rate", better="higher", headline=True)
MEAN = Metric(name="s.size", title="size", description="", kind="mean", unit="words")


def make_plan(groups, *, categories=None, replicates=1, names=("old", "new"), expected=None):
    """A plan with one sample for each group named."""
    categories = categories or ["c"] * len(groups)
    samples = tuple(
        Sample(
            id=f"s{n}",
            messages=(Message(role="user", content=f"p{n}"),),
            category=category,
            group=group,
            expected=expected,
        )
        for n, (group, category) in enumerate(zip(groups, categories, strict=True))
    )
    suite = Suite(name="t", version="1", license="x", source="x", scorers=("s",), samples=samples, digest="d")
    sides = tuple(
        ResolvedCheckpoint(
            checkpoint=Checkpoint(name=name, model=f"replay/{name}", variant="base", prompt_format="raw"),
            identity=CheckpointIdentity(backend="replay", model=name, weights_digest=name),
        )
        for name in names
    )
    requests = tuple(
        GenerationRequest.of(
            side, sample.id, RawPrompt(text=sample.prompt), RenderedPrompt(), GenerationConfig(), replicate
        )
        for side in sides
        for replicate in range(replicates)
        for sample in samples
    )
    return Plan(suites=(suite,), checkpoints=sides, baseline="old", candidate="new", requests=requests)


def outcome(request, value, *, finish_reason="stop"):
    """A failure where the value is None."""
    if value is None:
        return Failure(request_id=request.id, kind="server", message="gone")
    return Completion(request_id=request.id, text="x", finish_reason=finish_reason)


def scored(old, new, *, metric=RATE, groups=None, categories=None, replicates=1):
    """Plan, outcomes and scores of two lists of values of one metric, replicate after replicate; None is a failure."""
    count = len(old) // replicates
    plan = make_plan(groups or [f"g{n}" for n in range(count)], categories=categories, replicates=replicates)
    values = dict(zip([request.id for request in plan.requests], [*old, *new], strict=True))
    outcomes = {request.id: outcome(request, values[request.id]) for request in plan.requests}
    scorer, _, name = metric.name.partition(".")
    scores = [
        Score(request_id=metric_name, scorer=scorer, version="1", status="scored", values={name: value})
        for metric_name, value in values.items()
        if value is not None
    ]
    return plan, outcomes, scores


def reordered(plan, outcomes, scores, random_):
    """The same in another order: samples, requests and scores."""
    suite, requests, scores = plan.suites[0], list(plan.requests), list(scores)
    samples = list(suite.samples)
    for records in (samples, requests, scores):
        random_.shuffle(records)
    suite = suite.model_copy(update={"samples": tuple(samples)})
    return plan.model_copy(update={"suites": (suite,), "requests": tuple(requests)}), outcomes, scores


def compare_records(plan, outcomes, scores, metrics, *, seed=0, **more):
    """Compare what a run would hold."""
    return compare(plan, observe(plan, outcomes, scores), metrics, seed=seed, **more)


def compared(old, new, *, metric=RATE, groups=None, categories=None, replicates=1, metrics=None, seed=0):
    """Compare two lists of values of one metric, replicate after replicate; None is a failure."""
    plan, outcomes, scores = scored(
        old, new, metric=metric, groups=groups, categories=categories, replicates=replicates
    )
    return compare(plan, observe(plan, outcomes, scores), metrics or [metric], seed=seed)


def compared_all(values, metrics):
    """Compare two lists of values, old and new, for each of several metrics of one scorer."""
    plan = make_plan([f"g{n}" for n in range(len(values[metrics[0].name][0]))])
    outcomes = {request.id: outcome(request, 0.0) for request in plan.requests}
    scores = [
        Score(
            request_id=request.id,
            scorer=metrics[0].name.partition(".")[0],
            version="1",
            status="scored",
            values={name.partition(".")[2]: [*old, *new][number] for name, (old, new) in values.items()},
        )
        for number, request in enumerate(plan.requests)
    ]
    return compare(plan, observe(plan, outcomes, scores), metrics, seed=0)
