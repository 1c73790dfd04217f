"""What each text of a run's records is, so that a profile knows what to do with it.

Every field that can hold text has a line here; a test fails where one is missing, and so does redaction.
"""

from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import JsonValue

from evalharness.records import Record

Kind = Literal[
    "plain",
    "prompt",
    "rendered",
    "template",
    "source",
    "completion",
    "quote",
    "lint",
    "words",
    "notes",
    "sample",
    "checkpoint",
    "model",
    "digest",
    "version",
    "options",
    "machine",
    "command",
    "config",
    "run",
    "person",
]
"""
`plain`: names that evalharness or a suite's author gives, such as metrics, labels, categories; they stay.
`prompt`: text that is sent. `rendered`: a notice of it. `template`: text that is put around it. `source`: where text
was taken from.
`completion`: text that a checkpoint wrote. `quote`: words on one sample, which may quote it.
`lint`: words on how prompts are built. `words`: sentences on the run. `notes`: words on a checkpoint.
`sample`: ids of samples and groups. The others name a checkpoint, a model, a machine, a place or a person.
"""

FIELDS: Mapping[str, Mapping[str, Kind]] = {
    "Message": {"content": "prompt"},
    "Constraint": {"kind": "plain", "parameters": "prompt"},
    "Sample": {"id": "sample", "category": "plain", "group": "sample", "target": "prompt", "source": "source"},
    "Suite": {
        "name": "plain", "version": "plain", "description": "words", "license": "plain", "source": "source",
        "scorers": "plain", "digest": "plain",
    },
    "Checkpoint": {"name": "checkpoint", "model": "model", "options": "options"},
    "CheckpointIdentity": {
        "backend": "plain", "model": "model", "weights_digest": "digest", "template_digest": "digest",
        "tokenizer_digest": "digest", "adapter_digest": "digest", "manifest_digest": "digest",
        "quantization": "plain", "device": "plain", "dtype": "plain", "attention": "plain", "versions": "plain",
        "settings": "options",
    },
    "TokenizerFacts": {"bos_token": "plain", "end_tokens": "plain", "chat_template": "template"},
    "Modelfile": {"template": "template", "renderer": "template", "system": "template", "parameters": "template"},
    "ResolvedCheckpoint": {"notes": "notes"},
    "RawPrompt": {"text": "prompt", "stop": "plain"},
    "ChatPrompt": {},
    "GenerationConfig": {"stop": "plain"},
    "GenerationRequest": {"id": "plain", "checkpoint": "checkpoint", "sample_id": "sample", "rendered": "prompt"},
    "TokenLogprob": {"token": "completion", "top": "completion"},
    "Completion": {"request_id": "plain", "text": "completion", "stopped_by": "plain", "thinking": "completion"},
    "Failure": {"request_id": "plain", "message": "quote"},
    "Notice": {"checkpoint": "checkpoint", "message": "words"},
    "DeterminismCheck": {"checkpoint": "checkpoint", "changed": "sample", "batch": "words"},
    "Span": {"label": "plain"},
    "Score": {
        "request_id": "plain", "scorer": "plain", "version": "version", "label": "plain", "values": "plain",
        "explanation": "quote",
    },
    "NamedChange": {"name": "plain", "with_lower": "plain"},
    "Label": {"name": "plain", "title": "plain", "meaning": "plain"},
    "ScorerFacts": {
        "name": "plain", "heading": "plain", "hint": "plain", "form": "plain", "unscored": "plain",
        "model_help": "plain",
    },
    "ScorerIdentity": {"name": "plain", "version": "version", "identity": "options"},
    "Metric": {
        "name": "plain", "title": "plain", "description": "plain", "unit": "plain", "flips": "plain",
        "mirror_of": "plain", "guarded_by": "plain",
    },
    "Interval": {},
    "Summary": {"metric": "plain", "checkpoint": "checkpoint", "category": "plain"},
    "PairedDifference": {"metric": "plain", "category": "plain", "method": "plain", "effect_size_name": "plain"},
    "Finding": {"name": "plain", "sentence": "words", "metric": "plain", "sample_ids": "sample"},
    "FurtherComparison": {"candidate": "checkpoint"},
    "Comparison": {
        "baseline": "checkpoint", "candidate": "checkpoint", "warnings": "words", "evidence_digest": "plain",
    },
    "LintFinding": {
        "code": "plain", "checkpoint": "checkpoint", "message": "lint", "fix": "lint", "sample_ids": "sample",
    },
    "Estimate": {"checkpoint": "checkpoint"},
    "Plan": {"baseline": "checkpoint", "candidate": "checkpoint"},
    "Manifest": {
        "evalharness_version": "plain", "created": "plain", "command": "command", "config": "config",
        "versions": "plain", "hardware": "machine", "paired_from": "run",
    },
    "GateRule": {"metric": "plain", "category": "plain", "suite": "plain", "name": "words"},
    "GateSample": {"sample_id": "sample"},
    "GateResult": {"reason": "words"},
    "GateReport": {"baseline": "checkpoint", "candidate": "checkpoint", "evidence_digest": "plain"},
    "Preference": {
        "sample_id": "sample", "baseline": "checkpoint", "candidate": "checkpoint", "rater": "person",
        "explanation": "quote",
    },
    "JudgeFailure": {"sample_id": "sample", "reason": "quote"},
    "Judging": {
        "rater": "person", "baseline": "checkpoint", "candidate": "checkpoint", "prompt_text": "words",
        "notes": "notes",
    },
    "PreferenceSummary": {"rater": "person"},
    "LengthControl": {"note": "words"},
    "RewardAgreement": {"scorers": "plain"},
    "RewardComparison": {
        "scorer": "plain", "version": "version", "no_length_control": "words", "contradicting": "sample",
    },
    "RewardLength": {"checkpoint": "checkpoint"},
    "RewardOfState": {"checkpoint": "checkpoint", "state": "plain"},
}  # fmt: skip


@cache
def text_fields(record: type[Record]) -> Mapping[str, Kind | None]:
    """The fields of a record class that can hold text of somebody's choosing, with their kind; None where none is set.

    >>> from evalharness.records import Message
    >>> text_fields(Message)
    {'content': 'prompt'}
    """
    kinds = FIELDS.get(record.__name__, {})
    fields = record.model_fields.items()
    return {name: kinds.get(name) for name, field in fields if _holds_text(field.annotation)}


def _holds_text(annotation: Any) -> bool:
    """Whether a type has `str` in it; a Literal has only words of our own, and records have fields of their own."""
    if get_origin(annotation) is Literal:
        return False
    if annotation is str or annotation is Any or annotation is JsonValue:
        return True
    if get_origin(annotation) in (Annotated, Union, UnionType, tuple, dict, list, frozenset):
        return any(_holds_text(one) for one in get_args(annotation) if one is not ...)
    return False
