"""Completions as strips of tokens, each in one of three classes: for the printed page and for its script."""

from collections.abc import Mapping, Sequence
from typing import Any

from evalharness.formatting import format_share
from evalharness.records import GenerationRequest
from evalharness.records.tokens import TokenFacts, class_of
from evalharness.report.view import View
from evalharness.store import Run

MOST_STRIPS = 600
"""Completions of one report that are shown as strips; the data of more would make the file too large to mail."""
MOST_TOKENS = 200
"""Tokens of one strip."""
FEW = 2
"""Alternatives that are kept for an unshifted token; all for the others."""


def shown_text(text: str) -> str:
    """A token's text with a sign for each line end.

    >>> shown_text(".\\n")
    '.↵\\n'
    """
    return text.replace("\n", "↵\n")


def visible_token(text: str) -> str:
    """As `shown_text`; spaces have a sign where a token is nothing else.

    >>> visible_token("  ")
    '␣␣'
    """
    return shown_text(text) if text.strip(" ") else "␣" * len(text)


def make_strip(facts: TokenFacts, texts: Mapping[int, str], most: int = 80) -> View:
    """The strip for a page without script."""
    n = min(len(facts.ids) - facts.ended, most)
    tokens = []
    for at in range(n):
        likeliest, chance = facts.other.likeliest[at][0]
        title = f"instead {texts.get(likeliest, '')!r} ({format_share(chance)})"
        kind = class_of(facts.other.ranks[at])
        tokens.append(View(text=shown_text(texts.get(facts.ids[at], "")), kind=kind, title=title if kind else ""))
    return View(tokens=tuple(tokens), rest=len(facts.ids) - facts.ended - n)


class StripData:
    """The strips of a report as data for its script; a token's text is stored once."""

    def __init__(self, run: Run) -> None:
        self.compared, self.facts = run.tokens, run.token_facts
        self.texts: list[str] = []
        self._places: dict[int, int] = {}
        self._by_request = {ids[0]: ids for ids in run.token_facts}
        self._left = MOST_STRIPS

    def of(self, request: GenerationRequest) -> dict[str, Any] | None:
        """The strip of a request's completion; None if it was not read, or there are too many."""
        ids = self._by_request.get(request.id)
        if self.compared is None or ids is None or not self._left:
            return None
        self._left -= 1
        return self._strip(self.facts[ids])

    def _strip(self, facts: TokenFacts) -> dict[str, Any]:
        n = min(len(facts.ids), MOST_TOKENS)
        own, other = facts.baseline, facts.candidate
        if facts.author == "candidate":
            own, other = other, own
        kinds = [class_of(rank) for rank in other.ranks[:n]]
        return {
            "ids": [self._place(token) for token in facts.ids[:n]],
            "kinds": "".join(map(str, kinds)),
            # Natural log-probabilities, with three decimals.
            "own": [round(value, 3) for value in own.logprobs[:n]],
            "other": [round(value, 3) for value in other.logprobs[:n]],
            "ranks": list(other.ranks[:n]),
            "likeliest": [
                self._likeliest(top if kind else top[:FEW]) for top, kind in zip(other.likeliest, kinds, strict=False)
            ],
            "rest": len(facts.ids) - n,
            "ended": facts.ended,
        }

    def _likeliest(self, top: Sequence[tuple[int, float]]) -> list[float]:
        """Places and probabilities in turn."""
        return [number for token, chance in top for number in (self._place(token), round(chance, 3))]

    def _place(self, token: int) -> int:
        if token not in self._places:
            self._places[token] = len(self.texts)
            self.texts.append(self.compared.texts.get(token, "") if self.compared else "")
        return self._places[token]
