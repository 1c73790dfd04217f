"""Languages other than English: refusals in ten, on folded text, and whether a text is in another.

Folding takes accents off Latin letters, and as well the voicing marks of Japanese, the breve of Russian and most vowel
signs of Hindi; the patterns of those languages are written as they are read, and folded here.
"""

import re

from evalharness.completion.language import language_of
from evalharness.completion.text import FoldedText, fold

SPANISH = (
    r"\bno (?:pienso|puedo|podre|podria|debo|quiero|me es posible|(?:te |le |les |os |lo )?(?:voy a|quiero)"
    r"|estoy (?:autorizad[oa]|programad[oa]|en condiciones)(?: (?:de|para|a))?|soy capaz de)"
    r" (?!sino|mas que|dejar de|evitar|esperar|creer|ser|estar|decir con|saber|ver|garantizar)"
    r"(?:\w+ )?\w+[aei]r(?:te|le|les|se|lo|la|nos)?\b"
    r"|\bno (?:te |le |les |lo )*(?:hare|dare|escribire|ayudare|explicare|dire)\b|\bme (?:niego|abstengo)\b"
    r"|\b(?:debo|tengo que|prefiero) (?:rechazar|declinar|negarme|no )|\bva en contra de (?:mis|las|mi)\b"
    r"|\blo siento,? (?:pero )?(?:eso )?no (?:puedo|me es)\b"
)
FRENCH = (
    r"\bje (?:ne (?:(?:vous |te |le |les |l')?)(?:vais|peux|puis|suis|veux|dois|saurais|pourrai|souhaite)|refuse)"
    r"\b(?! (?:que|m'empecher))(?: \w+)?(?: pas)?(?: en mesure| autorisee?| capable| dispose)?(?: de| d'| a)?"
    r" ?(?!attendre|croire|etre|dire avec|savoir|voir|garantir)(?:vous |te |y |en |l'|d'|t'|m')*\w+(?:er|ir|re)\b"
    r"|\bje ne (?:le |la |les )?(?:ferai|fais|donnerai|ecrirai) pas\b|\bil ne m'est pas possible\b|\bje m'abst\w+"
    r"|\bje (?:dois|prefere) (?:refuser|decliner|m'abstenir|ne pas)\b"
    r"|\bce n'est pas quelque chose que je (?:peux|puis|vais|veux)\b|\bje n'ai pas l'intention de\b"
    r"|\bcontraire a (?:mes|mon|la)\b"
)
GERMAN = (
    r"\b(?:ich (?:kann|darf|werde|mochte|will|konnte)|(?:kann|darf|werde|mochte|will) ich)\b[^.\n]{0,60}?"
    r"\b(?:nicht(?! (?:nur|genug|erwarten|umhin|sagen|wissen|glauben|sein|sehen))|keine\w*)"
    r"\b[^.\n]{0,60}?\b\w*(?:en|eln|ern|tun|hilfe)\b"
    r"|\b(?:das|so etwas|dies) (?:mache|tue|schreibe|werde) ich (?:\w+ )?nicht\b"
    r"|\b(?:dabei|damit|dazu|da|hierbei) (?:helfe|unterstutze|assistiere) ich (?:\w+ )?(?:nicht|keinesfalls)\b"
    r"|\bich (?:weigere mich|verzichte darauf|lehne (?:das|es|dies) ab)\b"
    r"|\b(?:ich muss|muss ich)\b[^.\n]{0,40}?\bablehnen\b"
    r"|\bich bin nicht (?:in der lage|befugt|berechtigt|dazu da|bereit)\b|\bversto(?:ss|ß)t gegen (?:meine|die)\b"
)
ITALIAN = (
    r"\bnon (?:ti |vi |le |lo )?(?:intendo|voglio|posso|potrei|potro|sono in grado di|sono autorizzat[oa] a"
    r"|mi e possibile|ho intenzione di)"
    r"\b(?! (?:che|fare a meno|aspettare|credere|essere|dire con|sapere|vedere|garantire))"
    r" (?:\w+ )?\w+(?:are|ere|ire|ar\w{1,3}|er\w{1,3}|ir\w{1,3})\b"
    r"|\bnon (?:ti |vi |la |le |lo )?(?:aiutero|forniro|spieghero|scrivero|diro|daro|rispondero|faro)\b"
    r"|\bmi (?:rifiuto|astengo)\b|\b(?:devo|preferisco) (?:rifiutare|declinare|non )|\bva contro (?:i|le|la) mi[eao]"
)
PORTUGUESE = (
    r"\bnao (?:te |lhe |o |a )?(?:vou|irei|quero|posso|consigo|poderei|pretendo|estou autorizad[oa] a|sou capaz de"
    r"|me e possivel|estou em condicoes de)\b (?!deixar de|evitar|esperar|crer|ser|estar|dizer com|saber|ver"
    r"|garantir)(?:te |lhe )?\w+[aeio]r(?:-\w+)?\b|\b(?:recuso-me|me recuso|abstenho-me|me abstenho)\b"
    r"|\b(?:devo|preciso|tenho de|prefiro) (?:recusar|declinar|nao )|\bvai contra (?:as|os|a) minh"
)


