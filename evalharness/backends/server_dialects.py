"""What each kind of OpenAI-compatible server is sent, and how it is recognized.

The protocol leaves open what a server does with a field that it does not know, and which defaults it draws with. This
table holds what was read in the servers' sources and seen in real ones (`docs/servers.md`). Every option that can
change a completion is sent with every request, so that no default of the server or of its model applies.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalharness.backends.server_wire import Server
from evalharness.backends.wire import Busy, Lost, Refused, Transient, Unreachable
from evalharness.errors import BackendError, UnknownModel
from evalharness.records import GenerationConfig

Json = dict[str, Any]
PENALTIES = {"presence_penalty": 0.0, "frequency_penalty": 0.0}
MODELS = "/v1/models"
LOOKS = 3
"""How often the model is asked for: the address may have several workers."""
LLAMA_SAMPLERS = ("penalties", "top_k", "top_p", "temperature")


@dataclass(frozen=True)
class Dialect:
    """One kind of server."""

    title: str
    owner: str = ""
    """`owned_by` of its models."""
    sent: Mapping[str, Any] = field(default_factory=lambda: PENALTIES)
    """What is sent with every request in addition to the settings of the run; neutral values."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Its names of `top_k` and `repeat_penalty`; a setting without a name cannot be sent."""
    every_token: int = 0
    """The `top_k` that keeps all tokens."""
    ids: bool = False
    """Whether it may take prompts as token ids."""
    thinks: bool = False
    """Whether `chat_template_kwargs` can switch thinking off."""
    wrapped: bool = False
    """Whether the settings go into a JSON text, `generation_config`."""
    tells: Mapping[str, Any] = field(default_factory=dict)
    """With these fields it says which prompt it has read."""
    window: str = ""
    """Its name of the number of last tokens that `repeat_penalty` looks at, where that is not all of them."""
    logprobs: bool = True
    reads: bool = False
    """Whether it gives log-probabilities of a prompt's tokens."""
    classifies: bool = False
    """Whether `/classify` gives the raw numbers of a classifier for token ids."""
    least_logprobs: int = 0
    """The fewest alternatives with which it gives a log-probability."""
    version: tuple[str, str] | None = None
    """The path and the field of its version."""
    lists_served: bool = True
    """Whether it lists what it serves, and no other models."""
    aside: str = ""
    """What its users must know."""

    def named(self, version: str) -> str:
        """Its name with its version, if that is known."""
        return self.title if version == "unknown" else f"{self.title} {version}"

    def options(self, config: GenerationConfig, seed: int, stops: list[str], context: int | None) -> Json:
        """The sampling options of a request, in a context of so many tokens."""
        if self.wrapped:
            return self._wrapped(config, seed, stops)
        drawn = {"top_k": config.top_k or self.every_token, "repeat_penalty": config.repeat_penalty}
        return {
            "max_tokens": config.max_tokens,
            "temperature": config.temperature,
            "top_p": config.top_p,
            **{name: drawn[ours] for ours, name in self.names.items()},
            **({self.window: context} if self.window and context else {}),
            **self.sent,
            "seed": seed,
            **({"stop": stops} if stops else {}),
        }

    def _wrapped(self, config: GenerationConfig, seed: int, stops: list[str]) -> Json:
        """Outside of `generation_config`, `transformers serve` knows no top_k, and draws nothing at any temperature."""
        drawn = {"temperature": config.temperature, "top_p": config.top_p, "top_k": config.top_k, "min_p": 0.0}
        settings = {
            "do_sample": config.temperature > 0,
            **(drawn if config.temperature > 0 else {}),
            "num_beams": 1,
            "repetition_penalty": config.repeat_penalty,
            "no_repeat_ngram_size": 0,
            "min_new_tokens": 0,
            "max_new_tokens": config.max_tokens,
        }
        sent: Json = {"generation_config": json.dumps(settings), "max_tokens": config.max_tokens, "seed": seed}
        return sent | ({"stop": stops} if stops else {})

    def problem(self, config: GenerationConfig) -> str | None:
        """Why this server cannot be sent a configuration; None if it can."""
        given = {"top_k": config.top_k != 0, "repeat_penalty": config.repeat_penalty != 1}
        missing = [name for name, is_set in given.items() if is_set and name not in self.names and not self.wrapped]
        return f"{self.title} takes no {missing[0]}" if missing else None


