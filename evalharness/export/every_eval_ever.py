"""One checkpoint's results as a record of Every Eval Ever 0.3, the shared format of the EvalEval Coalition.

https://github.com/evaleval/every_eval_ever (`eval.schema.json`). It holds one model a file and no comparison.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import PurePath
from typing import Any

from evalharness.errors import SharingError
from evalharness.export import Choices, Exported
from evalharness.records import Checkpoint, Metric, ResolvedCheckpoint, Summary
from evalharness.store import Run

SCHEMA_VERSION = "0.3.0"
ENGINES = {"hf": "transformers", "demo": "transformers", "ollama": "ollama"}
"""By backend whose engine runs where evalharness does; another backend's is the first of its versions."""
NOTE = "before you submit it, fill in source_organization_name, evaluator_relationship and a local model's developer"


def to_every_eval_ever(run: Run, choices: Choices) -> Exported:
    """The means of a checkpoint's metrics with their intervals; of the candidate, if no other is chosen."""
    checkpoint = _chosen(run, choices.checkpoint or run.compared.candidate)
    metrics = {metric.name: metric for metric in run.compared.metrics}
    mine = [row for row in run.compared.summaries if row.checkpoint == checkpoint.name and row.category is None]
    directed = [row for row in mine if row.mean is not None and metrics[row.metric].better]
    left_out = sum(row.mean is not None for row in mine) - len(directed)
    record = {
        **_head(run, checkpoint),
        "evaluation_results": [_result(run, row, metrics[row.metric]) for row in directed],
    }
    note = f"left out: {left_out} metrics without a better direction, which the format asks for; " if left_out else ""
    return Exported(
        (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "replace"), f"{note}{NOTE}"
    )


def _chosen(run: Run, name: str) -> ResolvedCheckpoint:
    for checkpoint in run.plan.checkpoints:
        if checkpoint.name == name:
            return checkpoint
    names = ", ".join(checkpoint.name for checkpoint in run.plan.checkpoints)
    raise SharingError(f"the run has no checkpoint {name!r}", fix=f"use one of {names}")


def _head(run: Run, checkpoint: ResolvedCheckpoint) -> dict[str, Any]:
    created = str(datetime.fromisoformat(run.manifest.created).timestamp())
    model = _model_id(checkpoint.checkpoint)
    return {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": f"{_suites(run)}/{model}/{created}",
        "evaluation_timestamp": run.manifest.created,
        "retrieved_timestamp": created,
        "source_metadata": {
            "source_name": "evalharness",
            "source_type": "evaluation_run",
            "source_organization_name": "unknown",
            "evaluator_relationship": "other",
        },
        "eval_library": {"name": "evalharness", "version": run.manifest.evalharness_version},
        "model_info": {"name": checkpoint.name, "id": model, **_served(checkpoint)},
    }


def _model_id(checkpoint: Checkpoint) -> str:
    """The Hub's name without the revision, or of a path the last part: a folder's place is nobody's business."""
    name = checkpoint.model_name.partition("@")[0]
    return PurePath(name).name if name.startswith((".", "/")) else name


def _served(checkpoint: ResolvedCheckpoint) -> dict[str, Any]:
    identity = checkpoint.identity
    details = {
        "deployment_type": "self_deployed" if identity.backend in ENGINES else "unknown",
        "model_availability": "unknown",
        "variant": checkpoint.checkpoint.variant,
        "prompt_format": checkpoint.checkpoint.prompt_format,
        "weights_digest": identity.weights_digest,
        "adapter_digest": identity.adapter_digest,
        "quantization": identity.quantization,
        "generated_by": checkpoint.elsewhere and checkpoint.elsewhere.program,
    }
    served: dict[str, Any] = {"additional_details": {name: text for name, text in details.items() if text}}
    if engine := ENGINES.get(identity.backend) or next(iter(identity.versions), None):
        served["inference_engine"] = {"name": engine, "version": identity.versions.get(engine, "unknown")}
    return served


def _suites(run: Run) -> str:
    return "+".join(suite.name for suite in run.plan.suites)


def _result(run: Run, row: Summary, metric: Metric) -> dict[str, Any]:
    bounds = {"score_type": "continuous", "min_score": 0.0, "max_score": 1.0, "metric_unit": "proportion"}
    config = next(request.config for request in run.plan.requests if request.checkpoint == row.checkpoint)
    given = config.model_dump(include={"temperature", "top_p", "top_k", "max_tokens"})
    return {
        "evaluation_result_id": row.metric,
        "evaluation_name": _suites(run),
        "source_data": {"dataset_name": _suites(run), "source_type": "other", "additional_details": _versions(run)},
        "metric_config": {
            "metric_id": f"evalharness.{row.metric}",
            "metric_name": metric.title,
            "evaluation_description": metric.description,
            "lower_is_better": metric.better == "lower",
            **(bounds if metric.kind == "rate" else {}),
        },
        "score_details": dict(_score(row)),
        "generation_config": {"generation_args": given, "additional_details": {"seed": str(config.seed)}},
    }


def _versions(run: Run) -> dict[str, str]:
    return {f"{suite.name} version": suite.version for suite in run.plan.suites}


def _score(row: Summary) -> Iterator[tuple[str, Any]]:
    yield "score", row.mean
    yield "details", {"failures": str(row.n_failures), "unscored": str(row.n_unscored)}
    uncertainty: dict[str, Any] = {"num_samples": row.n}
    if row.interval:
        bounds = {"lower": row.interval.low, "upper": row.interval.high, "confidence_level": 0.95}
        uncertainty["confidence_interval"] = bounds
    yield "uncertainty", uncertainty
