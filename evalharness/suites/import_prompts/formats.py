"""The supported prompt files: the columns that identify each format, and the meaning of its rows.

A reader turns one row into the fields of a `Sample` (with `prompt` or `messages`), or raises ValueError with what is
wrong. Column names and meanings are those of the published files:

    XSTest          github.com/paul-rottger/exaggerated-safety, xstest_prompts.csv (Röttger et al. 2024)
    IFEval          github.com/google-research/google-research, instruction_following_eval/data/input_data.jsonl
    HarmBench       github.com/centerforaisafety/HarmBench, data/behavior_datasets (Mazeika et al. 2024)
    AlpacaEval      huggingface.co/datasets/tatsu-lab/alpaca_eval, alpaca_eval.json
    MT-Bench        github.com/lm-sys/FastChat, llm_judge/data/mt_bench/question.jsonl (Zheng et al. 2023)
    Do-Not-Answer   huggingface.co/datasets/LibrAI/do-not-answer (Wang et al. 2024)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from evalharness.parsing import Unparsable, parse_json
from evalharness.records import Sample

Data = Mapping[str, Any]
Fields = dict[str, Any]
JSON_FIELDS = ("messages", "constraints")
PLAIN_FIELDS = ("prompt", *Sample.model_fields)
PROMPT_NAMES = ("prompt", "instruction", "question", "text")
SAFE_TYPES = (
    *("homonyms", "figurative_language", "safe_targets", "safe_contexts", "definitions", "nons_group_real_discr"),
    *("real_group_nons_discr", "historical_events", "privacy_public", "privacy_fictional"),
)
COUNTS = {1: "one_constraint", 2: "two_constraints", 3: "three_constraints"}


@dataclass(frozen=True)
class Format:
    """A kind of prompt file."""

    title: str
    needs: tuple[str, ...]
    """Columns that identify it."""
    read: Callable[[Data], Fields]
    id_columns: tuple[str, ...] = ("id",)
    """Columns that may hold an id, the first that is filled; otherwise an id is made from the prompt."""
    license: str = "not stated"
    source: str = ""
    note: str = ""
    """A note for every import of this format."""
    known_by_any: tuple[str, ...] = ()
    """If given, one of these columns is required too."""
    left_out: tuple[str, ...] = ()
    """Columns whose silent loss would change the meaning of a row; a filled cell is an error."""

    def fits(self, columns: tuple[str, ...]) -> bool:
        """Whether a file with these columns is of this kind."""
        return set(self.needs) <= set(columns) and (
            not self.known_by_any or not set(self.known_by_any).isdisjoint(columns)
        )


def text_of(data: Data, name: str) -> str:
    """The text in a column; empty where the column is absent, empty or null. Raises ValueError for anything else."""
    value = data.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{name} must be text, not {type(value).__name__}")
    return str(value)


def _needed(data: Data, name: str) -> str:
    text = text_of(data, name)
    if not text.strip():
        raise ValueError(f"{name} is empty")
    return text


# --------------------------------------------------------------------------------------------- readers


def _xstest(data: Data) -> Fields:
    kind = _needed(data, "type").strip()
    if not kind.startswith("contrast_") and kind not in SAFE_TYPES:
        # Another table with a column `type` must not become 450 samples that are all expected to be answered.
        raise ValueError(f"{kind!r} is not a type of XSTest; for another table use --format plain")
    expected = "refuse" if kind.startswith("contrast_") else "comply"
    label = text_of(data, "label").strip().lower()
    if label and label != ("unsafe" if expected == "refuse" else "safe"):
        raise ValueError(f"label is {label!r}, but type {kind!r} means that a model should {expected}")
    return {"prompt": _needed(data, "prompt"), "category": kind, "expected": expected}


def _ifeval(data: Data) -> Fields:
    kinds, parameters = data.get("instruction_id_list"), data.get("kwargs")
    if not isinstance(kinds, list) or not isinstance(parameters, list) or not kinds:
        raise ValueError("instruction_id_list and kwargs must be lists, and not empty")
    if len(kinds) != len(parameters):
        raise ValueError(f"{len(kinds)} instructions but {len(parameters)} kwargs")
    prompt = _needed(data, "prompt")
    pairs = zip(kinds, parameters, strict=True)
    constraints = [{"kind": kind, "parameters": _completed(kind, _parameters(pair), prompt)} for kind, pair in pairs]
    category = COUNTS.get(len(constraints), "more_constraints")
    return {"prompt": prompt, "category": category, "expected": "comply", "constraints": constraints}


def _completed(kind: Any, parameters: Fields, prompt: str) -> Fields:
    """The earliest published file leaves out what is to be repeated, and the reference takes the prompt."""
    return {"prompt_to_repeat": prompt} | parameters if kind == "combination:repeat_prompt" else parameters


def _parameters(kwargs: Any) -> Fields:
    """Without the nulls that some copies fill up with, and with whole numbers that became floats as integers."""
    if kwargs is None:
        return {}
    if not isinstance(kwargs, dict):
        raise ValueError("every entry of kwargs must be an object")
    given = {name: value for name, value in kwargs.items() if value is not None}
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value for name, value in given.items()
    }


def _harmbench(data: Data) -> Fields:
    behavior, context = _needed(data, "Behavior"), text_of(data, "ContextString")
    # As HarmBench itself joins them (baselines/, `test_case`).
    prompt = f"{context}\n\n---\n\n{behavior}" if context.strip() else behavior
    category = first_filled(data, "SemanticCategory", "FunctionalCategory") or "harmbench"
    return {"prompt": prompt, "category": category, "expected": "refuse"}


def _columns(prompt: str, categories: tuple[str, ...], default: str, expected: str) -> Callable[[Data], Fields]:
    """A reader of a file with a prompt a row, and one of these columns for its category."""
    return lambda data: {
        "prompt": _needed(data, prompt),
        "category": first_filled(data, *categories) or default,
        "expected": expected,
    }


def first_filled(data: Data, *names: str) -> str:
    """The first of these columns that is filled; empty if none is."""
    return next((text for name in names if (text := text_of(data, name).strip())), "")


def _mt_bench(data: Data) -> Fields:
    turns = data.get("turns")
    if not isinstance(turns, list) or not turns or not all(isinstance(turn, str) for turn in turns):
        raise ValueError("turns must be a list of strings")
    if not turns[0].strip():
        raise ValueError("the first turn is empty")
    reference = data.get("reference")
    target = reference[0] if isinstance(reference, list) and reference and isinstance(reference[0], str) else None
    category = first_filled(data, "category") or "mt_bench"
    return {"prompt": turns[0], "category": category, "expected": "comply", "target": target or None}


def _plain(data: Data) -> Fields:
    fields: Fields = {}
    for name in PLAIN_FIELDS:
        value = data.get(name)
        if name == "id" or value is None or value == "" or value == []:
            continue
        fields[name] = _json_value(name, value) if name in JSON_FIELDS else text_of(data, name)
    if "messages" not in fields and "prompt" not in fields:
        named = prompt_column(data)
        if named is None:
            raise ValueError("the prompt is missing")
        fields["prompt"] = text_of(data, named)
    return {"category": "all"} | fields


def prompt_column(data: Data) -> str | None:
    """The column that holds a plain row's prompt; None if no known one is filled."""
    return next((name for name in PROMPT_NAMES if first_filled(data, name)), None)


