"""From evidence to a verdict with its reason in one sentence; why these: docs/decisions/0008-gate-verdicts.md."""

import math
from typing import Literal

from evalharness.gate.evidence import Evidence, Losses
from evalharness.records import GateResult, GateRule, GateVerdict, Interval, Metric
from evalharness.statistics import Z95, non_inferiority
from evalharness.text import (
    format_interval,
    format_number,
    format_p,
    format_points,
    format_points_interval,
    format_share,
    format_share_interval,
)

MOST_AGAINST = 50
"""Samples against a rule that are kept in its result."""
NEEDS_WHOLE = 0.1
"""Largest share of completions that may be cut, where a metric needs the whole completion and the rule does not say."""
Z80 = 0.8416212335729143
"""Normal quantile at 80 %: the power that sizes are stated for."""
VERDICTS: dict[Literal["shown", "refuted", "open"], GateVerdict] = {
    "shown": "pass",
    "refuted": "fail",
    "open": "undecided",
}


def judge(rule: GateRule, evidence: Evidence, *, noise: float = 0.0) -> GateResult:
    """Pass what is shown to keep the bound, fail what is shown to break it, and leave the rest undecided.

    Args:
        rule: the bound and the limits.
        evidence: what was measured.
        noise: how far the metric moves between two runs of one checkpoint; the interval is widened by it both ways.
    """
    interval = _widened(evidence.interval, noise)
    verdict, reason = _verdict(rule, evidence, interval, noise)
    undecided_by_width = verdict == "undecided" and interval is not None
    return GateResult(
        rule=rule,
        verdict=verdict,
        reason=reason,
        n=evidence.n,
        estimate=evidence.estimate,
        interval=interval,
        noise=noise,
        needed=_needed(rule, evidence, noise) if undecided_by_width else None,
        n_against=len(evidence.against),
        against=evidence.against[:MOST_AGAINST],
    )


def _verdict(rule: GateRule, evidence: Evidence, interval: Interval | None, noise: float) -> tuple[GateVerdict, str]:
    if evidence.n_groups < rule.min_pairs:
        return "undecided", _too_few(rule, evidence)
    if interval is None or evidence.estimate is None:
        return "undecided", f"{_of(rule, evidence)} give no interval"
    position = _position(rule, evidence, interval)
    said = _said(rule, evidence, interval, position, noise)
    lost = _too_much_lost(rule, evidence.metric, evidence.losses)
    if position == "shown" and lost:
        return "undecided", f"would pass, but {lost}: {said}"
    return VERDICTS[position], said


def _widened(interval: Interval | None, noise: float) -> Interval | None:
    return None if interval is None else Interval(low=interval.low - noise, high=interval.high + noise)


def _position(rule: GateRule, evidence: Evidence, interval: Interval) -> Literal["shown", "refuted", "open"]:
    if rule.kind == "no_regression":
        return non_inferiority(interval.low, interval.high, margin=rule.bound, better=evidence.good)
    return non_inferiority(interval.low - rule.bound, interval.high - rule.bound, margin=0.0, better=evidence.good)


def _threshold(rule: GateRule, evidence: Evidence) -> float:
    """Where the interval must lie clear of."""
    if rule.kind != "no_regression":
        return rule.bound
    return -rule.bound if evidence.good == "higher" else rule.bound


def _needed(rule: GateRule, evidence: Evidence, noise: float) -> int | None:
    """As intervals narrow with the root of n; where nothing varies, a rate's end is z² / (n + z²) away (Wilson)."""
    if evidence.interval is None or evidence.estimate is None:
        return None
    threshold = _threshold(rule, evidence)
    near = evidence.interval.low if evidence.estimate > threshold else evidence.interval.high
    distance, half = abs(evidence.estimate - threshold) - noise, abs(near - evidence.estimate)
    if distance <= half / 1_000:
        return None
    if evidence.uniform:
        times = ((evidence.n_groups + Z95**2) * half / distance - Z95**2) / evidence.n_groups
    else:
        times = (half / distance * (Z95 + Z80) / Z95) ** 2
    return max(math.ceil(evidence.n * times), evidence.n + 1, rule.min_pairs)


# ------------------------------------------------------------------------------------------- sentences


def _of(rule: GateRule, evidence: Evidence) -> str:
    what = "pair" if rule.kind == "no_regression" else "sample"
    count = f"{evidence.n:,} {what}{'' if evidence.n == 1 else 's'}"
    groups = f" in {evidence.n_groups:,} groups" if evidence.n_groups < evidence.n else ""
    return count + groups


