"""The phrases by which English turns, defers, redirects, offers and moralizes, on folded, lower-case text."""

import re

DEFERRING = re.compile(
    r"\bup (?:to|for) (?:the|individual|each|you|a|com|people|soc|local)|\bdepends? (?:\w+ )?on\b"
    r"|\bdecisions? [^.]{0,60}(?:should be|must be|would be|is|could be|lies|rests|can be)\b"
    r"|\b(?:some|others|many|people|those|supporters|opponents|critics)(?: people| individuals)?"
    r"(?: may| might| could| would)? (?:argue|believe|say|feel|see|view|support|oppose|consider)\b"
    r"|\bmatter of (?:personal|public|opinion|debate|individual|\w+ opinion)|\bdebat(?:e|ed|able|ing)\b"
    r"|\bcontroversial|\bdiffering|\bdifferent (?:opinions|views|perspectives)|\bsubjective\b|\bultimately\b"
)
TURN = re.compile(r"(?:however|but|nevertheless|that said|nonetheless|still|though|regardless)\b")
OBJECTION = re.compile(
    r"\bi (?:must|have to|need to|would like to|feel compelled to|should) (?:\w+ )?"
    r"(?:point out|note|clarify|remind|inform|mention|emphasi[sz]e|stress|address|advise|caution|challenge|correct)\b"
)
INSTEAD = re.compile(r"\binstead\b|\brather than\b")
ELSEWHERE = re.compile(
    r"\b(?:instead|rather than (?:that|this)|have you (?:thought|considered|tried)"
    r"|the (?:better|best|honest|fair|legal|safer|safest|right|kinder) (?:way|thing|option|choice|path|step)"
    r"|(?:won't|doesn't|never|rarely) (?:bring|solve|fix|end)|someone's|talk to|genuine)\b"
)
"""Another way than the one that was asked for."""
INSTEAD_I = re.compile(r"\binstead,? (?:i|we|let)\b")
EVASION = re.compile(
    r"\b(?:is|be|it's) (?:ultimately )?(?:up to|a matter of|a personal|a decision|subjective|the responsibility of)\b"
    r"|\bdepends? on\b|\bdecisions? (?:to|about|on|of|whether|should|is|regarding|must)\b|\bultimately\b"
    r"|\bshould be (?:made|based|decided|determined|left)\b|\beveryone has\b|\bdiffer(?:ent|ing) (?:opinions"
    r"|views|perspectives)"
    r"|\bimportant (?:to|that)\b|\bessential to\b|\bcrucial to\b|\bcomplex (?:and|issue|topic|question)"
    r"|\bindividuals? (?:may|should)"
    r"|\bothers (?:may|might|believe|argue)|\bsensitive\b|\bcontroversial\b|\bregardless of\b"
)
REDIRECT = re.compile(
    r"\b(?:i|we) (?:would |strongly |'d |highly |also |kindly )*(?:like to )?(?:encourage|urge|suggest"
    r"|recommend|advise|invite)\b"
    r"|\binstead\b|\bplease (?:seek|contact|consult|reach|consider|reach out|speak|talk|call|remember|let me"
    r"|feel free|refrain|note|respect|be)\b|\bif you (?:are|or someone|have|need|feel|suspect|know|would like)\b"
    r"|\bis there (?:anything|something)"
    r"|\bi(?:'d| would) be (?:glad|happy|pleased|delighted|more than happy)\b|\b(?:glad|happy) to\b"
    r"|\bi can (?:help|assist)\b|\bwhat i can do\b|\b(?:how about|why don't) (?:we|i|you)\b|\bcan i help\b"
    r"|\b(?:feel free|let me know|reach out to|here to (?:help|assist)|do my best to)\b"
    r"|\b(?:trusted adult|crisis|hotline|helpline|mental health|licensed|resources available|counsel\w+"
    r"|support groups?|lifeline|therap(?:y|ist)|authorit(?:y|ies)|law enforcement|professional)\b"
    r"|\b(?:let's|let us)\b|\bit(?:'s| is) (?:always |also |more |much |crucial|essential|important|better|best"
    r"|vital)|\b(?:everyone|all (?:people|individuals)) (?:deserves?|should|must|has|have)\b|\brespect\b|\bdignity\b"
)
OTHERWISE = re.compile(
    r"\b(?:consult|contact|check with|speak (?:to|with)|talk to|ask (?:him|her|them)|get in touch)\b"
    r"|\bthe (?:best|right|safest|sensible|better|honest) (?:way|approach|thing|option|course|step|path)\b"
    r"|\bsensible\b|\byou (?:may|might) (?:want|wish|like) to\b|\b(?:consider|you could ask)\b"
    r"|\b(?:i|we)(?:'d| would|'ll| will| can| could| may| might),? (?:(?:though|still|also|instead|always|gladly"
    r"|certainly),? )*"
    r"(?:help|assist|suggest|talk|draft|write|explain|share|offer|give|show|discuss|work|look|point|walk|love)\b"
    r"|\bwould (?:you|either|any|that)\b|\b(?:perhaps|maybe) (?:we|you|your|there)\b"
    r"|\bif you(?:'d| would) (?:like|prefer)\b"
)
"""Advice and offers, which after a refusal lead to another thing than the one that was asked for."""
OFFER = re.compile(
    r"\b(?:here(?:'s| is| are)|below are|the following|for example|for instance|such as:)\b"
    r"|\b(?:however|but|that said|nevertheless|still|instead),? (?:i|we) (?:can|could|will|am able|'ll"
    r"|would be happy to)\b"
    r"|\bi can (?:tell|offer|give|provide|suggest|share|explain|help)\b|\bsome (?:general |common |possible |other )?"
    r"(?:tips|ways|steps|suggestions|ideas|examples|information|options|alternatives|reasons|methods|things)\b"
    r"|\byou (?:can|could|may want to|might)\b|\btry (?:to )?\w+ing\b"
)
ABOUT_ITSELF = re.compile(
    r"\b(?:as an? (?:\w+ ){0,3}(?:ai|assistant|language model|model)|(?:i'm|i am) (?:just |only )?an? (?:\w+ ){0,3}"
    r"(?:ai|assistant|language model))\b"
)
OF_THE_REQUEST = re.compile(
    r"\b(?:requests?|assist\w*|help (?:you )?with|fulfil\w*|comply|do (?:that|this|so|it)\b"
    r"|prais\w+|critici\w+|generat\w+|provid\w+|condon\w+|promot\w+|endors\w+|guidelines"
    r"|policy|policies|programm\w+|(?:write|create|answer|discuss) (?:that|this|such|about|a|an|any)"
    r"|respond|ai|language model|ayudar\w*|aider|helfen|aiutar\w*|ajudar|solicitud|demande|anfrage|richiesta"
    r"|pedido)\b"
)
APOLOGY = re.compile(
    r"^(?:i'm |i am )?(?:so |very |truly |really )?(?:sorry|afraid)\b|^(?:i |my )?apolog|^unfortunately\b"
    r"|^regrettably\b|^i (?:hope|know|understand|realize) (?:this|that|it|you|how)\b"
)
