"""The models that are pulled, and how the server describes them."""

import json
from dataclasses import dataclass, replace
from typing import Any

from ollama_server.settings import Json

CHATML = "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
BARE = "{{ .Prompt }}"


def tagged(name: str) -> str:
    return name if ":" in name else f"{name}:latest"


@dataclass(frozen=True)
class Model:
    """A pulled model as the server describes it."""

    name: str
    digest: str
    blob: str
    size: int
    template: str
    family: str
    parameter_size: str
    quantization_level: str
    model_info: Json
    ends: bool
    system: str = ""
    parameters: tuple[tuple[str, Any], ...] = ()
    capabilities: tuple[str, ...] = ("completion",)
    modified_at: str = "2026-11-21T01:41:48.177297381Z"
    says: tuple[tuple[str, str], ...] = ()
    """Patterns of prompts, and what is answered to them; the first that is found counts."""

    @property
    def tagged(self) -> str:
        return tagged(self.name)

    @property
    def context_length(self) -> int:
        return int(self.model_info[f"{self.family}.context_length"])

    @property
    def width(self) -> int:
        return int(self.model_info[f"{self.family}.embedding_length"])

    @property
    def adds_bos(self) -> bool:
        return bool(self.model_info["tokenizer.ggml.add_bos_token"])

    def details(self) -> Json:
        return {
            "parent_model": "",
            "format": "gguf",
            "family": self.family,
            "families": [self.family],
            "parameter_size": self.parameter_size,
            "quantization_level": self.quantization_level,
        }

    def listed(self) -> Json:
        """Its entry in /api/tags."""
        return {
            "name": self.tagged,
            "model": self.tagged,
            "modified_at": self.modified_at,
            "size": self.size,
            "digest": self.digest,
            "details": {**self.details(), "context_length": self.context_length, "embedding_length": self.width},
            "capabilities": list(self.capabilities),
        }


def _gguf(architecture: str, general: str, sizes: str, tokenizer: str) -> Json:
    """The model_info of /api/show from its three parts, sorted as the server sorts it."""
    parts = {"general": general, architecture: sizes, "tokenizer.ggml": tokenizer}
    info = {f"{part}.{name}": value for part, text in parts.items() for name, value in json.loads(text).items()}
    return dict(sorted({**info, "general.architecture": architecture}.items()))


GEMMA_INFO = _gguf(
    "gemma3",
    """{"basename": "gemma-3", "file_type": 15, "license": "gemma", "parameter_count": 268098176, "tags": null,
    "quantization_version": 2, "size_label": "270M", "type": "model"}""",
    """{"attention.head_count": 4, "attention.head_count_kv": 1, "attention.key_length": 256, "block_count": 18,
    "attention.layer_norm_rms_epsilon": 1e-06, "attention.sliding_window": 512, "attention.value_length": 256,
    "context_length": 32768, "embedding_length": 640, "feed_forward_length": 2048, "rope.freq_base": 1000000}""",
    """{"add_bos_token": true, "add_eos_token": false, "add_sep_token": false, "add_space_prefix": false,
    "bos_token_id": 2, "eos_token_id": 1, "model": "llama", "padding_token_id": 0, "pre": "default",
    "scores": null, "token_type": null, "tokens": null, "unknown_token_id": 3}""",
)
SMOLLM_INFO = _gguf(
    "llama",
    """{"basename": "smollm2", "file_type": 3, "finetune": "8k-lc100k-mix1-ep2", "languages": null,
    "license": "apache-2.0", "organization": "HuggingFaceTB", "parameter_count": 134515008,
    "quantization_version": 2, "size_label": "135M", "type": "model"}""",
    """{"attention.head_count": 9, "attention.head_count_kv": 3, "attention.layer_norm_rms_epsilon": 1e-05,
    "block_count": 30, "context_length": 8192, "embedding_length": 576, "feed_forward_length": 1536,
    "rope.dimension_count": 64, "rope.freq_base": 100000, "vocab_size": 49152}""",
    """{"add_bos_token": false, "add_space_prefix": false, "bos_token_id": 1, "eos_token_id": 2, "merges": null,
    "model": "gpt2", "padding_token_id": 2, "pre": "smollm", "token_type": null, "tokens": null,
    "unknown_token_id": 0}""",
)
BASE = Model(
    name="gemma3-base",
    digest="14f8ac0fb3c4d0781f89e8e94fb0f50f6074e4433c57f2974444117109948bb3",
    blob="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    size=253113180,
    template=BARE,
    family="gemma3",
    parameter_size="268.10M",
    quantization_level="Q4_K_M",
    model_info=GEMMA_INFO,
    ends=False,
    modified_at="2026-11-21T01:41:49.619731825Z",
)
INSTRUCT = Model(
    name="smollm2",
    digest="fd5f44c0b5aff6453726119fc560d73a8a995a55b4a49804bc24b1969ecf1794",
    blob="941f309b54caaad6747569ba43712bcde44a2be3bae16c3282ff499c37c54af5",
    size=98362745,
    template=CHATML,
    family="llama",
    parameter_size="134.52M",
    quantization_level="Q4_1",
    model_info=SMOLLM_INFO,
    ends=True,
    parameters=(("stop", "<|im_start|>"), ("stop", "<|im_end|>")),
)
TUNED = replace(
    INSTRUCT,
    name="smollm2-tuned",
    digest="2bc80eb869041a13298b1d75836afbcaea2e1c830086462fb198e50408f62342",
    size=98362766,
    system="You are a helpful assistant.",
    parameters=(("stop", "<|im_end|>"), ("temperature", 0.2)),
    modified_at="2026-11-21T01:41:48.52215266Z",
)


def pulled_models(changes: list[Json]) -> dict[str, Model]:
    """The three recorded models with the changes of a setting applied, by tagged name."""
    models = {model.tagged: model for model in (BASE, INSTRUCT, TUNED)}
    for change in changes:
        fields = dict(change)
        like = fields.pop("like", fields["name"])
        models[tagged(fields["name"])] = replace(models[tagged(like)], **fields)
    return models


def parameters_text(model: Model) -> str:
    return "\n".join(
        f"{name:<30} {json.dumps(value, ensure_ascii=False) if isinstance(value, str) else value}"
        for name, value in model.parameters
    )


def modelfile(model: Model) -> str:
    """The Modelfile as `ollama show` would write it."""
    template = f'"{model.template}"' if "\n" in model.template else model.template
    lines = [
        '# Modelfile generated by "ollama show"',
        "# To build a new Modelfile based on this, replace FROM with:",
        f"# FROM {model.tagged}",
        "",
        f"FROM /models/blobs/sha256-{model.blob}",
        f"TEMPLATE {template}",
        *([f"SYSTEM {model.system}"] if model.system else []),
        *(f"PARAMETER {name} {value}" for name, value in sorted(model.parameters, key=lambda item: item[0] == "stop")),
    ]
    return "\n".join(lines) + "\n"
