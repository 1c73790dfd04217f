"""Decoding in batches, on a small real checkpoint: the text of each request is what it would be alone."""

import re
from contextlib import contextmanager

import pytest
import torch
from tiny_checkpoint import CONTEXT, make_tokenizer, save_checkpoint
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, RepetitionPenaltyLogitsProcessor

from evalharness.backends.backend import Underway
from evalharness.backends.hf import HfBackend
from evalharness.records import (
    Checkpoint,
    Completion,
    Failure,
    GenerationConfig,
    GenerationRequest,
    Notice,
    RawPrompt,
)

PROMPTS = [f"{'once upon a time ' * (number % 5)}number {number}" for number in range(14)]
LONG = 120
"""Tokens that a completion may have: some of these end by themselves before."""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """So small a model is slower on two: they wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def backend(folder):
    return open_tiny(folder)


def open_tiny(folder, **options):
    return HfBackend(
        Checkpoint(name="tiny", model=f"hf/{folder}", variant="base", prompt_format="raw", options=options)
    )


def requests_for(backend, prompts, *, replicate=0, scaffold=(), **config):
    resolved = backend.resolve()
    config = GenerationConfig(**{"max_tokens": LONG, **config})
    raw = [RawPrompt(text=text, stop=scaffold) for text in prompts]
    return [
        GenerationRequest.of(resolved, f"s{number}", prompt, rendered, config, replicate)
        for number, (prompt, rendered) in enumerate(zip(raw, backend.render(raw), strict=True))
    ]


def completions(backend, requests):
    """Completions in the order of the requests; each is there exactly once."""
    outcomes = [event for event in backend.generate(requests) if isinstance(event, Completion | Failure)]
    assert sorted(outcome.request_id for outcome in outcomes) == sorted(request.id for request in requests)
    by_id = {outcome.request_id: outcome for outcome in outcomes}
    return [by_id[request.id] for request in requests]


def texts(backend, requests):
    return [completion.text for completion in completions(backend, requests)]


def by_hand(backend, prompt, max_tokens=LONG):
    """What `model.generate` gives for one prompt: its text without the end token, and whether it ended."""
    inputs = backend.tokenizer(prompt, return_tensors="pt", return_token_type_ids=False)
    model = backend._loaded()
    out = model.generate(**inputs, do_sample=False, max_new_tokens=max_tokens, eos_token_id=[1, 3], pad_token_id=1)
    new = out[0, inputs["input_ids"].shape[1] :].tolist()
    ended = new[-1] in (1, 3)
    return backend.tokenizer.decode(new[:-1] if ended else new), ended


# -------------------------------------------------------------------------------------------- batches


def test_greedy_text_and_finish_reason_are_those_of_the_library_row_by_row(backend):
    result = completions(backend, requests_for(backend, PROMPTS))
    expected = [by_hand(backend, prompt) for prompt in PROMPTS]
    assert [(completion.text, completion.finish_reason == "stop") for completion in result] == expected
    assert 0 < sum(ended for _, ended in expected) < len(PROMPTS)


def test_a_batch_of_which_rows_leave_gives_what_each_row_gives_alone(backend, folder):
    requests = requests_for(backend, PROMPTS)
    assert len({completion.completion_tokens for completion in completions(backend, requests)}) > 4
    assert texts(backend, requests) == texts(open_tiny(folder, batch_size=1), requests)
    assert texts(backend, requests) == texts(open_tiny(folder, batch_tokens=600), requests)


def passes(backend, requests):
    """The completions, and how many rows each pass through the model had, with the columns that it read."""
    seen = []
    with backend._loaded().register_forward_pre_hook(
        lambda model, args, given: seen.append(tuple(given["input_ids"].shape)), with_kwargs=True
    ):
        return completions(backend, requests), seen


def test_a_finished_row_s_place_is_taken_by_a_waiting_one(folder):
    """Three rows in four wait for nobody: the passes are about those of the tokens, shared by the places."""
    backend = open_tiny(folder, batch_size=4)
    result, seen = passes(backend, requests_for(backend, PROMPTS * 2))
    lengths = [completion.completion_tokens for completion in result]
    steps = [rows for rows, columns in seen if columns == 1]
    assert max(steps) == 4
    assert len(steps) <= sum(lengths) / 4 + max(lengths)
    assert sum(rows == 4 for rows in steps) > 0.6 * len(steps)


def save_gemma(folder, *, window, spread, seed):
    """Gemma 3 with random weights and windows in every other layer; those with small weights soon loop."""
    tokenizer = make_tokenizer()
    torch.manual_seed(seed)
    config = Gemma3TextConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=CONTEXT,
        sliding_window=window,
        layer_types=["sliding_attention", "full_attention"] * 2,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
        initializer_range=spread,
        tie_word_embeddings=False,
    )
    Gemma3ForCausalLM(config).eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def sliding(tmp_path_factory):
    """With windows that are shorter than the prompts."""
    return save_gemma(tmp_path_factory.mktemp("sliding"), window=24, spread=0.7, seed=0)


def test_rows_that_loop_are_read_several_tokens_at_a_time(tmp_path):
    """Some leave their loops again; text and count are those of the library."""
    folder = save_gemma(tmp_path, window=200, spread=0.1, seed=1)
    alone, few = open_tiny(folder, batch_size=1), open_tiny(folder, batch_size=3)
    expected = [by_hand(alone, prompt, 80)[0] for prompt in PROMPTS[:5]]
    result, seen = passes(alone, requests_for(alone, PROMPTS[:5], max_tokens=80))
    assert [completion.text for completion in result] == expected
    assert texts(few, requests_for(few, PROMPTS[:5], max_tokens=80)) == expected
    assert len(seen) < 0.8 * sum(completion.completion_tokens for completion in result)
    drawn, seen = passes(alone, requests_for(alone, PROMPTS[:5], max_tokens=80, temperature=0.01))
    assert len(seen) == sum(completion.completion_tokens for completion in drawn)


@pytest.mark.parametrize("sampled", [False, True])
def test_rows_that_join_are_not_disturbed_whatever_the_window(sliding, sampled):
    """Shorter and longer than the window and than the rows that they join; some columns are dropped."""
    prompts = [*PROMPTS[:7], "x" * 100, "y"]
    settings = {"temperature": 1.0, "repeat_penalty": 1.3} if sampled else {}
    few, alone = open_tiny(sliding, batch_size=3), open_tiny(sliding, batch_size=1)
    requests = requests_for(few, prompts, max_tokens=40, **settings)
    result = completions(few, requests)
    assert texts(alone, requests) == [completion.text for completion in result]
    assert len({completion.completion_tokens for completion in result}) > 3
    if not sampled:
        assert [by_hand(few, prompt, 40)[0] for prompt in prompts] == [completion.text for completion in result]


def test_what_is_underway_is_said_before_a_row_is_finished(backend):
    events = list(backend.generate(requests_for(backend, PROMPTS)))
    assert events[1] == Underway(len(PROMPTS))
    assert events[-1] == Underway(0)


def test_an_outcome_is_there_as_soon_as_its_row_is_finished(backend):
    requests = requests_for(backend, PROMPTS)
    lengths = [event.completion_tokens for event in backend.generate(requests) if isinstance(event, Completion)]
    assert lengths == sorted(lengths)


def test_the_conditions_of_the_run_are_said(backend):
    [notice] = [event for event in backend.generate(requests_for(backend, PROMPTS[:2])) if isinstance(event, Notice)]
    assert notice.message == "batches of up to 64 rows and 16384 tokens, float32, sdpa attention, on cpu"


def test_requests_with_different_settings_are_not_mixed(backend):
    short, long = requests_for(backend, PROMPTS, max_tokens=3), requests_for(backend, PROMPTS)
    assert texts(backend, [*short, *long]) == texts(backend, short) + texts(backend, long)


# -------------------------------------------------------------------------------------------- endings


def test_tokens_and_text_are_counted_and_cut_at_the_limit(backend):
    [completion] = completions(backend, requests_for(backend, PROMPTS[:1], max_tokens=4))
    assert (completion.finish_reason, completion.stopped_by, completion.completion_tokens) == ("length", None, 4)
    assert completion.prompt_tokens == len(backend.tokenizer(PROMPTS[0])["input_ids"])


def test_the_end_token_is_named_and_not_part_of_the_text(backend):
    ended = [
        completion
        for completion in completions(backend, requests_for(backend, PROMPTS))
        if completion.finish_reason == "stop"
    ]
    assert {completion.stopped_by for completion in ended} <= {"</s>", "<|im_end|>"}
    assert not any("</s>" in completion.text or "<|im_end|>" in completion.text for completion in ended)


@contextmanager
def saying(backend, text):
    """Let the model's own last layer prefer the tokens of a text, one after the other, in every row."""
    tokens = iter(backend.tokenizer(text, add_special_tokens=False)["input_ids"])

    def prefer(module, inputs, logits):
        logits[:, -1, next(tokens)] = 1e4
        return logits

    with backend._loaded().lm_head.register_forward_hook(prefer):
        yield


