"""What a GPU does otherwise, on a CPU: steps over a cache of fixed size, devices that are imitated, waits counted."""

import gc
from functools import partial

import pytest
import torch
from imitated_gpu import ImitatedGpu, place_of, put
from test_hf_decoding import PROMPTS, completions, limit_rows, open_tiny, requests_for, save_gemma, texts
from tiny_checkpoint import make_tokenizer, save_checkpoint
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from evalharness.backends import hf_steps
from evalharness.backends.backend import Underway
from evalharness.backends.hf_steps import Steps
from evalharness.records import Completion, Notice

SAMPLED = {"temperature": 1.0, "repeat_penalty": 1.3, "top_k": 40, "top_p": 0.9}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def sliding(tmp_path_factory):
    return save_gemma(tmp_path_factory.mktemp("sliding"), window=24, spread=0.7, seed=0)


# ------------------------------------------------------------------------------------- a fixed cache


@pytest.mark.parametrize("settings", [{}, SAMPLED], ids=["greedy", "sampled"])
@pytest.mark.parametrize("kind", ["folder", "sliding"])
def test_steps_over_a_cache_of_fixed_size_give_the_same_text(kind, settings, request, monkeypatch):
    """Whatever the window, while rows leave and join, and where the cache has to grow."""
    monkeypatch.setattr(hf_steps, "COLUMNS", 16)
    folder, prompts = request.getfixturevalue(kind), [*PROMPTS[:9], "x" * 100, "y"]
    fixed, grown = (open_tiny(folder, batch_size=5, fixed_steps=one) for one in (True, False))
    requests = requests_for(fixed, prompts, max_tokens=60, **settings)
    expected = completions(grown, requests)
    assert len({one.completion_tokens for one in expected}) > 3
    assert texts(fixed, requests) == [one.text for one in expected]


def test_steps_of_one_shape_keep_their_memory(folder):
    """What a recorded graph reads and writes must never move."""
    backend = open_tiny(folder, batch_size=5, fixed_steps=True)
    seen = set()
    with backend._loaded().register_forward_pre_hook(
        lambda model, args, given: seen.add(addresses(given)) if given["input_ids"].shape[1] == 1 else None,
        with_kwargs=True,
    ):
        texts(backend, requests_for(backend, PROMPTS * 2))
    fixed = {(shape, places) for shape, places in seen if places}
    assert len(fixed) > 2
    assert len(fixed) == len({shape for shape, _ in fixed})


def addresses(given):
    layers = given["past_key_values"].layers
    fixed = [layer for layer in layers if isinstance(layer, hf_steps.FixedLayer)]
    tensors = [given["input_ids"], given["attention_mask"], given["position_ids"], *(layer.keys for layer in fixed)]
    return given["attention_mask"].shape, tuple(tensor.data_ptr() for tensor in tensors) if fixed else ()


def test_rows_that_only_fill_up_stay_within_the_context_of_learned_positions(tmp_path):
    tokenizer = make_tokenizer()
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=128, n_embd=16, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=1
    )
    torch.manual_seed(0)
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    backend = open_tiny(tmp_path, batch_size=5, fixed_steps=True)
    expected = None
    for prefix in "abcd":
        requests = requests_for(backend, [prefix + str(number) for number in range(5)], max_tokens=60)
        found = texts(backend, requests)
        expected = expected or len(found)
        assert len(found) == expected


def test_without_memory_the_fixed_cache_is_freed_before_the_next_try(folder):
    backend = open_tiny(folder, fixed_steps=True)
    requests, said = requests_for(backend, PROMPTS), 0
    unlimited = texts(backend, requests)
    with limit_rows(backend, 4, after=30):
        events = []
        for event in backend.generate(requests):
            events.append(event)
            if isinstance(event, Notice) and event.kind == "out_of_memory":
                said += 1
                assert not [one for one in gc.get_objects() if isinstance(one, Steps)]
    by_id = {event.request_id: event.text for event in events if isinstance(event, Completion)}
    assert said and [by_id[request.id] for request in requests] == unlimited


@pytest.mark.skipif(torch.cuda.is_available(), reason="with a CUDA device they can be recorded")
def test_steps_that_cannot_be_recorded_are_taken_without_and_that_is_said(folder, monkeypatch):
    backend = open_tiny(folder)
    requests = requests_for(backend, PROMPTS, max_tokens=30)
    expected = texts(backend, requests)
    monkeypatch.setattr(backend, "_steps", lambda model: Steps(model, record=True))
    events = list(backend.generate(requests))
    by_id = {event.request_id: event.text for event in events if isinstance(event, Completion)}
    assert [by_id[request.id] for request in requests] == expected
    assert events[-1].message.startswith("the steps could not be recorded as CUDA graphs, which is slower: Tried to ")


class Replayed(Steps):
    """Recordings that a CPU can replay; `error` is added to the logits of each from the given replay on."""

    error, first = 0.0, 1

    def _record(self, shape):
        shape.graph = self
        self.replays, self.replay = 0, partial(self._replay, shape)

    def _replay(self, shape):
        self.replays += 1
        self._pass(shape)
        shape.logits.add_(self.error * (self.replays >= self.first) * torch.arange(shape.logits.shape[-1]))


