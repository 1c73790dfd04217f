"""Finds what of some texts is quoted within others, and cuts it out."""

from collections.abc import Iterable

SHORTEST = 24
"""Characters; a shorter piece may be in both by chance."""
CUT = "[…]"


class Quotes:
    """Texts of which no long piece may stay.

    Every piece of twice `SHORTEST` characters or more is found: pieces of `SHORTEST` are noted at each multiple of that
    length, and one of them lies wholly within any such quotation, which is then followed to its two ends.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self.texts = list(dict.fromkeys(texts))
        self.pieces: dict[str, tuple[int, int]] = {}
        for number, text in enumerate(self.texts):
            for start in range(0, len(text) - SHORTEST + 1, SHORTEST):
                self.pieces.setdefault(text[start : start + SHORTEST], (number, start))

    def cut(self, text: str) -> str:
        """The text with each quotation replaced by a mark."""
        kept, start, position = [], 0, 0
        while position <= len(text) - SHORTEST:
            place = self.pieces.get(text[position : position + SHORTEST])
            if place is None:
                position += 1
                continue
            low, high = self._ends(text, position, *place)
            kept.append(text[start : max(low, start)])
            start = position = high
        return CUT.join([*kept, text[start:]]) if kept else text

    def _ends(self, text: str, position: int, number: int, start: int) -> tuple[int, int]:
        """Where the quotation begins and ends."""
        quoted = self.texts[number]
        before = 0
        while min(position, start) > before and text[position - before - 1] == quoted[start - before - 1]:
            before += 1
        length = SHORTEST
        while (
            position + length < len(text)
            and start + length < len(quoted)
            and text[position + length] == quoted[start + length]
        ):
            length += 1
        return position - before, position + length
