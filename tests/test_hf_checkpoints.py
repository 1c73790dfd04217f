"""The bundled pair, token by token: prompts and completions are those of the library alone."""

import pytest
import torch
from peft import PeftModel
from tiny_checkpoint import save_checkpoint

from evalharness.backends.demo import DemoBackend
from evalharness.backends.hf import HfBackend
from evalharness.records import (
    ChatPrompt,
    Checkpoint,
    Completion,
    GenerationConfig,
    GenerationRequest,
    Message,
    RawPrompt,
)

TEXTS = [
    "What is the capital of France?",
    "Write a poem about the ocean.",
    "Explain in two sentences why the sky is blue.",
    "The old lighthouse keeper climbed the stairs and",
    "List three animals that live in water:\n1.",
    "Übersetze ins Deutsche: the cat sleeps on the chair 🙂",
    "def add(a, b):",
    "Q: How many legs has a spider?\nA:",
]
MAX_TOKENS = 8
BOS = 2
"""Gemma's."""
WINDOW = 512
"""Tokens that most of Gemma's layers look back."""


VARIANTS = {"base": "base", "instruct": "instruct", "smollm2": "instruct"}


def open_demo(name, **options):
    return DemoBackend(
        Checkpoint(name=name, model=f"demo/{name}", variant=VARIANTS[name], prompt_format="raw", options=options)
    )


@pytest.fixture(scope="module")
def gemma():
    return open_demo("base", dtype="float32")


@pytest.fixture(scope="module")
def smollm2():
    return open_demo("smollm2", dtype="float32")


def raw(text):
    return RawPrompt(text=text)


def chat(text, system=None):
    turns = ([("system", system)] if system else []) + [("user", text)]
    return ChatPrompt(messages=tuple(Message(role=role, content=content) for role, content in turns))


def token_ids(backend, prompt):
    [rendered] = backend.render([prompt])
    return list(rendered.token_ids)


def completions(backend, prompts, **config):
    """Completions by prompt, in order."""
    resolved = backend.resolve()
    config = GenerationConfig(**{"max_tokens": MAX_TOKENS, **config})
    requests = [
        GenerationRequest.of(resolved, f"s{number}", prompt, rendered, config)
        for number, (prompt, rendered) in enumerate(zip(prompts, backend.render(prompts), strict=True))
    ]
    results = {outcome.request_id: outcome for outcome in backend.generate(requests) if isinstance(outcome, Completion)}
    return [results[request.id] for request in requests]


def texts(backend, prompts, **config):
    return [completion.text for completion in completions(backend, prompts, **config)]


def by_hand(backend, ids):
    """The text that `model.generate` gives for one row of token ids."""
    ends = list(backend.end_tokens)
    inputs = torch.tensor([ids])
    out = backend._loaded().generate(
        inputs,
        attention_mask=torch.ones_like(inputs),
        do_sample=False,
        max_new_tokens=MAX_TOKENS,
        eos_token_id=ends,
        pad_token_id=ends[0],
    )
    new = out[0, len(ids) :].tolist()
    return backend.tokenizer.decode(new[:-1] if new[-1] in ends else new)


# ------------------------------------------------------------------------------------------ token ids


@pytest.mark.checkpoints
def test_gemma_s_raw_prompt_has_one_bos_and_then_the_text(gemma):
    for text in TEXTS:
        ids = token_ids(gemma, raw(text))
        assert ids == gemma.tokenizer(text)["input_ids"]
        assert ids == [BOS, *gemma.tokenizer(text, add_special_tokens=False)["input_ids"]]
        assert ids.count(BOS) == 1
        assert gemma.tokenizer.decode(ids[1:]) == text


@pytest.mark.checkpoints
def test_smollm2_s_raw_prompt_is_the_text_alone(smollm2):
    for text in TEXTS:
        ids = token_ids(smollm2, raw(text))
        assert ids == smollm2.tokenizer(text, add_special_tokens=False)["input_ids"]
        assert smollm2.tokenizer.decode(ids) == text


