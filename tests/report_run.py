"""A run to draw reports from: hand-written completions, judged and compared by the real scorers."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from evalharness.compare import compare
from evalharness.pipeline.scoring import score
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
    Message,
    Notice,
    Plan,
    Preference,
    RenderedPrompt,
    ResolvedCheckpoint,
    Sample,
    Score,
    ScorerIdentity,
    Span,
    Suite,
    digest,
)
from evalharness.scorers import facts_of, open_scorer
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
        fix="add a checkpoint with the same weights and the other format to separate the two",
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


def make_run(scenes=SCENES, *, base=BASE, instruct=INSTRUCT, path=Path("reports/example"), judged=True):
    """The scenes as a finished run; as a generated one where it is not `judged`."""
    suite = Suite(
        name="garden",
        version="1",
        license="Apache-2.0",
        source="written for the tests",
        scorers=("style", "refusal", "instruction"),
        samples=tuple(scene.sample for scene in scenes),
        digest=digest([scene.sample.model_dump(mode="json") for scene in scenes]),
    )
    sides = (
        [(_request(base, scene.sample), scene.base, scene.base_ends) for scene in scenes],
        [(_request(instruct, scene.sample), scene.instruct, scene.instruct_ends) for scene in scenes],
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
    run = Run(path, MANIFEST, plan, outcomes, NOTICES, DETERMINISM, (), None)
    return _judged(run) if judged else run


def many(count):
    """`count` scenes, the same ones again and again under other ids."""
    return tuple(
        replace(
            scene, sample=scene.sample.model_copy(update={"id": f"{scene.sample.id}-{number}", "group": str(number)})
        )
        for number, scene in ((number, SCENES[number % len(SCENES)]) for number in range(count))
    )


def hostile_run(texts, *, judged=True):
    """A run of hostile texts: as ids, categories, prompts and completions, and in the names of a checkpoint.

    Texts that take a scorer long are not `judged`; they get a score of each kind that points at their beginning.
    """
    scenes = [
        replace(
            SCENES[0], sample=SCENES[0].sample.model_copy(update=_hostile(text, number)), base=text, instruct=text[::-1]
        )
        for number, text in enumerate(texts)
    ]
    name = "".join(texts)[:20_000]
    checkpoint = INSTRUCT.checkpoint.model_copy(update={"name": name, "model": f"hf/{name}"})
    instruct = INSTRUCT.model_copy(update={"checkpoint": checkpoint, "notes": (name,)})
    run = make_run(tuple(scenes), instruct=instruct, judged=judged)
    return run if judged else _marked(run)


def _hostile(text, number):
    return {
        "id": text,
        "group": text,
        "category": text if number % 7 == 0 else "open",
        "messages": (Message(role="user", content=text),),
    }


def _marked(run):
    example = make_run(instruct=run.plan.checkpoints[1])
    scores = tuple(
        Score(
            request_id=request_id, scorer="style", version="1", status="scored", label="answer", values={"answer": 1.0},
            spans=(Span(start=0, end=5, label=outcome.text[:50] or "x"),), explanation=outcome.text[:500],
        )
        for request_id, outcome in run.outcomes.items()
    )  # fmt: skip
    return replace(run, scores=scores, comparison=example.comparison, scorers=example.scorers)


def rewarded():
    """The run with a reward for every completion, as a reward model would give, compared again."""
    run = make_run()
    rewards = tuple(
        Score(
            request_id=key, scorer="reward", version="1", status="scored", values={"value": len(outcome.text) / 100 - 2}
        )
        for key, outcome in run.outcomes.items()
        if outcome.type == "completion"
    )
    return _compared(replace(run, scores=run.scores + rewards))


def preferred():
    """The rewarded run with two people's preferences: one prefers the candidate, one mostly cannot tell."""
    run = rewarded()
    pairs = [scene.sample.id for scene in SCENES if scene.base is not None]
    given = [
        Preference(
            sample_id=sample_id, baseline="base", candidate="instruct", source="human", rater=rater,
            preferred=preferred, both_bad=both_bad,
        )
        for number, sample_id in enumerate(pairs)
        for rater, preferred, both_bad in (
            ("ann", "baseline" if number % 5 == 0 else "candidate", False),
            ("ben", "tie" if number % 3 else "candidate", number % 3 == 1),
        )
    ]  # fmt: skip
    return _compared(replace(run, preferences=tuple(given)))


