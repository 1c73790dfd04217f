"""A run's origin: the two cards on top, the notices, and the provenance at the end."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from evalharness.compare.findings import verdict_sentence
from evalharness.formatting import format_bytes, format_change
from evalharness.records import (
    Checkpoint,
    Comparison,
    DeterminismCheck,
    LintFinding,
    Metric,
    PairedDifference,
    ResolvedCheckpoint,
)
from evalharness.report.charts.forest import format_difference
from evalharness.report.view import View
from evalharness.report.words import format_in_words
from evalharness.store import Run


@dataclass(frozen=True)
class Remark:
    """A warning or note about the run."""

    level: str
    """`error`, `warning` or `note`."""
    text: str
    fix: str = ""
    sample_ids: tuple[str, ...] = ()


def roles_of(run: Run, comparison: Comparison) -> dict[str, str]:
    """The role of each checkpoint: baseline, candidate, then all others."""
    roles = {comparison.baseline: "baseline", comparison.candidate: "candidate"}
    return roles | {checkpoint.name: "other" for checkpoint in run.plan.checkpoints if checkpoint.name not in roles}


def lede_of(run: Run, comparison: Comparison) -> str:
    """What was done, for a reader who is new to evalharness."""
    samples = len(run.plan.samples)
    prompts = f"the same {samples:,} prompts" if samples > 1 else "the same prompt"
    others = len(run.plan.checkpoints) - 2
    joined = ", " if others > 0 else " and "
    who = f"{comparison.baseline}{joined}{comparison.candidate}" + (f" and {others} more" if others > 0 else "")
    said = f"{who} got {prompts}, and what each wrote (a completion) was scored by the same rules. "
    said += "The two completions of a prompt form a pair: this page shows what differs and how certain that is."
    runs = run.manifest.paired_from
    return f"{said} It combines {len(runs)} runs: {', '.join(runs)}." if runs else said


def make_cards(run: Run, roles: Mapping[str, str]) -> tuple[View, ...]:
    """The checkpoints in the order of `roles`."""
    resolved = {checkpoint.name: checkpoint for checkpoint in run.plan.checkpoints}
    contexts = {request.checkpoint: request.config.context_length for request in run.plan.requests}
    counts = make_counts(run, roles)
    return tuple(_card(resolved[count.checkpoint], count, contexts.get(count.checkpoint)) for count in counts)


def _card(resolved: ResolvedCheckpoint, counts: View, context: int | None) -> View:
    checkpoint = resolved.checkpoint
    return View(
        name=checkpoint.name,
        role=counts.role,
        model=model_in_words(checkpoint),
        variant=f"{checkpoint.variant} checkpoint",
        format=checkpoint.prompt_format,
        format_in_words=format_in_words(resolved),
        weights=_weights(resolved),
        runs=_runs(resolved, context or resolved.context_length),
        notes=resolved.notes,
        counts=_in_words(counts),
        trouble=_trouble(counts),
    )


def model_in_words(checkpoint: Checkpoint) -> str:
    """The model's name on the first screen: a local model without its path, and with its adapter.

    >>> model_in_words(Checkpoint(name="a", model="hf//home/me/models/meadow-1b", variant="base"))
    'hf/meadow-1b'
    >>> options = {"adapter": "./runs/lora-3/"}
    >>> model_in_words(Checkpoint(name="a", model="hf/org/meadow", variant="base", options=options))
    'hf/org/meadow with the adapter lora-3'
    """
    name = checkpoint.model_name
    shown = f"{checkpoint.backend}/{_own_name(name)}" if name else checkpoint.model
    adapter = checkpoint.options.get("adapter")
    return f"{shown} with the adapter {_own_name(str(adapter))}" if adapter else shown


def _own_name(model: str) -> str:
    """The last part of a path; the name of a Hub or server model is kept whole."""
    parts = [part for part in re.split(r"[/\\\\]", model) if part not in ("", ".", "..")]
    is_path = model[:1] in ("/", ".", "~") or "\\" in model
    return parts[-1] if is_path and parts else model


def _in_words(counts: View) -> str:
    cut = f", {counts.truncated:,} truncated at the token limit" if counts.truncated else ""
    return f"{counts.completions:,} of {counts.requests:,} completions{cut}"


def _trouble(counts: View) -> str:
    failed = f"{counts.failures:,} failed" if counts.failures else ""
    missing = f"{counts.missing:,} not generated" if counts.missing else ""
    return ", ".join(problem for problem in (failed, missing) if problem)


def _weights(resolved: ResolvedCheckpoint) -> str:
    identity = resolved.identity
    quantized = f"quantized as {identity.quantization}" if identity.quantization else ""
    size = f"{resolved.parameters / 1e6:,.0f} million parameters" if resolved.parameters else ""
    memory = f"at most {format_bytes(resolved.memory_bytes)} of memory" if resolved.memory_bytes else ""
    return ", ".join(fact for fact in (size, quantized, memory) if fact)


def _runs(resolved: ResolvedCheckpoint, context: int | None) -> str:
    identity = resolved.identity
    server = ", ".join(f"{name} {version}" for name, version in identity.versions.items())
    where = f"on {identity.device or server}" if identity.device or server else ""
    dtype = f"in {identity.dtype}" if identity.dtype else ""
    length = f"with {context:,} tokens of context" if context else ""
    return " ".join(fact for fact in (where, dtype, length) if fact)


# --------------------------------------------------------------------------------------------- remarks


def make_remarks(run: Run, comparison: Comparison) -> tuple[Remark, ...]:
    """Everything a reader must know before trusting a number, the most serious first."""
    # A note on one checkpoint is for the provenance; a note on the comparison changes what every number means.
    lint = [finding for finding in run.plan.lint if finding.level != "note" or finding.checkpoint is None]
    # The comparison's warnings repeat the lint findings without the fix.
    remarks = [Remark("warning", warning.text) for warning in comparison.warnings if warning.kind != "lint"]
    remarks += [_lint_remark(finding) for finding in lint]
    remarks += [_notice_remark(notice.checkpoint, notice.kind, notice.message) for notice in run.notices]
    remarks += [*_retries(run), *(_determinism_remark(check) for check in run.determinism)]
    order = ("error", "warning", "note")
    return tuple(sorted(dict.fromkeys(remarks), key=lambda remark: order.index(remark.level)))


def _lint_remark(finding: LintFinding) -> Remark:
    where = f"{finding.checkpoint}: " if finding.checkpoint else ""
    return Remark(finding.level, f"{where}{finding.message}", finding.fix, finding.sample_ids)


def _retries(run: Run) -> list[Remark]:
    said = []
    for checkpoint in run.plan.checkpoints:
        counts = run.observations.counts(checkpoint.name)
        if counts.retried:
            ended = counts.completed + counts.failed
            text = f"{checkpoint.name}: {counts.retried} of {ended} requests took more than one attempt"
            said.append(Remark("note", text))
    return said


def _notice_remark(checkpoint: str, kind: str, message: str) -> Remark:
    if kind == "rendered":
        message = f"the server renders the first prompt as {message!r}"
    return Remark("warning" if kind in ("out_of_memory", "recovered") else "note", f"{checkpoint}: {message}")


def _determinism_remark(check: DeterminismCheck) -> Remark:
    said = f"{check.checkpoint}: {len(check.changed)} of {check.n} completions changed when generated again, each alone"
    return Remark("warning" if check.changed else "note", f"{said} (first: {check.batch}).", sample_ids=check.changed)


def make_undecided(comparison: Comparison) -> tuple[str, ...]:
    """A sentence for each headline metric that the pairs could not decide and no finding covers."""
    reported = {finding.metric for finding in comparison.findings}
    metrics = {metric.name: metric for metric in comparison.metrics}
    rows = [
        difference
        for difference in comparison.differences
        if difference.category is None and not difference.exploratory and difference.metric not in reported
        if difference.verdict in ("undecided", "equivalent")
    ]
    measured = [(row, metrics[row.metric]) for row in rows if row.difference is not None]
    said = [
        _undecided(difference, metric) for difference, metric in measured if difference.n_higher or difference.n_lower
    ]
    alike = [
        f"{metric.title} ({difference.n_pairs:,})"
        for difference, metric in measured
        if not difference.n_higher and not difference.n_lower
    ]
    if alike:
        said.append(f"The two sides agree on every pair (number of pairs in parentheses): {'; '.join(alike)}.")
    unmeasured = [metrics[row.metric].title for row in rows if row.difference is None]
    if unmeasured:
        said.append(f"No sample has a value on both sides for: {'; '.join(unmeasured)}.")
    return tuple(said)


def _undecided(difference: PairedDifference, metric: Metric) -> str:
    title = metric.title[:1].upper() + metric.title[1:]
    _, between = format_change(metric.kind, difference.difference, difference.interval)
    size = f", interval {between}" if difference.interval else ""
    return f"{title}: {format_difference(difference, metric)}{size}. {verdict_sentence(difference, metric)}"


# ------------------------------------------------------------------------------------------ provenance


def make_counts(run: Run, roles: Mapping[str, str]) -> tuple[View, ...]:
    """Requests and their outcomes, side by side."""
    return tuple(_counts(run, name, role) for name, role in roles.items())


def _counts(run: Run, name: str, role: str) -> View:
    counts = run.observations.counts(name)
    return View(
        checkpoint=name,
        role=role,
        requests=counts.asked,
        completions=counts.completed,
        failures=counts.failed,
        missing=counts.not_generated,
        truncated=counts.ends["length"],
        ended=counts.ends["stop"],
    )


def make_costs(run: Run, roles: Mapping[str, str]) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """Name, role and what its generation took, for each checkpoint of which that is recorded."""
    recorded = {spent.checkpoint for spent in run.spent}
    return tuple((name, role, _cost(run, name)) for name, role in roles.items() if name in recorded)


def _cost(run: Run, name: str) -> tuple[str, ...]:
    parts = [spent for spent in run.spent if spent.checkpoint == name]
    tokens, seconds = sum(part.tokens for part in parts), sum(part.seconds for part in parts)
    retried = run.observations.counts(name).retried
    sums = (sum(part.requests for part in parts), sum(part.prompt_tokens for part in parts), tokens)
    times = (sum(part.loading_seconds for part in parts), seconds, tokens / seconds if seconds and tokens else None)
    return (*(f"{n:,}" for n in sums), *("" if time is None else f"{time:,.1f}" for time in times), f"{retried:,}")


def make_identities(run: Run, roles: Mapping[str, str]) -> tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...]:
    """Name, role and everything that can change a completion, for each checkpoint."""
    resolved = {checkpoint.name: checkpoint for checkpoint in run.plan.checkpoints}
    return tuple((name, role, tuple(_identity(resolved[name]))) for name, role in roles.items())


def _identity(resolved: ResolvedCheckpoint) -> Iterator[tuple[str, str]]:
    yield "identity", resolved.identity.digest
    for field, value in resolved.identity.model_dump(exclude={"versions"}).items():
        if value not in (None, {}):
            yield field.replace("_", " "), str(value)
    yield from sorted(resolved.identity.versions.items())
    for option, value in sorted(resolved.checkpoint.options.items()):
        yield f"option {option}", str(value)


def make_origin(run: Run) -> tuple[tuple[str, str], ...]:
    """What is needed to reproduce the run, as term and text."""
    manifest, versions = run.manifest, run.observations.versions
    return (
        ("command", manifest.command),
        ("created", manifest.created),
        ("evalharness", f"{manifest.evalharness_version}, run format {manifest.format_version}"),
        ("seed", str(manifest.seed)),
        *(("hardware: " + name, value) for name, value in manifest.hardware.items()),
        *(("version: " + name, value) for name, value in manifest.versions.items()),
        *_generation(run),
        *_suites(run),
        (
            "scorers",
            ", ".join(f"{name} {version}" for name, scorer_versions in versions.items() for version in scorer_versions)
            or "none",
        ),
    )


def _generation(run: Run) -> Iterator[tuple[str, str]]:
    elsewhere = {checkpoint.name: checkpoint.elsewhere for checkpoint in run.plan.checkpoints}
    known = {name for name, made in elsewhere.items() if made is None or made.settings_known}
    for config in dict.fromkeys(request.config for request in run.plan.requests if request.checkpoint in known):
        yield "generation", config.model_dump_json()
    if unknown := [name for name in elsewhere if name not in known]:
        yield "generation", f"not known of {' and '.join(unknown)}"
    replicates = len({request.replicate for request in run.plan.requests})
    if replicates > 1:
        yield "replicates", str(replicates)


def _suites(run: Run) -> Iterator[tuple[str, str]]:
    for suite in run.plan.suites:
        said = f"{suite.name} {suite.version}, {len(suite.samples):,} samples, {suite.license}, {suite.source}"
        yield "suite", f"{said}, {suite.digest}"
