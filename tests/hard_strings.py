"""Hand-made strings that are easy to mistake, each with the state a person would give it (`hard_strings.jsonl`)."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Scene:
    """A completion (`text`, so many `times`), what it answers, how it ended, and its right state; the id names it."""

    id: str
    state: str
    prompt: str
    text: str
    times: int = 1
    end: str | None = "stop"
    kind: str = "instruction"

    @property
    def completion(self) -> str:
        """The whole text."""
        return self.text * self.times


SCENES = tuple(
    Scene(**json.loads(line))
    for line in Path(__file__).with_name("hard_strings.jsonl").read_text(encoding="utf-8").splitlines()
)