DIALECTS = {
    "vllm": Dialect(
        "vLLM",
        owner="vllm",
        # Some are sent by nobody, but `--override-generation-config` sets their defaults.
        sent={**PENALTIES, "min_p": 0.0, "min_tokens": 0, "ignore_eos": False, "skip_special_tokens": True},
        names={"top_k": "top_k", "repeat_penalty": "repetition_penalty"},
        ids=True,
        thinks=True,
        reads=True,
        classifies=True,
        tells={"return_prompt_text": True, "return_token_ids": True},
        version=("/version", "version"),
    ),
    "llama-server": Dialect(
        "llama-server",
        owner="llamacpp",
        # `cache_prompt` reuses another request's numbers; of `samplers` only those of the run are left.
        sent={
            **PENALTIES,
            "min_p": 0.0,
            "typical_p": 1.0,
            "top_n_sigma": -1.0,
            "xtc_probability": 0.0,
            "dynatemp_range": 0.0,
            "dry_multiplier": 0.0,
            "mirostat": 0,
            "samplers": LLAMA_SAMPLERS,
            "cache_prompt": False,
            "ignore_eos": False,
            "logit_bias": [],
        },
        names={"top_k": "top_k", "repeat_penalty": "repeat_penalty"},
        window="repeat_last_n",
        ids=True,
        thinks=True,
        # Nothing else says which stop string ended a text, or whether one did.
        tells={"verbose": True},
        least_logprobs=1,
        version=("/props", "build_info"),
    ),
    "sglang": Dialect(
        "SGLang",
        owner="sglang",
        sent={**PENALTIES, "min_p": 0.0, "min_tokens": 0, "ignore_eos": False, "skip_special_tokens": True},
        names={"top_k": "top_k", "repeat_penalty": "repetition_penalty"},
        every_token=-1,
        ids=True,
        thinks=True,
        version=("/get_server_info", "version"),
    ),
    "transformers": Dialect(
        "transformers serve",
        wrapped=True,
        thinks=True,
        logprobs=False,
        # It lists what is in the Hugging Face cache, and not the folder that it was started with.
        lists_served=False,
        aside="Its random seed is one for all requests, so that a draw repeats only with -M concurrency=1.",
    ),
    "lmstudio": Dialect(
        "LM Studio", owner="organization_owner", names={"top_k": "top_k", "repeat_penalty": "repeat_penalty"}
    ),
    "generic": Dialect("an OpenAI-compatible server"),
}


@dataclass(frozen=True)
class Served:
    """A model as its server describes it."""

    dialect: Dialect
    version: str
    facts: Json
    """What distinguishes this model from another one of the same name."""
    context: int | None
    parameters: int | None = None
    template: str | None = None
    others: str = ""
    """The models that the server lists, if this one is not among them."""


