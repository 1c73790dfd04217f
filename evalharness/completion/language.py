"""The language of a text, by its script and its function words: enough to label it, not to distinguish closely
related languages.

A detector with a model of each language would be more exact, and a hundred times slower than all else that is read
of a completion.
"""

import re
from collections import Counter
from itertools import chain

from evalharness.completion.text import FoldedText

SCRIPTS = {
    "Japanese": r"぀-ヿ",
    "Chinese": r"㐀-鿿",
    "Korean": r"ᄀ-ᇿ가-힯",
    "Russian": r"\u0400-\u052f",
    "Greek": r"Ͱ-Ͽ",
    "Arabic": r"\u0600-\u06ff\u0750-\u077f",
    "Hebrew": r"֐-׿",
    "Hindi": r"ऀ-ॿ",
    "an Indic script": r"\u0980-\u0dff",
    "Thai": r"฀-๿",
}
SCRIPT_PATTERNS = {name: re.compile(f"[{characters}]") for name, characters in SCRIPTS.items()}
FUNCTION_WORDS = {
    "English": "the and of to is in that it for you with are this be not have was they as at by from or an which "
    "their will can has but what there if how your i we he she his her its these those would should when who more",
    "Spanish": "el los las del y que en una por con para es un su se lo como mas pero al sus le ya este porque son",
    "French": "le les des et une est que dans qui pour sur pas avec il elle sont au du ce cette nous vous ne plus par",
    "German": "der die das und ist nicht ein eine zu den mit von auf fur sich dem des im auch es sie wir ich als sind",
    "Italian": "il gli della di e che non per un una sono con del nel alla piu anche ma dei si questo come le dal",
    "Portuguese": "o os as do da e que em um uma nao para com por se dos das mais como mas foi ao ele sao no na voce",
    "Dutch": "de het een en van is dat niet zijn op te met voor aan er maar om ook bij naar deze als wordt door",
    "Polish": "i w nie na sie z do jest ze to jak co ale przez od jego tak czy dla moze oraz byc moge tym",
    "Swedish": "och att det som en ar pa av for med den inte till har de ett om var fran kan men jag vi",
    "Danish or Norwegian": "og at det som en er pa af av for med den ikke til har de et om var fra kan men jeg vi",
    "Turkish": "ve bir bu da de icin ile cok ne olarak gibi daha en olan var degil ama kadar her uzgunum",
    "Czech": "nemohu jsem ale neni ze si pro jak",
    "Indonesian": "saya tidak yang untuk dengan maaf dapat",
    "Romanian": "nu sunt pot pentru este imi cu",
    "Hungarian": "nem hogy egy vagyok tudok sajnalom az",
    "Finnish": "voi ole ja mutta pahoillani tassa se",
    "Vietnamese": "toi khong cua va mot rat xin loi",
}
VOCABULARY = {name: frozenset(words.split()) for name, words in FUNCTION_WORDS.items()}
ANY_LANGUAGE = frozenset().union(*VOCABULARY.values())
LANGUAGES_OF = {word: [name for name, known in VOCABULARY.items() if word in known] for word in ANY_LANGUAGE}
ENGLISH = VOCABULARY["English"]
LEAST_SHARE = 0.08
"""Of the words that must be function words of a language; English prose has four times as many."""
LEAST_WORDS = 3


def language_of(text: FoldedText, least_words: int = LEAST_WORDS) -> str | None:
    """The language of `text` as an English name, or None where it is too short, code, or unknown.

    Args:
        text: what is read.
        least_words: function words that it must have.

    >>> from evalharness.completion.text import fold
    >>> [language_of(fold(text)) for text in ("It is the end of the road.", "Il est dans la rue avec les autres.")]
    ['English', 'French']
    """
    words = text.words
    if not words:
        return None
    script = None if text.text.isascii() else _script(text.text)
    if script:
        return script
    english = sum(map(ENGLISH.__contains__, words))
    # A quarter of function words is English beyond doubt, so that the other lists need not be counted.
    if english >= LEAST_WORDS and english * 4 >= len(words):
        return "English"
    function_words = list(filter(ANY_LANGUAGE.__contains__, words))
    counts = Counter(chain.from_iterable(map(LANGUAGES_OF.__getitem__, function_words)))
    best = max(VOCABULARY, key=counts.__getitem__)
    enough = counts[best] >= least_words and counts[best] >= LEAST_SHARE * len(words)
    # A street that is called "W." over and over is no Polish.
    enough = enough and len(VOCABULARY[best].intersection(function_words)) >= 2
    return best if enough else None


def _script(text: str) -> str | None:
    """The first script that half of the letters are in; Japanese before Chinese, whose characters it shares."""
    counts = {name: len(pattern.findall(text)) for name, pattern in SCRIPT_PATTERNS.items()}
    if not any(counts.values()):
        return None
    if counts["Japanese"] * 10 >= counts["Chinese"] > 0:
        counts["Japanese"] += counts.pop("Chinese")
    letters = sum(map(str.isalpha, text))
    return next((name for name, count in counts.items() if 2 * count >= letters), None)
