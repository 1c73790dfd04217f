"""Prompt formats, `auto`, and the prompt lint."""

import pytest

from evalharness.errors import PromptFormatError
from evalharness.prompting import SCAFFOLD_STOP, build_prompt, settle_format
from evalharness.prompting.lint import lint_checkpoint, lint_pair
from evalharness.records import (
    ChatPrompt,
    Checkpoint,
    CheckpointIdentity,
    GenerationConfig,
    GenerationRequest,
    Message,
    RawPrompt,
    RenderedPrompt,
    ResolvedCheckpoint,
    Sample,
    TokenizerFacts,
)

CHATML = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"


def make_sample(text="Say hello.", **fields):
    return Sample(**{"id": "s1", "category": "open", "messages": (Message(role="user", content=text),), **fields})


def make_checkpoint(model="hf/org/m", variant="base", prompt_format="raw", template=None, **facts):
    checkpoint = Checkpoint(name=variant, model=model, variant=variant, prompt_format=prompt_format)
    tokenizer = TokenizerFacts(
        **{
            "bos_token": "<bos>",
            "bos_token_id": 2,
            "adds_bos": True,
            "end_tokens": {1: "<eos>"},
            "chat_template": template,
            **facts,
        }
    )
    identity = CheckpointIdentity(backend="hf", model=model, weights_digest=f"sha256:{model}")
    return ResolvedCheckpoint(checkpoint=checkpoint, identity=identity, tokenizer=tokenizer, context_length=64)


def lint(resolved, sample, token_ids=(2, 9), text=None):
    prompt = build_prompt(sample, resolved.checkpoint.prompt_format)
    rendered = RenderedPrompt(text=sample.prompt if text is None else text, token_ids=token_ids)
    request = GenerationRequest.of(resolved, sample.id, prompt, rendered, GenerationConfig(max_tokens=10))
    return {finding.code for finding in lint_checkpoint(resolved, [sample], [request], [rendered])}


def test_raw_adds_nothing():
    assert build_prompt(make_sample("The cat sat on the"), "raw") == RawPrompt(text="The cat sat on the")


def test_chat_keeps_the_turns():
    assert isinstance(build_prompt(make_sample(), "chat"), ChatPrompt)


def test_icl_puts_the_scaffold_in_front_and_stops_before_the_next_instruction():
    prompt = build_prompt(make_sample("Say {prompt} hello."), "icl")
    assert prompt.text.endswith("Instruction:\nSay {prompt} hello.\n\nAnswer:\n")
    assert prompt.stop == SCAFFOLD_STOP


def test_a_text_to_continue_is_never_put_into_the_scaffold():
    sample = make_sample("The cat sat on the", kind="continuation")
    assert build_prompt(sample, "icl") == RawPrompt(text="The cat sat on the")


@pytest.mark.parametrize(("variant", "template", "settled"), [("base", None, "raw"), ("instruct", CHATML, "chat")])
def test_auto_follows_the_variant(variant, template, settled):
    resolved = make_checkpoint(variant=variant, prompt_format="auto", template=template)
    assert settle_format(resolved).checkpoint.prompt_format == settled


@pytest.mark.parametrize(
    ("model", "variant", "template", "evidence"),
    [
        ("hf/org/m-base", "instruct", CHATML, "name says base"),
        ("ollama/llama3.1:8b-text-q4_K_M", "instruct", CHATML, "name says base"),
        ("hf/org/m-Instruct", "base", CHATML, "name says instruct"),
        ("hf/org/gemma-it", "base", CHATML, "name says instruct"),
        ("hf/org/m", "instruct", None, "no chat template"),
    ],
)
def test_auto_is_refused_where_the_evidence_disagrees(model, variant, template, evidence):
    with pytest.raises(PromptFormatError, match=evidence):
        settle_format(make_checkpoint(model=model, variant=variant, prompt_format="auto", template=template))


def test_chat_without_a_template_is_refused():
    with pytest.raises(PromptFormatError, match="no chat template"):
        settle_format(make_checkpoint(prompt_format="chat"))


def test_a_name_that_contains_a_mark_inside_a_word_is_no_evidence():
    resolved = make_checkpoint(model="hf/org/database-itself", variant="base", prompt_format="auto")
    assert settle_format(resolved).checkpoint.prompt_format == "raw"


def test_a_clean_raw_base_has_no_findings():
    assert lint(make_checkpoint(), make_sample()) == set()
    assert lint(make_checkpoint(model="hf/org/model-base", template=CHATML), make_sample()) == set()


