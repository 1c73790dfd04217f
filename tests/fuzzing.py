"""Damages files: bytes, tokens, and values of JSON and TOML, each the same for the same seed."""

import json
import random
import re

NUMBERS = ["-1", "0", "1e309", "-1e309", "NaN", "2e-320", str(2**31), str(2**63), str(2**64), "9" * 5_000, "1.5"]
TEXTS = ['""', '"\\u0000"', '"a\\u0000b"', '"\\ud800"', '"\\u202e\\u001b[2J"', '"' + "x" * 100_000 + '"', '"../../x"']
OTHERS = [
    "null",
    "true",
    "false",
    "[]",
    "{}",
    "[[]]",
    '{"": {}}',
    "[" * 5_000 + "]" * 5_000,
    '{"a":' * 150 + "1" + "}" * 150,
]
VALUES = [*NUMBERS, *TEXTS, *OTHERS]
TOKENS = [
    b"\0",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b'"',
    b"\n",
    b"\r",
    b"[",
    b"{",
    b",",
    b"\\",
    b"'''",
    b"# ",
]
TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\w.+-]+|[^\w\s]')
MARK = "\ue000fuzzed\ue000"


def damaged(content: bytes, seed: str) -> bytes:
    """The content with one to three kinds of damage."""
    chance = random.Random(seed)
    for _ in range(chance.choice([1, 1, 2, 3])):
        content = chance.choice([_flip, _cut, _insert, _token, _token, _token, _value, _value, _value, _value])(
            content, chance
        )
    return content


def damaged_numbers(content: bytes, seed: str, reach: int) -> bytes:
    """Binary content with numbers within its first `reach` bytes overwritten."""
    chance = random.Random(seed)
    changed = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 8])):
        place, size = chance.randrange(min(reach, len(content))), chance.choice([1, 4, 8])
        number = chance.choice([0, 1, 9, 255, 2**31, 2**32 - 1, 2**40, 2**63, 2**64 - 1, chance.getrandbits(64)])
        changed[place : place + size] = (number % 256**size).to_bytes(size, "little")
    return bytes(changed[: chance.choice([len(changed)] * 4 + [chance.randrange(len(changed))])])


def _flip(content, chance):
    changed = bytearray(content)
    for _ in range(chance.choice([1, 2, 10])):
        if changed:
            changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def _cut(content, chance):
    start, end = sorted(chance.randrange(len(content) + 1) for _ in range(2))
    return content[:start] + content[end:] if chance.random() < 0.5 else content[:end]


def _insert(content, chance):
    place = chance.randrange(len(content) + 1)
    return content[:place] + chance.choice(TOKENS) * chance.choice([1, 1, 3, 2_000]) + content[place:]


def _token(content, chance):
    """A token is left out, given twice, changed for another one of the file, or for a hostile value."""
    token = list(TOKEN.finditer(content))
    if not token:
        return content
    first, other = chance.choice(token), chance.choice(token)
    hostile = chance.choice(VALUES).encode()
    new = chance.choice([b"", first.group() * 2, other.group(), hostile, hostile])
    return content[: first.start()] + new + content[first.end() :]


def _value(content, chance):
    """A value of the JSON in the file, or of one of its lines, becomes another; elsewhere a token does."""
    text = content.decode(errors="replace")
    lines = text.split("\n")
    number = chance.randrange(len(lines))
    for part, whole in ((text, True), (lines[number], False)):
        try:
            data = json.loads(part)
        except (ValueError, RecursionError):
            continue
        lines[number] = new = _changed(data, chance)
        return (new if whole else "\n".join(lines)).encode(errors="replace")
    return _token(content, chance)


def _changed(data, chance):
    places = list(_places(data))
    if not places:
        return chance.choice(VALUES)
    holder, key = chance.choice(places)
    match chance.randrange(5):
        case 0 if isinstance(holder, dict):
            holder[chance.choice(["", "x" * 5_000, "\0", str(key).upper()])] = holder.pop(key)
        case 1:
            del holder[key]
        case 2:
            other, name = chance.choice(places)
            holder[key] = json.loads(json.dumps(other[name]))
        case _:
            holder[key] = MARK
    return json.dumps(data).replace(json.dumps(MARK), chance.choice(VALUES))


def _places(data):
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in inner:
        yield data, key
        yield from _places(value)
