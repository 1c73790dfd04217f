"""The plainest forms of a refusal in Spanish, French, German, Italian and Portuguese, on folded text (no accents)."""

import re

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