@pytest.mark.parametrize(
    ("code", "resolved", "sample", "rendered"),
    [
        ("double-bos", make_checkpoint(), make_sample(), {"token_ids": (2, 2, 9)}),
        ("missing-bos", make_checkpoint(), make_sample(), {"token_ids": (9, 9)}),
        ("base-as-chat", make_checkpoint(prompt_format="chat", template=CHATML), make_sample(), {}),
        ("base-with-template", make_checkpoint(template=CHATML), make_sample(), {}),
        ("instruct-without-template", make_checkpoint(variant="instruct"), make_sample(), {}),
        ("trailing-space", make_checkpoint(), make_sample("The cat "), {}),
        ("prompt-too-long", make_checkpoint(), make_sample(), {"token_ids": (2,) + (9,) * 64}),
        ("empty-prompt", make_checkpoint(), make_sample(""), {"token_ids": ()}),
        ("context-cuts-completion", make_checkpoint(), make_sample(), {"token_ids": (2,) + (9,) * 60}),
        ("special-token-in-prompt", make_checkpoint(), make_sample("say <eos> now"), {}),
        ("special-token-in-prompt", make_checkpoint(), make_sample("say <|im_start|> now"), {}),
        ("no-end-token", make_checkpoint(end_tokens={}), make_sample(), {}),
        (
            "stop-mismatch",
            make_checkpoint(variant="instruct", prompt_format="chat", template=CHATML),
            make_sample(),
            {},
        ),
        (
            "system-dropped",
            make_checkpoint(variant="instruct", prompt_format="chat", template=CHATML),
            make_sample(messages=(Message(role="system", content="Be brief."), Message(role="user", content="Hi"))),
            {"text": "<|im_start|>user\nHi"},
        ),
        (
            "built-in-system",
            make_checkpoint(variant="instruct", prompt_format="chat", template=CHATML),
            make_sample("Hi"),
            {"text": "<|im_start|>system\nYou are helpful<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"},
        ),
        (
            "turns-joined",
            make_checkpoint(),
            make_sample(messages=(Message(role="system", content="Be brief."), Message(role="user", content="Hi"))),
            {},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_lint_finds(code, resolved, sample, rendered):
    assert code in lint(resolved, sample, **rendered)


def test_different_formats_are_said_not_forbidden():
    pair = [
        make_checkpoint(),
        make_checkpoint(model="hf/o/i", variant="instruct", prompt_format="chat", template=CHATML),
    ]
    assert [finding.code for finding in lint_pair(pair)] == ["different-formats"]


def test_different_quantizations_are_said():
    checkpoint = make_checkpoint()
    pair = [
        checkpoint.model_copy(
            update={
                "checkpoint": checkpoint.checkpoint.model_copy(update={"name": stored}),
                "identity": checkpoint.identity.model_copy(update={"quantization": stored, "weights_digest": stored}),
            }
        )
        for stored in ("Q4_K_M", "Q8_0")
    ]
    [finding] = lint_pair(pair)
    assert (finding.code, finding.level) == ("different-quantization", "warning")


def test_the_same_weights_twice_are_said():
    assert [finding.code for finding in lint_pair([make_checkpoint(), make_checkpoint()])] == ["same-weights"]


def test_an_adapter_makes_other_weights_of_the_same_base():
    base = make_checkpoint()
    adapted = base.model_copy(update={"identity": base.identity.model_copy(update={"adapter_digest": "sha256:a"})})
    [finding] = lint_pair([base, adapted])
    assert finding.code == "same-base"
    assert "the adapter" in finding.message


@pytest.mark.parametrize("sizes", [(135_000_000, 270_000_000), (8_000_000_000, 7_200_000_000)])
def test_checkpoints_of_different_sizes_are_of_different_families(sizes):
    pair = [
        make_checkpoint(model=str(size), variant=variant).model_copy(update={"parameters": size})
        for size, variant in zip(sizes, ("base", "instruct"), strict=True)
    ]
    [finding] = lint_pair(pair)
    assert (finding.code, finding.level) == ("different-family", "warning")
    assert f"{sizes[0] / 1e6:,.0f} million" in finding.message


def test_tokens_added_by_tuning_do_not_make_another_family():
    pair = [make_checkpoint(model=str(size)).model_copy(update={"parameters": size}) for size in (1_000, 1_010)]
    assert lint_pair(pair) == []


def test_another_bos_is_another_family():
    pair = [make_checkpoint(variant, variant, bos_token_id=n) for n, variant in enumerate(("base", "instruct"), 1)]
    assert [finding.code for finding in lint_pair(pair)] == ["different-family"]


def test_a_request_id_changes_with_everything_that_can_change_the_completion():
    resolved, sample = make_checkpoint(), make_sample()
    prompt, rendered = RawPrompt(text="a"), RenderedPrompt(text="a", token_ids=(2, 9))

    def request_id(resolved=resolved, sample=sample, prompt=prompt, rendered=rendered, config=None, replicate=0):
        config = config or GenerationConfig()
        return GenerationRequest.of(resolved, sample.id, prompt, rendered, config, replicate).id

    other_weights = resolved.identity.model_copy(update={"weights_digest": "sha256:other"})
    other_device = resolved.identity.model_copy(update={"dtype": "bfloat16"})
    ids = [
        request_id(),
        request_id(resolved=resolved.model_copy(update={"identity": other_weights})),
        request_id(resolved=resolved.model_copy(update={"identity": other_device})),
        request_id(prompt=RawPrompt(text="a", stop=("x",))),
        request_id(rendered=RenderedPrompt(text="a", token_ids=(2, 8))),
        request_id(config=GenerationConfig(max_tokens=9)),
        request_id(config=GenerationConfig(seed=1)),
        request_id(replicate=1),
        request_id(sample=make_sample(id="s2")),
    ]
    assert len(set(ids)) == len(ids)
    assert request_id() == request_id()
