"""Languages other than English: refusals in five, on folded text (no accents), and whether a text is in another."""

import re

from evalharness.completion.language import language_of
from evalharness.completion.text import FoldedText

SPANISH = (
    r"\bno (?:puedo|podre|podria|debo|me es posible|(?:te |le |les |os )?(?:voy a|quiero)|estoy (?:autorizad[oa]"
    r"|programad[oa]|en condiciones (?:de|para))"
    r"|soy capaz de)\b(?! (?:sino|mas que|dejar de|evitar))[^.\n]{0,25}?(?:ayudar|proporcion|cumpl|ofrec|dar\b|darte"
    r"|brind|asist|gener|crear|escrib|hacer(?:lo)?\b|respond|compart|prove|facilit|apoy|satisfac|complac|participar"
    r"|promover|redactar|explicar|ensenar|decir|contribu|colabor)"
    r"|\bno (?:lo )?hare (?:eso|esto)?\b|\bme niego a\b|\b(?:debo|tengo que|prefiero) (?:rechazar|declinar|negarme|no )"
    r"|\bva en contra de (?:mis|las|mi)\b|\blo siento,? (?:pero )?(?:eso )?no (?:puedo|me es)\b"
)
FRENCH = (
    r"\bje (?:ne (?:vais|peux|puis|suis|veux|dois|saurais|pourrai)|refuse)\b(?! (?:que"
    r"|m'empecher))(?: pas)?(?: en mesure)?"
    r"(?: autorisee?| capable)?[^.\n]{0,25}?(?:aider|fourni|repond|donner|propos|ecri|cree|generer|assist|accept"
    r"|faire (?:cela|ca)|soutenir|encourag|satisf|particip|partag|redig|expliqu|dire\b|contribu)"
    r"|\bje ne (?:le )?(?:ferai|fais) pas\b|\bil ne m'est pas possible\b"
    r"|\bje (?:dois|prefere) (?:refuser|decliner|ne pas)\b"
    r"|\bcontraire a (?:mes|mon|la)\b"
)
GERMAN = (
    r"\b(?:ich (?:kann|darf|werde|mochte|konnte)|(?:kann|darf|werde|mochte) ich)\b[^.\n]{0,60}?"
    r"\b(?:nicht(?! (?:nur|genug|erwarten|umhin))|keine\w*)\b[^.\n]{0,60}?(?:helfen|hilfe|unterstutz|bereitstell|geben"
    r"|anbiet|beantwort|erstell|schreib|weiterhelf|liefer|erfull|nachkomm|teilen|tun\b|machen\b|erklar|verfass"
    r"|dienen)"
    r"|\b(?:das|so etwas|dies) (?:mache|tue|schreibe|werde) ich (?:\w+ )?nicht\b"
    r"|\b(?:dabei|damit|dazu|da|hierbei) (?:helfe|unterstutze|assistiere) ich (?:\w+ )?(?:nicht|keinesfalls)\b"
    r"|\bich weigere mich\b|\b(?:ich muss|muss ich)\b[^.\n]{0,40}?\bablehnen\b"
    r"|\bich bin nicht (?:in der lage|befugt|berechtigt|dazu da)\b|\bversto(?:ss|ß)t gegen (?:meine|die)\b"
)
ITALIAN = (
    r"\bnon (?:posso|potrei|potro|sono in grado di|sono autorizzat[oa] a|mi e possibile)\b(?! (?:che|fare a meno))"
    r"[^.\n]{0,20}?(?:aiutar|forni|risponder|dar(?:e|ti|vi)\b|offri|scriver|crear|generar|assister|soddisfar|farlo"
    r"|fare (?:questo|cio)|supportar|condivider|partecipar|spiegar|dir(?:e|ti|vi)\b)"
    r"|\bnon (?:ti |vi |la |le )?(?:aiutero|forniro|spieghero|scrivero|diro|daro|rispondero)\b|\bmi rifiuto\b"
    r"|\b(?:devo|preferisco) (?:rifiutare|declinare|non )|\bva contro (?:i|le|la) mi[eao]"
)
PORTUGUESE = (
    r"\bnao (?:vou|irei|quero|posso|consigo|poderei|estou autorizad[oa] a|sou capaz de|me e possivel"
    r"|estou em condicoes de)\b"
    r"(?! (?:deixar de|evitar))[^.\n]{0,20}?(?:ajudar|fornec|respond|dar\b|oferec|escrev|criar|gerar|atender|cumprir"
    r"|faz[eê](?:r|-lo)|compartilh|apoi|auxili|particip|partilh|explicar|dizer|ensinar|contribu)"
    r"|\b(?:recuso-me|me recuso)\b|\b(?:devo|preciso|tenho de|prefiro) (?:recusar|declinar|nao )"
    r"|\bvai contra (?:as|os|a) minh"
)
FOREIGN_REFUSAL = re.compile("|".join((SPANISH, FRENCH, GERMAN, ITALIAN, PORTUGUESE)))
FOREIGN_NORM = re.compile(
    r"^(?:\w+,? ){0,4}?(?:eso |esto )?no (?:es|seria|resulta) (?:etico|apropiado|adecuado|correcto|legal)\b"
    r"|^(?:\w+,? ){0,4}?(?:ce|il) (?:n'est|ne serait) pas (?:ethique|approprie|acceptable|legal|correct)\b"
    r"|^(?:\w+,? ){0,4}?(?:es|das) (?:ist|ware) nicht (?:ethisch|angemessen|legal|richtig|erlaubt)\b"
    r"|^(?:\w+,? ){0,4}?non (?:e|sarebbe) (?:etico|appropriato|corretto|legale|opportuno)\b"
    r"|^(?:\w+,? ){0,4}?nao (?:e|seria) (?:etico|apropriado|adequado|correto|legal)\b"
)
"""Objections; at the beginning of a sentence, so that "no, it is not legal" in an answer is left alone."""
FOREIGN_LACK = re.compile(
    r"\bno tengo (?:acceso|informacion|datos|la capacidad)\b|\bje n'ai pas (?:acces|d'informations?|la capacite)\b"
    r"|\bich habe keine?n? (?:direkten |aktuellen )?(?:zugriff|zugang|informationen|daten)\b"
    r"|\bnon ho (?:accesso|informazioni|dati|la capacita)\b|\bnao tenho (?:acesso|informacoes|dados|a capacidade)\b"
)
FOREIGN_TURN = re.compile(
    r"(?:sin embargo|pero|cependant|mais|toutefois|aber|jedoch|allerdings|tuttavia|ma|mas|porem)\b"
)

READ = frozenset({"English", "Spanish", "French", "German", "Italian", "Portuguese"})


def unread_language(text: FoldedText) -> str | None:
    """The language or script of a text that is none of the six, or None.

    >>> from evalharness.completion.text import fold
    >>> [unread_language(fold(text)) for text in ("Не могу помочь.", "Nie moge w tym pomoc.", "No puedo.", "Paris.")]
    ['Russian', 'Polish', None, None]
    """
    # Two function words are enough: what is not read must not count as an answer.
    language = language_of(text, least_words=2)
    return None if language in READ else language