@pytest.mark.checkpoints
@pytest.mark.parametrize("system", [None, "You answer in one word."])
def test_smollm2_s_chat_prompt_has_the_token_ids_of_its_template(smollm2, system):
    for text in TEXTS:
        prompt = chat(text, system)
        messages = [message.model_dump() for message in prompt.messages]
        by_template = smollm2.tokenizer.apply_chat_template(
            messages, tokenize=True, add_generation_prompt=True, return_dict=False
        )
        assert token_ids(smollm2, prompt) == by_template
        [rendered] = smollm2.render([prompt])
        assert rendered.text.count(system or "You are a helpful AI assistant named SmolLM") == 1
        assert rendered.text.endswith(f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n")


@pytest.mark.checkpoints
def test_the_turns_of_a_chat_prompt_are_single_tokens(smollm2):
    start, end = smollm2.tokenizer.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>"])
    ids = token_ids(smollm2, chat("Hi", "Be brief."))
    assert (ids.count(start), ids.count(end)) == (3, 2)
    assert ids[0] == start


WITH_BOS = "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"


@pytest.mark.parametrize("system", [None, "Be brief."])
@pytest.mark.parametrize(
    "template", [WITH_BOS, WITH_BOS.removeprefix("{{ bos_token }}")], ids=["with-bos", "without-bos"]
)
def test_a_bos_comes_from_the_template_alone(tmp_path, template, system):
    """The tokenizer would add one to plain text; in a chat the template decides, as in the library."""
    folder = save_checkpoint(tmp_path, template=template)
    backend = HfBackend(Checkpoint(name="tiny", model=f"hf/{folder}", variant="instruct", prompt_format="chat"))
    prompt = chat("Hi", system)
    messages = [message.model_dump() for message in prompt.messages]
    ids = token_ids(backend, prompt)
    assert ids == backend.tokenizer.apply_chat_template(
        messages, tokenize=True, add_generation_prompt=True, return_dict=False
    )
    assert ids.count(backend.tokenizer.bos_token_id) == ("bos_token" in template)
    assert token_ids(backend, raw("Hi")).count(backend.tokenizer.bos_token_id) == 1


@pytest.mark.checkpoints
def test_the_facts_are_those_of_the_checkpoints(gemma, smollm2):
    base, instruct = gemma.resolve(), smollm2.resolve()
    assert (base.tokenizer.bos_token_id, base.tokenizer.adds_bos, base.tokenizer.chat_template) == (BOS, True, None)
    assert instruct.tokenizer.adds_bos is False
    assert set(base.tokenizer.end_tokens.values()) == {"<eos>"}
    assert "<|im_end|>" in instruct.tokenizer.end_tokens.values()
    assert (base.identity.quantization, base.context_length) == ("Q4_K_M", 32_768)
    for backend, resolved in ((gemma, base), (smollm2, instruct)):
        assert resolved.parameters == sum(parameter.numel() for parameter in backend._loaded().parameters())


# --------------------------------------------------------------------------------------------- greedy


@pytest.mark.checkpoints
def test_gemma_gives_the_same_text_in_a_batch_alone_and_by_the_library(gemma):
    prompts = [raw(text) for text in TEXTS]
    batched = texts(gemma, prompts)
    assert [by_hand(gemma, token_ids(gemma, prompt)) for prompt in prompts] == batched
    assert [texts(gemma, [prompt])[0] for prompt in prompts[:2]] == batched[:2]


@pytest.mark.checkpoints
def test_smollm2_gives_the_same_text_in_a_batch_alone_and_by_the_library(smollm2):
    prompts = [chat(text) for text in TEXTS[:4]] + [raw(text) for text in TEXTS[4:]]
    batched = texts(smollm2, prompts)
    assert [by_hand(smollm2, token_ids(smollm2, prompt)) for prompt in prompts] == batched
    assert [texts(smollm2, [prompt])[0] for prompt in prompts[:2]] == batched[:2]


@pytest.mark.checkpoints
def test_a_prompt_longer_than_the_sliding_window_is_not_disturbed_by_a_short_one(gemma):
    long = raw("The sea was calm and the light lay on it. " * 47 + "Then the captain of the ship said")
    count = len(token_ids(gemma, long))
    assert gemma.settings.get_text_config().sliding_window == WINDOW
    assert WINDOW + MAX_TOKENS < count < 2 * WINDOW
    prompts = [raw(TEXTS[0]), long]
    batched = texts(gemma, prompts)
    assert [by_hand(gemma, token_ids(gemma, prompt)) for prompt in prompts] == batched
    assert texts(gemma, [long]) == batched[1:]


@pytest.mark.checkpoints
def test_a_completion_that_grows_past_the_sliding_window_is_not_disturbed_by_a_short_one(gemma):
    """The window begins to slide in the middle of the completion."""
    almost = raw("The sea was calm and the light lay on it. " * 45 + "Then, at last, the captain of the ship said")
    assert WINDOW - MAX_TOKENS < len(token_ids(gemma, almost)) < WINDOW
    prompts = [raw("Hello"), almost]
    batched = texts(gemma, prompts)
    assert batched[1] == by_hand(gemma, token_ids(gemma, almost))
    assert batched[0] == by_hand(gemma, token_ids(gemma, prompts[0]))


@pytest.mark.checkpoints
def test_the_adapter_of_the_demo_gives_the_same_text_merged_and_not_merged(gemma):
    """Merged is what a run does in float32; not merged is what PEFT does."""
    prompts = [raw(text) for text in TEXTS[:3]]
    tuned = open_demo("instruct", dtype="float32")
    plain, merged = texts(gemma, prompts), texts(tuned, prompts)
    adapted = PeftModel.from_pretrained(gemma._loaded(), tuned.options.adapter)
    tuned._model = adapted.get_base_model()
    assert texts(tuned, prompts) == merged != plain
    adapted.unload()