SAID = "One two. Two é three 🙂 four.\nUser: more"


@pytest.mark.parametrize(
    ("stops", "text", "stopped_by"),
    [
        (("O",), "", "O"),
        (("Two",), "One two. ", "Two"),
        (("three", "Two"), "One two. ", "Two"),
        (("two. Two é", "Two"), "One two. ", "Two"),
        (("é",), "One two. Two ", "é"),
        (("🙂",), "One two. Two é three ", "🙂"),
        (("é three 🙂 four.\n",), "One two. Two ", "é three 🙂 four.\n"),
        (("\nUser:", "\n\n"), "One two. Two é three 🙂 four.", "\nUser:"),
    ],
)
@pytest.mark.parametrize("scaffold", [False, True])
def test_a_stop_string_ends_the_text_before_it(backend, stops, text, stopped_by, scaffold):
    """Also as the first token, across tokens and inside a character; the first to be complete counts."""
    config = {} if scaffold else {"stop": stops}
    [request] = requests_for(backend, PROMPTS[:1], scaffold=stops if scaffold else (), **config)
    with saying(backend, SAID):
        [completion] = completions(backend, [request])
    assert (completion.text, completion.finish_reason, completion.stopped_by) == (text, "stop", stopped_by)
    ids, text_of = list(completion.token_ids), backend.tokenizer.decode
    assert text_of(ids).startswith(text) and (not ids or not text_of(ids[:-1]).startswith(text))


