"""Detects text that writes the other side's turn: tokens of chat templates, and the role markers of many formats.

The tokens are those of ChatML, Llama 2 to 4, Gemma, Mistral, Phi, Zephyr, OpenAssistant, DeepSeek, Command R, Harmony,
Granite and EXAONE; the markers those of Alpaca, Vicuna, OpenChat, RedPajama and plain dialogues in ten languages.
Text in code or backticks is quoted, not said.
"""

import re

from evalharness.completion.request import ASKS_FOR_TURNS, Request, Sign
from evalharness.completion.text import FoldedText, Piece, fold

DOCUMENT_TOKENS = r"<\|(?:begin_?of_?text|end_?of_?text|(?:begin|end)▁of▁sentence|eos|bos|pad|endofdocument)\|>"
DOCUMENT_TOKEN = re.compile(rf"(?:{DOCUMENT_TOKENS}|<eos>|</s>)(?=\s*[^\s<])")
TURN_TOKEN = re.compile(
    rf"(?!{DOCUMENT_TOKENS})<\|(?!\w*end\w*\||eot|eom|eot_id)/?[a-z_0-9▁]{{1,40}}\|>"
    r"|<(?:start_of_turn|im_start|start_header_id)>|<(?:human|bot|user|assistant)>\s?:|\[/?inst\]|<</?sys>>"
    r"|\[\|(?!end)[a-z_]{1,20}\|\]"
    rf"|(?!{DOCUMENT_TOKENS})(?:<\|\w*(?:end|eot|eom)\w*\|>|<(?:end_of_turn|im_end|eot_id)>|\[\|end\w*\|\])(?=\s*[^\s<\[])"
)
TURN_SIGNS = (
    "<|", "[|", "inst]", "sys>>", "<start_of_turn>", "<im_start>", "<start_header_id>", "<human>", "<bot>", "<user>",
    "<assistant>", "<end_of_turn>", "<im_end>", "<eot_id>",
)  # fmt: skip
"""Without any of these there is no `TURN_TOKEN`, which is slow to look for."""
ALPACA = re.compile(r"#{2,4}\s?(?:instructions?|response|input|human|assistant|user|system|gpt)\s?:")
RESPONSE = re.compile(r"#{2,4}\s?(?:response|assistant|gpt)\s?:")
INLINE = re.compile(r"(?<=[.!?>\s])(?:USER|HUMAN|GPT4 Correct User): (?=\S)")


def _names(words: str) -> str:
    return "|".join(re.escape(fold(word.replace("_", " ")).lower) for word in words.split())


OTHER_SIDE = _names(
    "user human benutzer nutzer utilisateur usuario utente usuário gebruiker użytkownik пользователь 用户 用戶 ユーザー"
)
OWN_SIDE = _names(
    "assistant ai bot chatbot model gpt chatgpt assistent asistente assistente asystent ассистент 助手 アシスタント"
)
PLAIN_SIDE = _names("me you customer client student pupil teacher tutor agent clerk interviewer friend doctor patient")
MARKER = re.compile(
    rf"[>*#\[<\s]*(?:(?P<other>{OTHER_SIDE})|(?P<own>{OWN_SIDE})|(?P<plain>{PLAIN_SIDE}))"
    r"[*\]>]*\s?(?:\d{1,3}|\([^)\n]{1,20}\))?[*\]>]*\s?:[*\]]*(?=\s|$|[^\x00-\x7f])"
)
LABEL = re.compile(r"[>*#\[\s-]*[^\W\d_][^:.!?\n]{0,30}:(?=[*\s]|$)")


def find_self_dialogue(text: FoldedText, request: Request) -> Sign | None:
    """Where the text first writes the other side's turn, or a token of a chat template."""
    if "<" not in text.text and "[" not in text.text and ":" not in text.text:
        return None
    spoken = text.spoken
    return _token(spoken, request) or _alpaca(text, spoken, request) or _markers(text, spoken, request)


def _token(spoken: str, request: Request) -> Sign | None:
    if ("<" not in spoken and "[" not in spoken) or not any(sign in spoken for sign in TURN_SIGNS):
        return None
    for token in TURN_TOKEN.finditer(spoken):
        if token.group() not in request.folded.lower:
            return Sign(token.start(), len(spoken), f"writes the template token {token.group()}")
    return None


def _alpaca(text: FoldedText, spoken: str, request: Request) -> Sign | None:
    if "##" not in spoken or request.asks(ALPACA):
        return None
    for heading in ALPACA.finditer(spoken):
        # The own heading that opens a completion announces the answer, and no second turn.
        if spoken[: heading.start()].strip() or not RESPONSE.match(heading.group()):
            return Sign(heading.start(), len(text.text), f"writes the heading {heading.group()!r} of a template")
    return None


def _markers(text: FoldedText, spoken: str, request: Request) -> Sign | None:
    if ":" not in spoken:
        return None
    inline = INLINE.search(text.text) if "USER:" in text.text or "HUMAN:" in text.text or "User:" in text.text else None
    if not inline and not any(":" in line and MARKER.match(line) for line in text.line_texts):
        return None
    lines = [line for line in text.lines if ":" in line.text and spoken[line.start : line.end].strip()]
    turns = [(line, marker) for line in lines if (marker := MARKER.match(line.text))]
    if (not turns and not inline) or request.asks(ASKS_FOR_TURNS) or _quotes_turns(request):
        return None
    sign = _turn(text, lines, turns)
    if inline and spoken[inline.start()] != " " and (sign is None or inline.start() < sign.start):
        return Sign(inline.start(), len(text.text), f"writes the turn of {inline.group().strip(' :')!r}")
    return sign


def _turn(text: FoldedText, lines: list[Piece], turns: list[tuple[Piece, re.Match[str]]]) -> Sign | None:
    """The first turn of the other side; a glossary, where all lines have labels, has none."""
    sides = {marker.group("other") or marker.group("own") or marker.group("plain") for _, marker in turns}
    asked = any(line.text.endswith(("?", "!")) for line, _ in turns)
    for line, marker in turns:
        if marker.group("own"):
            continue
        alone = not text.lower[: line.start].strip()
        enough = len(sides) >= 2 if (marker.group("plain") or alone) else True
        if enough and (marker.group("other") or asked) and _mostly_turns(line, lines, turns):
            name = (marker.group("other") or marker.group("plain")).strip()
            return Sign(line.start, len(text.text), f"writes the turn of {name!r}")
    return None


def _mostly_turns(first: Piece, lines: list[Piece], turns: list[tuple[Piece, re.Match[str]]]) -> bool:
    labels = sum(LABEL.match(line.text) is not None for line in lines if line.start >= first.start)
    return 2 * sum(line.start >= first.start for line, _ in turns) >= labels


def _quotes_turns(request: Request) -> bool:
    """Whether the prompt holds turns itself and does not end where the own side is to go on."""
    turns = [line for line in request.folded.lines if MARKER.match(line.text)]
    if not turns:
        return False
    last = request.folded.lines[-1]
    marker = MARKER.match(last.text)
    return not (marker and marker.group("own") and marker.end() == len(last.text))


def find_next_document(text: FoldedText) -> Sign | None:
    """The first end token after which another document begins; `<s>` and `</s>` in pairs are markup."""
    spoken = text.spoken
    for token in DOCUMENT_TOKEN.finditer(spoken) if "<" in spoken else ():
        if token.group() != "</s>" or "<s>" not in spoken[: token.start()]:
            return Sign(token.end(), len(spoken), f"goes on after {token.group()}")
    return None
