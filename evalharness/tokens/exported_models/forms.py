"""The forms of a fine-tune: an adapter on its base, a folder, a GGUF file, or a model of a server."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from pydantic import JsonValue

from evalharness.backends import open_backend
from evalharness.backends.backend import Backend
from evalharness.backends.hf import HfBackend
from evalharness.backends.hf_teacher import HfTeacher
from evalharness.errors import BackendError, UnknownModel
from evalharness.records import (
    ChatPrompt,
    Checkpoint,
    Completion,
    Failure,
    GenerationConfig,
    GenerationRequest,
    Message,
    Notice,
    RawPrompt,
)
from evalharness.weights import files, loading
from evalharness.weights.gguf_facts import GgufFacts, read_facts
from evalharness.weights.templates import ChatTemplate, TemplateFailed

FLOATS = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}
"""Names in GGUF and in torch, the coarsest first."""
TOKENS = 24
"""Of an answer: enough to see where two forms part."""


class LocalForm:
    """Weights that are loaded here, by transformers, in float32: in any other type, rounding would hide the rest."""

    def __init__(self, name: str, backend: HfBackend) -> None:
        self.name, self.backend = name, backend
        self._rendered: dict[tuple[Sequence[Message], bool], str] = {}

    @cached_property
    def gguf(self) -> GgufFacts | None:
        """What the GGUF file itself says; None for other forms, and for an adapter on such a file."""
        name = self.backend.source.name
        return read_facts(Path(name)) if name.endswith(".gguf") and self.backend.options.adapter is None else None

    @property
    def tokenizer(self) -> Any:
        """As transformers makes it."""
        return self.backend.tokenizer

    @cached_property
    def _template(self) -> ChatTemplate | None:
        return None if self.backend.template is None else ChatTemplate(self.tokenizer)

    @property
    def has_template(self) -> bool:
        """Whether it brings a chat template."""
        return self._template is not None

    def rendered(self, messages: Sequence[Message], *, reply: bool = True) -> str:
        """A chat as text; where the template refuses it, its error."""
        if (messages, reply) not in self._rendered:
            self._rendered[messages, reply] = self._render(messages, reply)
        return self._rendered[messages, reply]

    def _render(self, messages: Sequence[Message], reply: bool) -> str:
        assert self._template is not None
        try:
            return self._template.render(messages, reply=reply)
        except TemplateFailed as error:
            return f"error: {error}"

    def encode(self, text: str) -> list[int]:
        """The ids of a text without special tokens around it."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    @property
    def adds_bos(self) -> bool:
        """Whether plain text gets a BOS in front."""
        said = self.gguf.adds_bos if self.gguf else None
        return bool(self.backend.tokenizing.facts().adds_bos if said is None else said)

    @property
    def ends(self) -> frozenset[int]:
        """The ids that end a completion, as its files name them."""
        if self.gguf:
            return self.gguf.ends
        settings = loading.load_generation_settings(self.backend.source)
        named = settings.get("eos_token_id", self.settings.get("eos_token_id"))
        return frozenset(named if isinstance(named, list) else [] if named is None else [named])

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The configuration of its text model."""
        return dict(self.backend.settings.get_text_config().to_dict())

    @cached_property
    def teacher(self) -> HfTeacher:
        """The loaded model."""
        return self.backend.teacher()

    @property
    def state(self) -> dict[str, Any]:
        """All tensors by name, with an adapter merged."""
        return dict(self.teacher.model.state_dict())

    @cached_property
    def kinds(self) -> dict[str, str]:
        """How each tensor is stored: as the GGUF file says, else in the coarsest type that holds its numbers."""
        return {name: self._kind(name, tensor) for name, tensor in self.state.items()}

    def _kind(self, name: str, tensor: torch.Tensor) -> str:
        if self.gguf and (kind := self.gguf.type_of(name)):
            return FLOATS.get(kind, kind)
        holds = (kind for kind in FLOATS.values() if torch.equal(tensor.to(getattr(torch, kind)).float(), tensor))
        return next(holds, "float32")

    def close(self) -> None:
        """Free the weights' memory."""
        vars(self).pop("teacher", None)
        self.backend.close()


class ServedForm:
    """A model of a server, which gives text."""

    def __init__(self, name: str, backend: Backend) -> None:
        self.name, self.backend = name, backend

    def close(self) -> None:
        """Free what it holds."""
        self.backend.close()


Form = LocalForm | ServedForm


def open_form(model: str, base: str | None, device: str | None) -> Form:
    """Open a form without loading its weights.

    Args:
        model: such as `hf/./merged`, `hf/./adapter`, `hf/./file.gguf` or `ollama/name`.
        base: what adapters are on; by default what each names itself.
        device: for those that are loaded here.

    Raises:
        BackendError: there is no such model, or the base of an adapter is not known.
    """
    options: dict[str, JsonValue] = {"dtype": "float32", "device": device}
    prefix, _, name = model.partition("/")
    adapter = Path(name).expanduser()
    if prefix == "hf" and (adapter / "adapter_config.json").is_file() and not (adapter / "config.json").exists():
        checkpoint = _checkpoint(base or _named_base(adapter), options | {"adapter": str(adapter)})
    else:
        checkpoint = _checkpoint(model, options if prefix in ("hf", "demo") else {})
    backend = open_backend(checkpoint)
    return LocalForm(model, backend) if isinstance(backend, HfBackend) else ServedForm(model, backend)


def _checkpoint(model: str, options: dict[str, JsonValue]) -> Checkpoint:
    return Checkpoint(name=model, model=model, variant="instruct", prompt_format="chat", options=options)


def _named_base(adapter: Path) -> str:
    named = files.read_json(adapter / "adapter_config.json").get("base_model_name_or_path")
    if not isinstance(named, str) or not named:
        raise UnknownModel(f"{adapter} does not name its base", fix="give it with --base, such as --base hf/org/name")
    return f"hf/{Path(named).resolve() if Path(named).is_dir() else named}"


def base_form(forms: Sequence[Form], base: str | None, device: str | None) -> LocalForm | None:
    """The weights without an adapter: those of `base`, else those that the first form with an adapter is on."""
    if base is not None:
        opened = open_form(base, None, device)
        return opened if isinstance(opened, LocalForm) else None
    for form in forms:
        if isinstance(form, LocalForm) and form.backend.options.adapter is not None:
            bare = type(form.backend)(form.backend.checkpoint)
            bare.options = form.backend.options.model_copy(update={"adapter": None})
            return LocalForm(f"the base of {form.name}", bare)
    return None


def answers(form: Form, prompts: Sequence[ChatPrompt | RawPrompt]) -> tuple[list[Completion], str | None]:
    """Its greedy answers, and how a server says that it rendered the first prompt.

    Raises:
        BackendError: it cannot answer.
    """
    backend = form.backend
    resolved = backend.resolve()
    config = backend.resolve_config(prompts, GenerationConfig(max_tokens=TOKENS))
    requests = [
        GenerationRequest.of(resolved, str(place), prompt, shown, config)
        for place, (prompt, shown) in enumerate(zip(prompts, backend.render(prompts), strict=True))
    ]
    given: dict[str, Completion] = {}
    rendered = None
    for event in backend.generate(requests):
        if isinstance(event, Completion):
            given[event.request_id] = event
        elif isinstance(event, Failure):
            raise BackendError(f"{form.name}: {event.message}", fix="check it with evalharness doctor --model")
        elif isinstance(event, Notice) and event.kind == "rendered":
            rendered = event.message
    return [given[request.id] for request in requests], rendered
