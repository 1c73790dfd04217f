"""Whether two plans are equivalent, and in words what differs: a run is resumed only under equal conditions."""

from evalharness.records import Plan, Record


def what_differs(stored: Plan, planned: Plan) -> str | None:
    """The first relevant difference between a run's plan and a new one; None if the run can be resumed."""
    if _conditions(stored) == _conditions(planned):
        return None
    return _difference(stored, planned)


def _conditions(plan: Plan) -> list[object]:
    suites = [suite.digest for suite in plan.suites]
    return [plan.baseline, plan.candidate, suites, [request.id for request in plan.requests]]


def _difference(stored: Plan, planned: Plan) -> str:
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


def _replicates(plan: Plan) -> int:
    return 1 + max(request.replicate for request in plan.requests)


def _changed_fields(old: Record, new: Record) -> list[str]:
    left, right = old.model_dump(), new.model_dump()
    return [name.replace("_", " ") for name in left if left[name] != right.get(name)]