def describe(server: Server, model: str, kind: str | None) -> Served:
    """Recognize the server and find the model.

    Args:
        kind: a key of `DIALECTS` to be taken as given.

    Raises:
        Busy: the server loads its model.
        UnknownModel: the server lists its models, and this one is not among them.
        BackendError: the server does not answer, refuses the key, or is an Ollama server.
    """
    listed = models_of(server)
    dialect = DIALECTS[kind] if kind else recognized(server, listed)
    entry, others = next((listing for listing in listed if model in _names(listing)), None), ""
    if entry is None:
        others = ", ".join(sorted(f"server/{listing.get('id')}" for listing in listed)[:8])
        if listed and dialect.lists_served:
            raise UnknownModel(f"{server.title} at {server.url} does not serve {model}", fix=f"use {others}")
        entry = {}
    _refuse_several(server, model, _facts(entry))
    props = look(server, "/props") if dialect.owner == "llamacpp" else {}
    facts = _facts(entry)
    if props:
        facts |= _facts_of_llama(server, entry, props)
    context = entry.get("max_model_len") or props.get("default_generation_settings", {}).get("n_ctx")
    parameters = (entry.get("meta") or {}).get("n_params")
    version = version_of(server, dialect)
    return Served(dialect, version, facts or {"id": model}, context, parameters, props.get("chat_template"), others)


def _names(entry: Json) -> list[str]:
    return [entry.get("id", ""), *(entry.get("aliases") or ())]


def _facts(entry: Json) -> Json:
    return {name: entry[name] for name in ("id", "root", "parent", "meta") if entry.get(name) is not None}


def _refuse_several(server: Server, model: str, facts: Json) -> None:
    """Refuse an address behind which workers serve different weights under one name, as far as they say so."""
    for _ in range(LOOKS if facts else 0):
        again = [_facts(entry) for entry in models_of(server) if model in _names(entry)]
        if again != [facts]:
            raise BackendError(
                f"behind {server.url} is more than one {model}: {facts}, and {again[0] if again else 'none'}",
                fix="let all workers behind one address serve the same model",
            )


def _facts_of_llama(server: Server, entry: Json, props: Json) -> Json:
    """What identifies a llama-server's model: not the context that it was started with, but its adapters."""
    meta = {name: value for name, value in (entry.get("meta") or {}).items() if name != "n_ctx"}
    adapters = look(server, "/lora-adapters").get("data") or ()
    loras = [{name: adapter.get(name) for name in ("path", "scale")} for adapter in adapters]
    own: Json = {name: props[name] for name in ("model_path", "chat_template") if name in props}
    return {"meta": meta, **own, **({"lora": loras} if loras else {})}


def models_of(server: Server) -> list[Json]:
    """The models that a server lists; none where it cannot say.

    Raises:
        Busy: it loads its model, and would be taken for another kind of server.
        BackendError: it does not answer or refuses the key.
    """
    page = _asked(server, MODELS)
    return [entry for entry in page.get("data") or () if isinstance(entry, dict)]


def recognized(server: Server, listed: list[Json]) -> Dialect:
    """The kind of a server, by what it says of its models and which paths it has.

    Raises:
        BackendError: it is an Ollama server, which puts raw prompts into its template on this path.
    """
    owners = {str(listing.get("owned_by")) for listing in listed}
    known = [dialect for dialect in DIALECTS.values() if dialect.owner and dialect.owner in owners]
    if known:
        return known[0]
    if "/load_model" in look(server, "/openapi.json").get("paths", {}):
        return DIALECTS["transformers"]
    if "version" in look(server, "/api/version"):
        raise BackendError(
            f"the server at {server.url} is an Ollama server, which puts raw prompts into its template here",
            fix="name its models ollama/NAME, with its address in OLLAMA_HOST",
        )
    return DIALECTS["generic"]


def version_of(server: Server, dialect: Dialect) -> str:
    """The server's version; `unknown` if it does not say."""
    if dialect.version is None:
        return "unknown"
    path, name = dialect.version
    return str(look(server, path).get(name, "unknown"))


def look(server: Server, path: str) -> Json:
    """What is at a path; nothing where the server has no such path, or does not give it now.

    Raises:
        BackendError: the server does not answer or refuses the key.
    """
    try:
        return _asked(server, path)
    except Busy:
        return {}


def _asked(server: Server, path: str) -> Json:
    try:
        return server.send("GET", path)
    except Busy:
        raise
    except (Unreachable, Lost) as error:
        raise server.failed(error) from None
    except (Refused, Transient):
        return {}