def _json_value(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse_json(value)
    except Unparsable as error:
        raise ValueError(f"{name} is not valid JSON: {error}") from None


# -------------------------------------------------------------------------------------------- registry

FORMATS: Mapping[str, Format] = {
    "ifeval": Format(
        title="IFEval",
        needs=("prompt", "instruction_id_list", "kwargs"),
        read=_ifeval,
        id_columns=("key",),
        license="CC-BY-4.0",
        source="google-research/instruction_following_eval",
    ),
    "harmbench": Format(
        title="HarmBench behaviors",
        needs=("Behavior", "BehaviorID"),
        read=_harmbench,
        id_columns=("BehaviorID",),
        license="MIT",
        source="centerforaisafety/HarmBench",
        note="every behavior is expected to be refused, including the copyrighted texts",
        left_out=("ImageFileName",),
    ),
    "do-not-answer": Format(
        title="Do-Not-Answer",
        needs=("question", "risk_area", "types_of_harm"),
        read=_columns("question", ("risk_area", "types_of_harm"), "do_not_answer", "refuse"),
        license="CC-BY-NC-SA-4.0",
        source="LibrAI/do-not-answer",
        note="the answers of other models in the file are left out",
    ),
    "mt-bench": Format(
        title="MT-Bench",
        needs=("question_id", "turns"),
        read=_mt_bench,
        id_columns=("question_id",),
        license="Apache-2.0",
        source="lm-sys/FastChat, llm_judge/data/mt_bench",
        note="only the first turn is used: the second refers to the model's own first answer",
    ),
    "xstest": Format(
        title="XSTest",
        needs=("prompt", "type"),
        read=_xstest,
        id_columns=("id", "id_v2", "id_v1"),
        license="CC-BY-4.0",
        source="paul-rottger/exaggerated-safety",
        note="types that start with contrast_ are expected to be refused, the others to be answered; "
        "the file does not mark pairs, so every prompt is a group of its own",
        known_by_any=("focus", "note", "id_v2"),
    ),
    "alpaca-eval": Format(
        title="AlpacaEval",
        needs=("instruction", "dataset"),
        read=_columns("instruction", ("dataset",), "alpaca_eval", "comply"),
        id_columns=(),
        license="CC-BY-NC-4.0",
        source="tatsu-lab/alpaca_eval",
        note="the reference model's outputs are left out",
    ),
    "plain": Format(title="a plain table", needs=(), read=_plain),
}


def guess_format(columns: tuple[str, ...]) -> str | None:
    """The name of the format with these columns; None if unknown.

    >>> guess_format(("id", "prompt", "type", "note")), guess_format(("prompt", "mood")), guess_format(("mood",))
    ('xstest', 'plain', None)
    """
    known = next((name for name, kind in FORMATS.items() if kind.needs and kind.fits(columns)), None)
    plain = not {"messages", *PROMPT_NAMES}.isdisjoint(columns)
    return known or ("plain" if plain else None)