@pytest.mark.parametrize(("error", "first"), [(0.0, 1), (1.0, 1), (1.0, 2)])
def test_a_recording_is_used_once_it_gave_the_same_twice(folder, monkeypatch, error, first):
    backend = open_tiny(folder)
    requests = requests_for(backend, PROMPTS, max_tokens=30)
    expected = texts(backend, requests)
    monkeypatch.setattr(Replayed, "error", error)
    monkeypatch.setattr(Replayed, "first", first)
    made = []
    monkeypatch.setattr(backend, "_steps", lambda model: made.append(Replayed(model, record=True)) or made[-1])
    events = list(backend.generate(requests))
    by_id = {event.request_id: event.text for event in events if isinstance(event, Completion)}
    assert [by_id[request.id] for request in requests] == expected
    assert made[0].problem == ("a recorded step gives other logits" if error else "")
    assert (made[0].replays == first) if error else (made[0].replays > 10)


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({}, True),
        ({"_can_compile_fullgraph": False}, False),
        ({"hf_device_map": {"model": 0, "lm_head": 0}}, True),
        ({"hf_device_map": {"model": 0, "lm_head": 1}}, False),
    ],
)
def test_models_whose_steps_cannot_be_recorded_are_decoded_otherwise(folder, change, fits):
    model = AutoModelForCausalLM.from_pretrained(folder)
    for name, value in change.items():
        setattr(model, name, value)
    assert hf_steps.fits(model) is fits


# -------------------------------------------------------------------------------- an imitated GPU


@pytest.mark.parametrize("settings", [{}, SAMPLED, {"stop": ("e",)}], ids=["greedy", "sampled", "stop"])
@pytest.mark.parametrize("kind", ["folder", "sliding"])
def test_on_a_gpu_everything_is_there_and_a_step_waits_once(kind, settings, request):
    """For its tokens, and not within the pass, which could not be recorded then. Passes that read prompts do wait."""
    backend = open_tiny(request.getfixturevalue(kind), batch_size=5, fixed_steps=True)
    requests = requests_for(backend, PROMPTS[:9], max_tokens=30, **settings)
    expected = texts(open_tiny(request.getfixturevalue(kind), batch_size=5), requests)
    model, waits = backend._loaded(), {}
    put(model, "cuda:0")

    def before(module, args, given):
        waits[given["past_key_values"]] = sum(gpu.waits.values())

    def after(module, args, given, out):
        assert place_of(given["input_ids"]) == place_of(out.logits) == model.device
        if isinstance(given["past_key_values"].layers[0], hf_steps.FixedLayer):
            assert sum(gpu.waits.values()) == waits[given["past_key_values"]]

    with (
        ImitatedGpu() as gpu,
        model.register_forward_pre_hook(before, with_kwargs=True),
        model.register_forward_hook(after, with_kwargs=True),
    ):
        events = list(backend.generate(requests))
    by_id = {event.request_id: event.text for event in events if isinstance(event, Completion)}
    assert [by_id[request.id] for request in requests] == expected
    steps = sum(isinstance(event, Underway) for event in events)
    assert gpu.waits["tolist"] == steps
    assert gpu.waits["__bool__"] < 0.5 * steps


def test_layers_may_be_on_several_gpus(folder):
    backend = open_tiny(folder, batch_size=5)
    requests = requests_for(backend, PROMPTS, max_tokens=30)
    expected, model = texts(backend, requests), backend._loaded()
    put(model, "cuda:0")
    put(model.model.layers[1], "cuda:1")
    with ImitatedGpu(), moved(model.model.layers[1], "cuda:1"), moved(model.model.norm, "cuda:0"):
        assert texts(backend, requests) == expected
        [first, *rest] = backend.teacher().logits([[0, 5, 6], [0, 4]], [[7, 8, 9], [7]], 1)
        assert {place_of(logits).index for logits in (first, *rest)} == {0}


def moved(module, place):
    """What accelerate does to a module that is on another device."""
    return module.register_forward_pre_hook(
        lambda _, args, given: (
            tuple(one.to(place) for one in args),
            {name: _moved(value, place) for name, value in given.items()},
        ),
        with_kwargs=True,
    )


def _moved(value, place):
    if isinstance(value, tuple):
        return tuple(_moved(one, place) for one in value)
    return value.to(place) if isinstance(value, torch.Tensor) else value


def test_the_imitation_refuses_what_a_gpu_would():
    with ImitatedGpu() as gpu:
        there, here = torch.ones(3, device="cuda"), torch.ones(3)
        with pytest.raises(RuntimeError, match="cpu and cuda:0"):
            there + here
        assert (there + 1).device.type == "cuda" and there.cpu().device.type == "cpu"
        with pytest.raises(RuntimeError, match="cuda:0 and cuda:1"):
            there[torch.tensor([0], device="cuda:1")]
        bool(there.all()), there[[0, 1]], there.tolist(), there[here > 0]
    assert gpu.waits == {
        "tensor": 1,
        "cpu": 1,
        "__bool__": 1,
        "__getitem__ of a list": 1,
        "tolist": 1,
        "__getitem__ of a mask or of the host": 1,
    }