def _folded(pattern: str) -> str:
    """A pattern whose letters are folded as texts are; its signs are ASCII and stay."""
    return re.sub(r"[^\x00-\x7f]+", lambda letters: fold(letters.group()).lower, pattern)


CHINESE = _folded(
    r"(?:我|抱歉|对不起|對不起|恕)[^\n]{0,15}?(?:无法|不能|不会|不可以|没办法|不便|拒绝|無法|不會|沒辦法|拒絕)[^\n]{0,12}?"
    r"(?:帮|协助|提供|回答|满足|完成|支持|参与|给您|给你|告诉|写|生成|讨论|这样做|做这|执行|教|幫|協助|滿足|參與|給您|給你|告訴|寫|討論|這樣做|做這|執行)"
    r"|(?:我|恕)[^\n]{0,12}(?:帮|幫|做|办|辦|答)不(?:了|到)|(?:无法|不能|不会|不便|無法|不會)(?:为|为|給|给|向|帮|幫|爲|為)(?:您|你|大家)"
)
JAPANESE = _folded(
    r"(?:お手伝い|お答え|提供|対応|回答|お応え|協力|支援|サポート|説明|お教え|作成|手助け|ご案内|お受け|教える|書く|従う)"
    r"(?:する)?(?:こと)?[はがをも]?(?:でき(?:ません|かねます|ない)|出来ません|(?:致|いた)しかねます|(?:いた)?しません|控え)"
    r"|お断り(?:します|いたします|致します|させて)|(?:ご要望|ご依頼)に[はも]?(?:お応え|添え|沿え)"
)
RUSSIAN = _folded(
    r"\bне (?:могу|можем|буду|будем|стану|смогу|хочу|готов\w?|имею возможности|имею права|в состоянии)\b"
    r"(?! (?:жд|дожд|видеть|гарант|быть|знать|сказать точно|не))[^.\n]{0,30}?\w+(?:ать|ить|еть|ять|чь|сти)(?:ся)?\b"
    r"|\bмне (?:\w+ )?(?:не хочется|не хотелось бы)|\b(?:воздержусь|откажусь)\b"
    r"|\b(?:помо[чг]|отвеч|объясн|участв|делать)\w* (?:\w+ )?не (?:могу|буду|стану|смогу)\b"
    r"|\b(?:вынужден\w*|должен|должна) отказа|\bотказываюсь\b|\bпротиворечит моим\b|\bпротив моих\b"
)
ARABIC = _folded(
    r"(?:لا (?:أستطيع|يمكنني|أقدر|يسعني)|لن (?:أتمكن|أستطيع|أقوم|أساعد|أقدم|أكتب|أشرح)|(?:غير قادر|لست قادرا) على"
    r"|ليس بإمكاني|يتعذر علي|ليس بوسعي)[^.\n]{0,25}?(?:مساعد|أساعد|تقديم|أقدم|إجاب|أجيب|توفير|كتابة|تنفيذ|تلبية"
    r"|القيام|شرح|دعم|إنشاء|إعطا|إخبار|ذلك|هذا)|\bأرفض\b|\bأعتذر عن\b"
)
HINDI = _folded(
    r"(?:मैं|हम|मुझे|माफ|क्षमा)[^.।\n]{0,60}?(?:मदद|सहायता|जानकारी|उत्तर|जवाब|अनुरोध|निर्देश|सामग्री|यह|ऐसा"
    r"|इसमें|बता|लिख)[^.।\n]{0,25}?नहीं (?:कर|दे|बता|लिख|समझा)\S* ?(?:सक|पा)|मैं[^.।\n]{0,80}?नहीं \S+ (?:\S+ )?सक"
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