def test_a_completion_keeps_the_tokens_that_were_generated(backend):
    requests = requests_for(backend, PROMPTS)
    for request, completion in zip(requests, completions(backend, requests), strict=True):
        ids = list(completion.token_ids)
        assert len(ids) == completion.completion_tokens, request.sample_id
        text_ids = ids[:-1] if completion.finish_reason == "stop" else ids
        assert backend.tokenizer.decode(text_ids) == completion.text
        assert (ids[-1] in backend.end_tokens) == (completion.finish_reason == "stop")


@pytest.mark.parametrize(
    ("stops", "text", "stopped_by"),
    [
        (("top.\nN",), "One s", "top.\nN"),
        (("Next", "stop."), "One ", "stop."),
        (("e s", "stop.\nNext"), "On", "e s"),
        (("Next", "One stop"), "", "One stop"),
    ],
)
def test_of_stop_strings_inside_one_token_the_one_that_begins_first_counts(tmp_path, stops, text, stopped_by):
    backend = open_tiny(save_checkpoint(tmp_path, words=["stop.\nNext"]))
    [request] = requests_for(backend, PROMPTS[:1], stop=stops)
    with saying(backend, "One stop.\nNext two"):
        [completion] = completions(backend, [request])
    assert (completion.text, completion.finish_reason, completion.stopped_by) == (text, "stop", stopped_by)


def test_a_stop_string_ends_one_row_and_the_others_go_on(backend):
    plain = completions(backend, requests_for(backend, PROMPTS))
    stop = plain[0].text[8:10]
    stopped = completions(backend, requests_for(backend, PROMPTS, stop=(stop,)))
    assert stopped[0].completion_tokens < plain[0].completion_tokens
    assert [completion.text for completion in stopped] == [completion.text.partition(stop)[0] for completion in plain]


# ---------------------------------------------------------------------------------------------- given


@pytest.mark.parametrize("settings", [{}, {"repeat_penalty": 1.3}, {"stop": ("e",)}])
def test_what_follows_the_first_tokens_of_a_completion_is_the_rest_of_it(backend, settings):
    requests = requests_for(backend, PROMPTS, max_tokens=40, **settings)
    whole = completions(backend, requests)
    given = [one.token_ids[: min(number, len(one.token_ids) - 1)] for number, one in enumerate(whole)]
    again = {one.request_id: one for one in backend.generate_after(requests, given) if isinstance(one, Completion)}
    assert sum(map(len, given)) > 30
    for one in whole:
        two = again[one.request_id]
        assert (two.text, two.token_ids, two.stopped_by) == (one.text, one.token_ids, one.stopped_by)


