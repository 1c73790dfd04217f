"""The recordings, and the pulled models as they describe them."""

import json
import re
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]
LINES = (Path(__file__).parent.parent / "ollama_recordings.jsonl").read_text(encoding="utf-8").splitlines()
RECORDINGS: dict[str, Json] = {line["name"]: line for line in map(json.loads, LINES)}


class ServerError(Exception):
    """A reply other than HTTP 200."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status, self.error = status, error


def recorded_error(name: str) -> ServerError:
    """An error as it was recorded."""
    return ServerError(RECORDINGS[name]["status"], RECORDINGS[name]["replies"][-1]["error"])


@dataclass
class Model:
    """A pulled model: its entry in /api/tags, and its reply in /api/show."""

    tag: Json
    shown: Json
    says: tuple[tuple[str, str], ...] = ()
    """Patterns of prompts, and what is answered to them; the first that matches counts."""

    @property
    def name(self) -> str:
        return str(self.tag["name"])

    @property
    def blob(self) -> str:
        return re.findall(r"sha256-(\w+)", self.shown["modelfile"])[0]

    @property
    def context_length(self) -> int:
        info = self.shown["model_info"]
        return int(info[f"{info['general.architecture']}.context_length"])

    @property
    def adds_bos(self) -> bool:
        return bool(self.shown["model_info"]["tokenizer.ggml.add_bos_token"])

    @property
    def options(self) -> Json:
        """The Modelfile's parameters."""
        options: Json = {}
        for line in self.shown.get("parameters", "").splitlines():
            name, value = line.split(maxsplit=1)
            read = json.loads(value)
            options[name] = [*options.get(name, []), read] if name == "stop" else read
        return options

    def changed(self, name: str, changes: Json) -> "Model":
        """As by another pull or `ollama create`."""
        model = deepcopy(self)
        model.tag |= {"name": tagged(name), "model": tagged(name)}
        for field, value in changes.items():
            if field == "digest":
                model.tag["digest"] = value
            elif field == "blob":
                model.shown["modelfile"] = model.shown["modelfile"].replace(model.blob, value)
            elif field == "parameters":
                model.shown["parameters"] = "\n".join(f"{key:<30} {json.dumps(said)}" for key, said in value)
            elif field == "says":
                model.says = tuple((pattern, said) for pattern, said in value)
            else:
                model.shown[field] = value
        return model


def tagged(name: str) -> str:
    return name if ":" in name else f"{name}:latest"


def pulled_models(changes: list[Json]) -> dict[str, Model]:
    """The three recorded models with the changes applied, by tagged name."""
    shown = {"gemma3-base": "show_base", "smollm2": "show_instruct", "smollm2-tuned": "show_tuned"}
    tags = {tag["name"]: tag for tag in RECORDINGS["tags"]["replies"][0]["models"]}
    models = {
        tagged(name): Model(deepcopy(tags[tagged(name)]), deepcopy(RECORDINGS[reply]["replies"][0]))
        for name, reply in shown.items()
    }
    for change in changes:
        fields = dict(change)
        name = fields.pop("name")
        models[tagged(name)] = models[tagged(fields.pop("like", name))].changed(name, fields)
    return models
