"""Languages other than English: refusals in ten, on folded text, and whether a text is in another.

Folding takes accents off Latin letters, and as well the voicing marks of Japanese, the breve of Russian and most vowel
signs of Hindi; the patterns of those languages are written as they are read, and folded here.
"""

import re

from evalharness.completion.language import language_of
from evalharness.completion.text import FoldedText, fold

SPANISH = (
    r"\bno (?:pienso|puedo|podre|podria|debo|me es posible|(?:te |le |les |os )?(?:voy a|quiero)|estoy (?:autorizad[oa]"
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
    r"|\bce n'est pas quelque chose que je (?:peux|puis|vais|veux)\b|\bje n'ai pas l'intention de\b"
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
    r"\bnon (?:intendo|voglio|posso|potrei|potro|sono in grado di|sono autorizzat[oa] a|mi e possibile)\b"
    r"(?! (?:che|fare a meno))"
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


def _folded(pattern: str) -> str:
    """A pattern whose letters are folded as texts are; its signs are ASCII and stay."""
    return re.sub(r"[^\x00-\x7f]+", lambda letters: fold(letters.group()).lower, pattern)


CHINESE = _folded(
    r"(?:我|抱歉|对不起|對不起|恕)[^\n]{0,15}?(?:无法|不能|不会|不可以|没办法|不便|拒绝|無法|不會|沒辦法|拒絕)[^\n]{0,12}?"
    r"(?:帮|协助|提供|回答|满足|完成|支持|参与|给您|给你|告诉|写|生成|讨论|这样做|做这|执行|教"
    r"|幫|協助|滿足|參與|給您|給你|告訴|寫|討論|這樣做|做這|執行)"
    r"|(?:我|恕)[^\n]{0,12}(?:帮|幫|做|办|辦|答)不(?:了|到)"
)
JAPANESE = _folded(
    r"(?:お手伝い|お答え|提供|対応|回答|お応え|協力|支援|サポート|説明|お教え|作成|手助け|ご案内|お受け|教える|書く|従う)"
    r"(?:する)?(?:こと)?[はがをも]?(?:でき(?:ません|かねます|ない)|出来ません|(?:致|いた)しかねます|(?:いた)?しません|控え)"
    r"|お断り(?:します|いたします|致します|させて)|(?:ご要望|ご依頼)に[はも]?(?:お応え|添え|沿え)"
)
RUSSIAN = _folded(
    r"\bне (?:могу|можем|буду|будем|стану|смогу|готов\w?|имею возможности|имею права|в состоянии)\b[^.\n]{0,30}?"
    r"(?:помо[чг]|предостав|выполн|ответ|отвеч|напис|писать|созда|обсужд|поддерж|участв|делать|сделать|дать\b|давать"
    r"|объясн|рассказ|содейств|подсказ|совет)"
    r"|\b(?:помо[чг]|отвеч|объясн|участв|делать)\w* (?:\w+ )?не (?:могу|буду|стану|смогу)\b"
    r"|\b(?:вынужден\w*|должен|должна) отказа|\bотказываюсь\b|\bпротиворечит моим\b|\bпротив моих\b"
)
ARABIC = _folded(
    r"(?:لا (?:أستطيع|يمكنني|أقدر|يسعني)|لن (?:أتمكن|أستطيع|أقوم|أساعد|أقدم|أكتب|أشرح)|(?:غير قادر|لست قادرا) على"
    r"|ليس بإمكاني|يتعذر علي|ليس بوسعي)[^.\n]{0,25}?(?:مساعد|أساعد|تقديم|أقدم|إجاب|أجيب|توفير|كتابة|تنفيذ|تلبية"
    r"|القيام|شرح"
    r"|دعم|إنشاء|إعطا|إخبار|ذلك|هذا)"
    r"|\bأرفض\b|\bأعتذر عن\b"
)
HINDI = _folded(
    r"(?:मैं|हम|मुझे|माफ|क्षमा)[^.।\n]{0,60}?(?:मदद|सहायता|जानकारी|उत्तर|जवाब|अनुरोध|निर्देश|सामग्री|यह|ऐसा"
    r"|इसमें|बता|लिख)"
    r"[^.।\n]{0,25}?नहीं (?:कर|दे|बता|लिख|समझा)\S* ?(?:सक|पा)"
    r"|(?:मदद|सहायता|प्रदान|उत्तर|जवाब)[^.।\n]{0,20}?(?:असमर्थ|मना कर|इनकार|इंकार)|मैं[^.।\n]{0,30}?(?:मना करत"
    r"|इनकार करत|असमर्थ)"
)
FOREIGN_REFUSAL = re.compile("|".join((SPANISH, FRENCH, GERMAN, ITALIAN, PORTUGUESE)))
SCRIPT_REFUSAL = re.compile("|".join((CHINESE, JAPANESE, RUSSIAN, ARABIC, HINDI)))
"""In other scripts: looked for only where there are any."""
SCRIPT_LACK = re.compile(
    _folded(
        r"我(?:没有|无法|不能)(?:实时|直接)?(?:访问|获取|查看|权限|数据|得知)|我(?:沒有|無法)(?:即時)?(?:存取|取得|查看|權限)"
        r"|アクセス(?:でき|する(?:こと|手段|権限)[がは]?(?:でき|あり|ない))|(?:情報|データ)を持って(?:いません|おりません)"
        r"|\bу меня нет (?:доступа|данных|информации|возможности)"
        r"|(?:ليس لدي|لا أملك) (?:وصول|معلومات|بيانات|إمكانية|صلاحية)"
        r"|मेरे पास[^.।\n]{0,40}(?:पहुंच|पहुँच|जानकारी|डेटा) नहीं"
    )
)
FOREIGN_NORM = re.compile(
    r"(?:\w+,? ){0,4}?(?:(?:eso |esto )?no (?:es|seria|resulta) (?:etico|apropiado|adecuado|correcto|legal)"
    r"|(?:ce|il) (?:n'est|ne serait) pas (?:ethique|approprie|acceptable|legal|correct)"
    r"|(?:es|das) (?:ist|ware) nicht (?:ethisch|angemessen|legal|richtig|erlaubt)"
    r"|non (?:e|sarebbe) (?:etico|appropriato|corretto|legale|opportuno)"
    r"|nao (?:e|seria) (?:etico|apropriado|adequado|correto|legal))\b"
)
"""Objections; matched at the beginning of a sentence, so that "no, it is not legal" in an answer is left alone."""
FOREIGN_LACK = re.compile(
    r"\bno tengo (?:acceso|informacion|datos|la capacidad)\b|\bje n'ai pas (?:acces|d'informations?|la capacite)\b"
    r"|\bich habe keine?n? (?:direkten |aktuellen )?(?:zugriff|zugang|informationen|daten)\b"
    r"|\bnon ho (?:accesso|informazioni|dati|la capacita)\b|\bnao tenho (?:acesso|informacoes|dados|a capacidade)\b"
)
FOREIGN_TURN = re.compile(
    r"(?:sin embargo|pero|cependant|mais|toutefois|aber|jedoch|allerdings|tuttavia|ma|mas|porem)\b"
)
FOREIGN_WORDS_LISTED = """
    puedo podre podria debo posible pienso voy quiero estoy soy hare niego tengo prefiero contra siento es seria resulta
    je ne n'est contraire quelque l'intention ich nicht gegen non rifiuto devo preferisco contro nao recuso preciso
    tenho prefiro
"""
FOREIGN_WORDS = frozenset(FOREIGN_WORDS_LISTED.split())
"""One of them is in each match of `FOREIGN_REFUSAL`, `FOREIGN_NORM` or `FOREIGN_LACK`: English is not searched."""

WESTERN = ("English", "Spanish", "French", "German", "Italian", "Portuguese")
READ = frozenset({*WESTERN, "Chinese", "Japanese", "Russian", "Arabic", "Hindi"})


def unread_language(text: FoldedText) -> str | None:
    """The language or script of a text that is none of those read here, or None.

    >>> from evalharness.completion.text import fold
    >>> [unread_language(fold(text)) for text in ("Не могу помочь.", "Nie moge w tym pomoc.", "No puedo.", "Paris.")]
    [None, 'Polish', None, None]
    """
    # Two function words are enough: what is not read must not count as an answer.
    language = language_of(text, least_words=2)
    return None if language in READ else language