# -------------------------------------------------------------------------------------------- context


def test_a_prompt_that_fills_the_context_is_a_failure_with_both_counts(backend):
    long = "x" * (CONTEXT - 1)
    [failure, completion] = completions(backend, requests_for(backend, [long, "short"]))
    assert isinstance(completion, Completion)
    assert failure.kind == "prompt_too_long"
    assert failure.message == f"the prompt has {CONTEXT} tokens, the context {CONTEXT}"


@pytest.mark.parametrize("prompts", [["", ""], ["", "short"]])
def test_an_empty_prompt_without_a_bos_is_a_failure_and_no_guess(tmp_path, prompts):
    backend = open_tiny(save_checkpoint(tmp_path, bos=False))
    outcomes = completions(backend, requests_for(backend, prompts, max_tokens=4))
    assert [getattr(one, "kind", one.type) for one in outcomes] == [
        "completion" if prompt else "empty_prompt" for prompt in prompts
    ]


def test_a_completion_ends_where_the_context_does(backend):
    prompts = [f"{number} " + "x" * (CONTEXT - 20) for number in range(8)]
    result = completions(backend, requests_for(backend, prompts))
    assert {
        completion.finish_reason
        for completion in result
        if completion.prompt_tokens + completion.completion_tokens == CONTEXT
    } == {"length"}
    assert all(completion.prompt_tokens + completion.completion_tokens <= CONTEXT for completion in result)


def test_a_shorter_context_may_be_asked_for(backend):
    [failure] = completions(backend, requests_for(backend, ["x" * 40], context_length=30))
    assert failure.message == "the prompt has 41 tokens, the context 30"


# ------------------------------------------------------------------------------------------- sampling

SAMPLED = {"temperature": 1.0, "top_k": 40, "top_p": 0.95, "max_tokens": 40}


def test_draws_depend_on_the_seed_and_the_request_and_not_on_the_batch(backend, folder):
    requests = requests_for(backend, PROMPTS, **SAMPLED)
    drawn = texts(backend, requests)
    assert texts(open_tiny(folder, batch_size=3), requests) == drawn
    assert texts(backend, requests[4:5]) == drawn[4:5]
    assert texts(backend, requests_for(backend, PROMPTS, seed=1, **SAMPLED)) != drawn


