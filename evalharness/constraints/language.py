"""The language of a text, by the rule of langdetect, which IFEval's reference uses, without its random draws.

langdetect multiplies the probabilities of letter n-grams that it draws at random until one language is all but
certain. Here all n-grams count once for each time they occur: the same profiles, the same answer on every text where
langdetect's does not depend on the draw, and one answer always (docs/decisions/0007).
"""

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from evalharness.errors import ScorerError

if TYPE_CHECKING:
    import numpy
    import numpy.typing

CODES = (
    "af ar bg bn ca cs cy da de el en es et fa fi fr gu he hi hr hu id it ja kn ko lt lv mk ml mr ne nl no pa pl pt"
    " ro ru sk sl so sq sv sw ta te th tl tr uk ur vi zh-cn zh-tw"
)
LANGUAGES = tuple(CODES.split())
"""The supported codes: ISO 639-1, and two for Chinese."""
READ = 10_000
"""Characters that are read of a text, as in langdetect."""
ADDRESS = re.compile(r"https?://[-_.?&~;+=/#0-9A-Za-z]{1,2076}|[-_.0-9A-Za-z]{1,64}@[-_0-9A-Za-z][-_.0-9A-Za-z]{0,320}")
LATIN = re.compile(r"[A-z]")
OTHER_SCRIPT = re.compile(r"[\u0300-\u1dff\u1f00-\U0010ffff]")
SMOOTHING = 0.5 / 10_000
"""What every n-gram adds to every language, so that no language is ruled out by one; langdetect's own."""


class Spelling(dict[int, str]):
    """langdetect's normal form of each character, for `str.translate`, filled as characters are met."""

    def __missing__(self, code: int) -> str:
        from langdetect.utils.ngram import NGram

        self[code] = NGram.normalize(chr(code))
        return self[code]


class Profiles:
    """langdetect's n-gram profiles as one table of logarithms, a row an n-gram, a column a language."""

    def __init__(self) -> None:
        try:
            from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory
        except ImportError:
            raise ScorerError("language detection needs langdetect", fix="pip install langdetect") from None
        import numpy

        factory = DetectorFactory()
        factory.load_profile(PROFILES_DIRECTORY)
        known = factory.word_lang_prob_map
        self.languages: list[str] = factory.get_lang_list()
        self.rows = {gram: row for row, gram in enumerate(known)}
        self.table = numpy.log(numpy.array(list(known.values())) + SMOOTHING)
        self.spelling = Spelling()
        # Words come again in other completions; a score is half a kilobyte.
        self.scores_of = lru_cache(maxsize=20_000)(self._scores)

    def detect(self, text: str) -> str | None:
        """The likeliest language of `text`; None where it holds no n-gram of any."""
        scores = [score for word in _clean(text).translate(self.spelling).split() for score in self.scores_of(word)]
        return self.languages[int(sum(scores[1:], scores[0]).argmax())] if scores else None

    def _scores(self, word: str) -> tuple["numpy.typing.NDArray[numpy.float64]", ...]:
        """The sum over the known n-grams of a word, for each language; zeros if none is known."""
        rows = [self.rows[gram] for gram in _grams(word) if gram in self.rows]
        return (self.table[rows].sum(axis=0),) if rows else ()


def _clean(text: str) -> str:
    """Without addresses, and without Latin letters where most are of another script."""
    from langdetect.utils.ngram import NGram

    text = NGram.normalize_vi(ADDRESS.sub(" ", text[:READ]))
    if 2 * len(LATIN.findall(text)) < len(OTHER_SCRIPT.findall(text)):
        return LATIN.sub("", text)
    return text


def _grams(word: str) -> list[str]:
    """The n-grams of one to three letters, a space at each end; none within a run of capital letters."""
    padded = f" {word} "
    grams: list[str] = []
    for end in range(2, len(padded) + 1):
        if padded[end - 1].isupper() and padded[end - 2].isupper():
            continue
        if end < len(padded):
            grams.append(padded[end - 1])
        grams.append(padded[end - 2 : end])
        if end > 2:
            grams.append(padded[end - 3 : end])
    return grams


@cache
def _profiles() -> Profiles:
    return Profiles()


def detect_language(text: str) -> str | None:
    """The code of the likeliest of `LANGUAGES`; None without letters of any language.

    Raises:
        ScorerError: langdetect is not installed.
    """
    return _profiles().detect(text)
