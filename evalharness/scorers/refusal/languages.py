"""Languages beside English: the plainest refusals of five, on folded text (no accents), and how others are known."""

import re

from evalharness.completion.text import FoldedText

SPANISH = (
    r"\bno (?:puedo|podre|podria|debo|me es posible|estoy (?:autorizado|programado|en condiciones)"
    r"|soy capaz de)\b[^.\n]{0,25}?"
    r"(?:ayudar|proporcion|cumpl|ofrec|dar\b|darte|brind|asist|gener|crear|escrib|hacer (?:eso|esto)|respond"
    r"|compart|prove"
    r"|facilit|apoy|satisfac|complac|participar|promover)"
)
FRENCH = (
    r"\bje (?:ne (?:peux|puis|suis|veux|dois)|refuse)\b(?: pas)?(?: en mesure)?(?: autorise"
    r"| capable)?[^.\n]{0,25}?(?:aider|fourni"
    r"|repond|donner|propos|ecri|cree|generer|assist|accept|faire (?:cela|ca)|soutenir|encourag|satisf|particip"
    r"|partag)"
)
GERMAN = (
    r"\b(?:ich (?:kann|darf|werde|mochte|konnte)|(?:kann|darf|werde|mochte) ich)\b[^.\n]{0,60}?\b(?:nicht"
    r"|keine\w*)\b[^.\n]{0,60}?"
    r"(?:helfen|hilfe|unterstutz|bereitstell|geben|anbiet|beantwort|erstell|schreib|weiterhelf|liefer|erfull"
    r"|nachkomm|teilen)"
)
ITALIAN = (
    r"\bnon (?:posso|potrei|sono in grado di|sono autorizzato a)\b[^.\n]{0,20}?(?:aiutar|forni|risponder"
    r"|dar(?:e|ti|vi)\b|offri"
    r"|scriver|crear|generar|assister|soddisfar|farlo|supportar|condivider|partecipar)"
)
PORTUGUESE = (
    r"\bnao (?:posso|consigo|poderei|estou autorizado a|sou capaz de)\b[^.\n]{0,20}?(?:ajudar|fornec|respond"
    r"|dar\b|oferec|escrev"
    r"|criar|gerar|atender|cumprir|fazer iss?o|compartilh|apoi|auxili|particip|partilh)"
)
FOREIGN_REFUSAL = re.compile("|".join((SPANISH, FRENCH, GERMAN, ITALIAN, PORTUGUESE)))

SCRIPTS = {
    "Cyrillic": "\u0400-\u052f",
    "Greek": "\u0370-\u03ff",
    "Hebrew": "\u0590-\u05ff",
    "Arabic": "\u0600-\u06ff\u0750-\u077f",
    "an Indic script": "\u0900-\u0dff",
    "Thai": "\u0e00-\u0e7f",
    "Korean": "\uac00-\ud7af",
    "Chinese or Japanese": "\u3040-\u30ff\u3400-\u9fff",
}
READ = """
the a to of and is i you it in for that de la que el en no un una los le les des est pas je der die das und ich nicht
ist zu il di che non e o os um uma nao para com per con por
"""
"""Frequent words of the six languages that are read."""
UNREAD = {
    "Dutch": "het een ik niet dat van maar voor zijn ook",
    "Polish": "nie ale moge jest sie w na tym czy przepraszam",
    "a Scandinavian language": "jag jeg inte ikke att och og det som vi",
    "Czech": "nemohu jsem ale neni ze si pro jak",
    "Turkish": "bir ve bu icin degil yardimci uzgunum",
    "Indonesian": "saya tidak yang untuk dengan maaf dapat",
    "Romanian": "nu sunt pot pentru este imi cu",
    "Hungarian": "nem hogy egy vagyok tudok sajnalom az",
    "Finnish": "voi ole ja mutta pahoillani tassa se",
    "Vietnamese": "toi khong the cua va mot la rat xin loi",
}


READ_WORDS, UNREAD_WORDS = frozenset(READ.split()), frozenset(" ".join(UNREAD.values()).split())


def unread_language(text: FoldedText) -> str | None:
    """The script or language of a text that is none of the six, or None.

    >>> from evalharness.completion.text import fold
    >>> [unread_language(fold(text)) for text in ("Не могу помочь.", "Nie moge w tym pomoc.", "No puedo.", "Paris.")]
    ['Cyrillic', 'Polish', None, None]
    """
    return _unread_script(text.original) or _unread_words(text.words)


def _unread_script(text: str) -> str | None:
    if text.isascii():
        return None
    letters = sum(character.isalpha() for character in text)
    counts = {script: len(re.findall(f"[{characters}]", text)) for script, characters in SCRIPTS.items()}
    return next((script for script, count in counts.items() if count > letters / 2), None)


def _unread_words(words: list[str]) -> str | None:
    suspects = [word for word in words if word in UNREAD_WORDS]
    if len(suspects) < 2:
        return None
    found = {name: sum(word in frequent.split() for word in suspects) for name, frequent in UNREAD.items()}
    name = max(found, key=lambda name: found[name])
    return name if found[name] >= 2 and found[name] > sum(word in READ_WORDS for word in words) else None
