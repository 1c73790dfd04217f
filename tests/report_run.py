"""A run to draw reports from: hand-written completions, judged and compared by the real scorers."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from evalharness.compare import compare
from evalharness.prompting import build_prompt
from evalharness.records import (
    Checkpoint,
    CheckpointIdentity,
    Completion,
    DeterminismCheck,
    Failure,
    GenerationConfig,
    GenerationRequest,
    LintFinding,
    Manifest,
    Notice,
    Plan,
    RenderedPrompt,
    ResolvedCheckpoint,
    Sample,
    Suite,
    digest,
)
from evalharness.score import all_metrics, score
from evalharness.scorers import open_scorer
from evalharness.store import Run


@dataclass(frozen=True)
class Scene:
    """A sample and what each side made of it; a text of None is a failure."""

    sample: Sample
    base: str | None
    instruct: str | None
    base_ends: bool = False
    instruct_ends: bool = True


def read_scenes():
    lines = (Path(__file__).parent / "report_scenes.jsonl").read_text().splitlines()
    return tuple(Scene(**row | {"sample": Sample(**row["sample"])}) for row in map(json.loads, lines))


SCENES = read_scenes()
BASE = ResolvedCheckpoint(
    checkpoint=Checkpoint(name="base", model="hf/example/meadow-270m", variant="base", prompt_format="raw"),
    identity=CheckpointIdentity(
        backend="hf",
        model="example/meadow-270m",
        weights_digest=digest("base weights"),
        tokenizer_digest=digest("base tokenizer"),
        quantization="Q4_K_M",
        device="cpu",
        dtype="float32",
        attention="sdpa",
        versions={"torch": "2.13.0", "transformers": "5.23.0"},
    ),
    context_length=32_768,
    parameters=268_098_176,
    memory_bytes=1_072_392_704,
    notes=("Weights under the Meadow licence, which allows research and commercial use.",),
)
INSTRUCT = ResolvedCheckpoint(
    checkpoint=Checkpoint(
        name="instruct", model="hf/example/brook-135m-instruct", variant="instruct", prompt_format="chat"
    ),
    identity=CheckpointIdentity(
        backend="hf",
        model="example/brook-135m-instruct",
        weights_digest=digest("instruct weights"),
        template_digest=digest("instruct template"),
        tokenizer_digest=digest("instruct tokenizer"),
        device="cpu",
        dtype="float32",
        attention="sdpa",
        versions={"torch": "2.13.0", "transformers": "5.23.0"},
    ),
    context_length=8_192,
    parameters=134_515_008,
    memory_bytes=538_060_032,
    notes=("Weights under the Apache 2.0 licence.",),
)
CONFIG = GenerationConfig(max_tokens=128)
LINT = (
    LintFinding(
        code="different-formats",
        level="note",
        checkpoint=None,
        message="the checkpoints are prompted differently (base as raw, instruct as chat)",
        fix="add a checkpoint with the same weights and the other format to tell them apart",
    ),
    LintFinding(
        code="trailing-space",
        level="warning",
        checkpoint="base",
        message="2 prompts end in a blank, which many tokenizers encode in a way the model rarely saw",
        fix="remove the blank at the end",
        sample_ids=("cat-mat", "old-house"),
    ),
)


def make_run(scenes=SCENES, *, base=BASE, instruct=INSTRUCT, path=Path("reports/example")):
    """The scenes as a finished run."""
    suite = Suite(
        name="garden",
        version="1",
        license="Apache-2.0",
        source="written for the tests",
        scorers=("style", "refusal", "instruction"),
        samples=tuple(one.sample for one in scenes),
        digest=digest([one.sample.model_dump(mode="json") for one in scenes]),
    )
    sides = (
        [(_request(base, one.sample), one.base, one.base_ends) for one in scenes],
        [(_request(instruct, one.sample), one.instruct, one.instruct_ends) for one in scenes],
    )
    plan = Plan(
        suites=(suite,),
        checkpoints=(base, instruct),
        baseline=base.name,
        candidate=instruct.name,
        requests=tuple(request for side in sides for request, _, _ in side),
        lint=LINT,
    )
    outcomes = {request.id: _outcome(request, text, ends) for side in sides for request, text, ends in side}
    return _judged(Run(path, MANIFEST, plan, outcomes, NOTICES, DETERMINISM, (), None))


def many(count):
    """`count` scenes, the same ones again and again under other ids."""
    return tuple(
        replace(one, sample=one.sample.model_copy(update={"id": f"{one.sample.id}-{number}", "group": str(number)}))
        for number, one in ((number, SCENES[number % len(SCENES)]) for number in range(count))
    )


MANIFEST = Manifest(
    format_version=1,
    evalharness_version="0.1.0",
    created="2026-01-31T12:00:00+00:00",
    command="evalharness run --suite garden --base hf/example/meadow-270m --instruct hf/example/brook-135m-instruct",
    config={},
    seed=0,
    versions={"python": "3.11.9", "torch": "2.13.0", "transformers": "5.23.0"},
    hardware={"system": "Linux x86_64", "processor": "a processor", "cores": "2"},
)
NOTICES = (
    Notice(checkpoint="base", kind="out_of_memory", message="out of memory with 32 rows; went on with 16"),
    Notice(checkpoint="instruct", kind="batch", message="batches of up to 32 rows, 4,096 tokens"),
)
DETERMINISM = (DeterminismCheck(checkpoint="instruct", n=4, changed=("soup",), batch="batch of up to 32, float32"),)


def _request(resolved, sample):
    prompt = build_prompt(sample, resolved.checkpoint.prompt_format)
    if prompt.type == "chat":
        turns = "".join(f"<|im_start|>{one.role}\n{one.content}<|im_end|>\n" for one in prompt.messages)
        text = f"{turns}<|im_start|>assistant\n"
    else:
        text = f"<bos>{prompt.text}"
    ids = tuple(len(word) * 37 % 997 for word in text.split())
    return GenerationRequest.of(resolved, sample.id, prompt, RenderedPrompt(text=text, token_ids=ids), CONFIG)


def _outcome(request, text, ends):
    if text is None:
        return Failure(request_id=request.id, kind="out_of_memory", message="out of memory also with a batch of one")
    end = "<|im_end|>" if request.checkpoint == "instruct" else "<eos>"
    return Completion(
        request_id=request.id,
        text=text,
        finish_reason="stop" if ends else "length",
        stopped_by=end if ends else None,
        prompt_tokens=request.prompt_tokens,
        completion_tokens=len(text.split()) + 1 if ends else CONFIG.max_tokens,
        seconds=0.4 + len(text) / 500,
    )


def _judged(run):
    scores = tuple(score(run.plan, run.outcomes, open_scorer))
    comparison = compare(run.plan, run.outcomes, scores, all_metrics(run.plan, open_scorer), seed=run.manifest.seed)
    return replace(run, scores=scores, comparison=comparison)
