"""Two distributions can be compared token by token only over one vocabulary."""

from collections.abc import Iterable, Mapping

from evalharness.backends.backend import Teacher
from evalharness.errors import ConfigError
from evalharness.records.tokens import Author


def refuse_different(teachers: Mapping[Author, Teacher], names: Mapping[Author, str], probes: Iterable[str]) -> None:
    """Refuse two checkpoints of which one writes other tokens than the other.

    Args:
        teachers: both sides.
        names: of the checkpoints.
        probes: texts that both must encode alike.

    Raises:
        ConfigError: a token, the id of a token, the number of logits or the encoding of a text differs.
    """
    left, right = teachers["baseline"], teachers["candidate"]
    difference = _difference(left.vocabulary, right.vocabulary) or _widths(left, right)
    if not difference:
        apart = (text for text in probes if left.encode(text) != right.encode(text))
        difference = next((f"they encode {text[:40]!r} differently" for text in apart), "")
    if difference:
        raise ConfigError(
            f"{names['baseline']} and {names['candidate']} do not share a tokenizer: {difference}",
            fix="compare two checkpoints of one tokenizer, such as a base and its fine-tune",
        )


def _widths(left: Teacher, right: Teacher) -> str:
    # A server does not tell the width of its output layer.
    if left.width is None or right.width is None or left.width == right.width:
        return ""
    return f"their output layers have {left.width:,} and {right.width:,} tokens"


def _difference(left: Mapping[str, int], right: Mapping[str, int]) -> str:
    if left == right:
        return ""
    if len(left) != len(right):
        only = sorted(left.keys() ^ right.keys())[:3]
        named = f", such as {', '.join(map(repr, only))}" if only else ""
        return f"they have {len(left):,} and {len(right):,} tokens{named}"
    moved = next(token for token in left if left[token] != right.get(token))
    return f"token {moved!r} is {left[moved]} in the one and {right.get(moved, 'missing')} in the other"