@pytest.mark.parametrize("narrow", [{"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-4}])
def test_a_draw_from_one_token_is_the_greedy_one(backend, narrow):
    narrowed = requests_for(backend, PROMPTS, **{"temperature": 1.0, **narrow})
    assert texts(backend, narrowed) == texts(backend, requests_for(backend, PROMPTS))


def test_replicates_of_a_sample_differ(backend):
    drawn = [texts(backend, requests_for(backend, PROMPTS[:1], replicate=n, **SAMPLED))[0] for n in range(4)]
    assert len(set(drawn)) == 4


def test_draws_follow_the_probabilities_of_the_model(backend):
    """The first tokens of 2,000 draws against the softmax, token by token."""
    n = 2000
    [request] = requests_for(backend, PROMPTS[:1], temperature=1.0, max_tokens=1)
    requests = [request.model_copy(update={"id": str(k), "sample_id": str(k)}) for k in range(n)]
    ids = backend.tokenizer(PROMPTS[0], return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        expected = backend._loaded()(ids).logits[0, -1].softmax(-1)
    drawn = torch.zeros_like(expected)
    for completion in completions(backend, requests):
        written = backend.tokenizer.convert_tokens_to_ids(completion.stopped_by) if completion.stopped_by else None
        token = written if written is not None else backend.tokenizer(completion.text)["input_ids"][-1]
        drawn[token] += 1 / n
    likely = expected > 0.02
    spread = (expected * (1 - expected) / n).sqrt()
    assert likely.sum() > 3
    assert ((drawn - expected).abs()[likely] < 4.5 * spread[likely]).all()


def test_the_repeat_penalty_is_the_library_s(backend):
    [completion] = completions(backend, requests_for(backend, PROMPTS[:1], repeat_penalty=1.7, max_tokens=30))
    ids = backend.tokenizer(PROMPTS[0], return_tensors="pt")["input_ids"]
    penalise = RepetitionPenaltyLogitsProcessor(1.7)
    for _ in range(30):
        with torch.inference_mode():
            logits = penalise(ids, backend._loaded()(ids).logits[:, -1])
        ids = torch.cat([ids, logits.argmax(-1, keepdim=True)], dim=-1)
        if ids[0, -1] in (1, 3):
            break
    new = ids[0, completion.prompt_tokens :].tolist()
    assert completion.text == backend.tokenizer.decode(new[:-1] if new[-1] in (1, 3) else new)


# -------------------------------------------------------------------------------------- out of memory


def limit_rows(backend, rows, after=0):
    """The device holds no more than so many rows; told by the model's own first layer, from the given call on."""
    calls = []

    def refuse(module, inputs):
        calls.append(len(inputs[0]))
        if len(inputs[0]) > rows and len(calls) > after:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    return backend._loaded().model.embed_tokens.register_forward_pre_hook(refuse)


@pytest.mark.parametrize("after", [0, 30])
def test_out_of_memory_halves_the_batch_goes_on_and_is_said(folder, after):
    """At once, or in the middle of a batch of which some rows were finished."""
    backend = open_tiny(folder)
    requests = requests_for(backend, PROMPTS)
    unlimited = texts(backend, requests)
    with limit_rows(backend, 4, after):
        events = list(backend.generate(requests))
    said = [event.message for event in events if isinstance(event, Notice) and event.kind == "out_of_memory"]
    fitted = [tuple(map(int, re.findall(r"\d+", message))) for message in said]
    assert fitted[0][0] == 14 if after == 0 else 4 < fitted[0][0] < 14
    assert all(to == count // 2 for count, to in fitted)
    by_id = {event.request_id: event.text for event in events if isinstance(event, Completion)}
    assert [by_id[request.id] for request in requests] == unlimited
    assert sum(isinstance(event, Completion) for event in events) == len(requests)


@pytest.mark.parametrize(
    "message",
    [
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried",
        "MPS backend out of memory (MPS allocated: 8.50 GB, other allocations: 1.00 GB, max allowed: 9.07 GB)",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    ],
    ids=["cpu", "mps", "cublas"],
)
def test_every_device_s_way_to_say_out_of_memory_is_understood(folder, message):
    backend = open_tiny(folder)

    def refuse(module, inputs):
        if len(inputs[0]) > 4:
            raise RuntimeError(message)

    with backend._loaded().model.embed_tokens.register_forward_pre_hook(refuse):
        assert all(
            isinstance(completion, Completion) for completion in completions(backend, requests_for(backend, PROMPTS))
        )


def test_an_error_that_is_not_about_memory_is_not_taken_for_one(folder):
    backend = open_tiny(folder)

    def refuse(module, inputs):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with (
        backend._loaded().model.embed_tokens.register_forward_pre_hook(refuse),
        pytest.raises(RuntimeError, match="shapes"),
    ):
        completions(backend, requests_for(backend, PROMPTS))


def test_a_request_that_does_not_fit_alone_leaves_the_others_their_batch(folder):
    backend = open_tiny(folder)
    requests = requests_for(backend, [*PROMPTS[:8], "x" * 200], max_tokens=5)
    rows = []

    def refuse(module, inputs):
        if inputs[0].shape[1] > 150:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        rows.append(len(inputs[0]))

    with backend._loaded().model.embed_tokens.register_forward_pre_hook(refuse):
        events = list(backend.generate(requests))
    assert max(rows) > 1
    assert not [event for event in events if isinstance(event, Notice) and "a batch of 1 " in event.message]


def test_a_request_that_does_not_fit_alone_is_a_failure_and_the_others_are_answered(folder):
    backend = open_tiny(folder)
    requests = requests_for(backend, [*PROMPTS[:4], "x" * 200], max_tokens=20)

    def refuse(module, inputs):
        if inputs[0].shape[1] > 150:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    with backend._loaded().model.embed_tokens.register_forward_pre_hook(refuse):
        result = completions(backend, requests)
    assert [type(item) for item in result] == [Completion] * 4 + [Failure]
    assert (result[4].kind, result[4].message[:18]) == ("out_of_memory", "CUDA out of memory")