def _too_few(rule: GateRule, evidence: Evidence) -> str:
    what = "independent pair" if rule.kind == "no_regression" else "independent sample"
    plural = "" if rule.min_pairs == 1 else "s"
    few = f"{_of(rule, evidence)} with a value, and the rule asks for {rule.min_pairs:,} {what}{plural}"
    lost = _too_much_lost(rule, evidence.metric, evidence.losses)
    return f"{few}; {lost}" if lost else few


def _said(
    rule: GateRule, evidence: Evidence, interval: Interval, position: Literal["shown", "refuted", "open"], noise: float
) -> str:
    sentence = f"{_measured(rule, evidence, interval, noise)}; {_allowed(rule, evidence)}"
    match position:
        case "shown":
            return f"{sentence}, and the whole interval keeps it"
        case "refuted":
            return f"{sentence}, and the whole interval breaks it"
        case "open":
            return f"{sentence}, which lies within the interval{_outlook(rule, evidence, noise)}"


def _measured(rule: GateRule, evidence: Evidence, interval: Interval, noise: float) -> str:
    estimate = evidence.estimate or 0.0
    if rule.kind == "no_regression":
        value, span = _change(estimate, evidence.metric), _changes(interval, evidence.metric)
    else:
        value, span = _value(estimate, evidence.metric), _values(interval, evidence.metric)
    extra = f", widened by the noise of {format_number(noise)}" if noise else ""
    return f"{value} (95 % interval {span}{extra}) on {_of(rule, evidence)}"


def _allowed(rule: GateRule, evidence: Evidence) -> str:
    if rule.kind == "no_regression":
        return f"{_exactly(_threshold(rule, evidence), evidence.metric, sign='+')} is allowed"
    return f"{rule.kind.replace('_', ' ')} {_exactly(rule.bound, evidence.metric)} is asked for"


def _exactly(bound: float, metric: Metric, *, sign: str = "") -> str:
    """A bound as it was written: rounded, it could be on the other side of what was measured."""
    sign = sign if bound else ""
    if metric.kind == "rate":
        return f"{100 * bound:{sign}g} {'points' if sign or not bound else '%'}"
    return f"{bound:{sign},g}{_unit(metric)}"


def _change(difference: float, metric: Metric) -> str:
    if metric.kind == "rate":
        return format_points(difference, digits=1)
    return format_number(difference, signed=True) + _unit(metric)


def _changes(interval: Interval, metric: Metric) -> str:
    return format_points_interval(interval, digits=1) if metric.kind == "rate" else format_interval(interval)


def _value(value: float, metric: Metric) -> str:
    return format_share(value, digits=1) if metric.kind == "rate" else format_number(value) + _unit(metric)


def _values(interval: Interval, metric: Metric) -> str:
    return format_share_interval(interval, digits=1) if metric.kind == "rate" else format_interval(interval)


def _unit(metric: Metric) -> str:
    return f" {metric.unit}" if metric.unit else ""


def _outlook(rule: GateRule, evidence: Evidence, noise: float) -> str:
    """What an undecided rule says beyond that: a loss that was shown, and how many pairs would settle it."""
    estimate = evidence.estimate or 0.0
    worse = (estimate < 0) == (evidence.good == "higher") and estimate != 0
    shown = evidence.p_value is not None and evidence.p_value < 0.05 and worse
    loss = f"; that it is worse at all is shown (p {format_p(evidence.p_value)})" if shown else ""
    needed = _needed(rule, evidence, noise)
    what = "pairs" if rule.kind == "no_regression" else "samples"
    more = f"about {needed:,} {what} would settle it" if needed else f"no practicable number of {what} would settle it"
    return f"{loss}; {more}, were the value to stay"


def _too_much_lost(rule: GateRule, metric: Metric, losses: Losses) -> str:
    """Every limit that is exceeded, in words; empty where none is."""
    most_truncated = rule.max_truncated
    if most_truncated is None:
        most_truncated = NEEDS_WHOLE if metric.needs_end else 1.0
    limits = (
        (losses.failures, rule.max_failures, "have no completion"),
        (losses.unscored, rule.max_unscored, "have a completion without a value"),
        (losses.truncated, most_truncated, "were cut by the token limit"),
    )
    exceeded = [
        f"{100 * share:.3g} % of the samples {what} and {100 * most:g} % may"
        for share, most, what in limits
        if share > most
    ]
    return ", ".join(exceeded)