def three_checkpoints():
    """The run with the base weights once more, as a chat; its completions are the base's in capitals."""
    run = make_run()
    chat = BASE.checkpoint.model_copy(update={"name": "base-chat", "prompt_format": "chat"})
    third = BASE.model_copy(update={"checkpoint": chat})
    requests = [_request(third, scene.sample) for scene in SCENES]
    outcomes = {
        request.id: _outcome(request, scene.base and scene.base.upper(), scene.base_ends)
        for request, scene in zip(requests, SCENES, strict=True)
    }
    plan = run.plan.model_copy(
        update={"checkpoints": (*run.plan.checkpoints, third), "requests": (*run.plan.requests, *requests)}
    )
    return _judged(replace(run, plan=plan, outcomes=run.outcomes | outcomes))


def unusual():
    """One sample, two replicates: turns, a hidden character, thinking, an emoji, a long text, an id to be escaped."""
    turns = (("user", "Hello!"), ("assistant", "Hello\u202e."), ("user", "Tell me a secret."))
    messages = tuple(Message(role=role, content=content) for role, content in turns)
    sample = SCENES[0].sample.model_copy(update={"id": "it's (rare)!", "messages": messages})
    refusal = "\U0001f600 I'm sorry, but I can't help with that."
    run = make_run((replace(SCENES[0], sample=sample, base=refusal, instruct="A line.\n" * 900),), judged=False)
    again = {
        checkpoint.checkpoint.name: _request(checkpoint, sample, replicate=1) for checkpoint in run.plan.checkpoints
    }
    outcomes = {
        again[request.checkpoint].id: run.outcomes[request.id].model_copy(
            update={"request_id": again[request.checkpoint].id, "thinking": "First, a plan.", "attempts": 2}
        )
        for request in run.plan.requests
    }
    plan = run.plan.model_copy(update={"requests": (*run.plan.requests, *again.values())})
    return _judged(replace(run, plan=plan, outcomes=run.outcomes | outcomes))


MANIFEST = Manifest(
    format_version=1,
    evalharness_version="0.1.0",
    created="2026-01-31T12:00:00+00:00",
    command="evalharness run --suite garden --base hf/example/meadow-270m --instruct hf/example/brook-135m-instruct",
    config={"checkpoints": [resolved.checkpoint.model_dump(mode="json") for resolved in (BASE, INSTRUCT)]},
    seed=0,
    versions={"python": "3.11.9", "torch": "2.13.0", "transformers": "5.23.0"},
    hardware={"system": "Linux x86_64", "processor": "a processor", "cores": "2"},
)
NOTICES = (
    Notice(checkpoint="base", kind="out_of_memory", message="out of memory with 32 rows; reduced to 16"),
    Notice(checkpoint="instruct", kind="batch", message="batches of up to 32 rows, 4,096 tokens"),
)
DETERMINISM = (DeterminismCheck(checkpoint="instruct", n=4, changed=("soup",), batch="batch of up to 32, float32"),)


def _request(resolved, sample, replicate=0):
    prompt = build_prompt(sample, resolved.checkpoint.prompt_format)
    if prompt.type == "chat":
        turns = "".join(f"<|im_start|>{message.role}\n{message.content}<|im_end|>\n" for message in prompt.messages)
        text = f"{turns}<|im_start|>assistant\n"
    else:
        text = f"<bos>{prompt.text}"
    ids = tuple(len(word) * 37 % 997 for word in text.split())
    return GenerationRequest.of(
        resolved, sample.id, prompt, RenderedPrompt(text=text, token_ids=ids), CONFIG, replicate
    )


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
    return _compared(replace(run, scores=tuple(score(run.plan, run.outcomes, open_scorer))))


def _compared(run):
    facts = [facts_of(name) for name in dict.fromkeys(score.scorer for score in run.scores)]
    metrics = [metric for item in facts for metric in item.metrics]
    comparison = compare(
        run.plan, run.observations, metrics, seed=run.manifest.seed, scorers=facts, preferences=run.preferences
    )
    scorers = tuple(ScorerIdentity(name=item.name, version="1", facts=item) for item in facts)
    return replace(run, comparison=comparison, scorers=scorers)
