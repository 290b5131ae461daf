r"""The quantity in a statement: what of "approximately $x = 7$ km, because ..." is the answer.

A statement is read up to the end of its sentence. What it says is negated ("not 0"), a bound ("at least 3", "greater than 0") or a
comparison ("5 more than") is no answer. Words may stand before the quantity if they end in a verb, as in "she has 5 apples", or in
"approximately"; of several sentences, numbers or solutions the first clause counts, with all that "and", "or" and commas join in it.
"""

import re
from itertools import islice

from hista_repro.problems.grading.finding import CORRECTION, Candidate, Place
from hista_repro.problems.grading.markup import respelled, undelimited
from hista_repro.problems.grading.numbers import read_number

_SENTENCE_ENDS = re.compile(r"(?<!approx)(?<!\bca)(?<!\bno)(?<!\bsq)(?<!\bcu)(?<!\\)[.!?;](?=\s|$|\*)")
_CLAUSE_ENDS = re.compile(
    r",?\s+(?:because|since|as|which|where|when|while|so|if|for|after|before|but|not|i\.e\.|that is|given|by|"
    r"from|with|using|rounded|correct to|to the)\b"
    r"|,\s+(?=[a-z]{2,}\b(?!\s*=))(?!and\b|or\b)|\s[–—-]+\s(?=[A-Za-z]{2,})|\s+\((?=[A-Za-z]{2,}[ ,.)])|\s*\n"
)
_MATH = re.compile(r"\$\$(.+?)\$\$|\\\[(.+?)\\\]|\\\((.+?)\\\)|\$(?!\s)((?:\\.|[^$\\])+?)(?<!\s)\$(?!\d)", re.DOTALL)
_BETWEEN = re.compile(r"\s*(?:,\s*)?(?:and|or|,|&)?\s*(?:also\s+)?")
_VERB = re.compile(
    r"\b(?:is|are|was|were|be|been|has|have|had|equals?|equal to|costs?|gets?|earns?|makes?|needs?|takes?|spends?|pays?|gives?|"
    r"yields?|becomes?|"
    r"total of|value of|results? in|left with)\s*:?\s+|[:=]\s+(?=\D*\d)"
)
_FILLER = re.compile(
    r"(?:(?:that|just|simply|clearly|therefore|thus|then|hence|indeed|now|about|around|approximately|approx\.?|roughly|circa|exactly|only|also|"
    r"equal to|equals?|given by|the (?:number|value|integer|fraction|set|interval|point|pair|ordered pair)|there are)[,:]?\s+|[≈~=]\s*)*",
    re.IGNORECASE,
)
_NO_VALUE = re.compile(
    r"\b(?:not|never|neither|nor|no|cannot|can't|isn't|aren't|greater|less|more|fewer|larger|smaller|bigger|higher|lower|least|"
    r"most|above|below|over|under|between|exceeds?|exceeding|beyond|within|up to|half|twice|double|triple|times|anything|"
    r"different|far|close|opposite|unlike|other|except|"
    r"minimum|maximum of|question|step|part|problem|equation|case|figure|unclear|unknown)\b",
    re.IGNORECASE,
)
_COMPARED = r"(?:more|greater|less|fewer|higher|lower|above|below|larger|smaller|bigger)"
_BOUND = re.compile(
    rf"\s*(?:\+(?!\s*[\w\\])|(?:\w+\s+)?(?:or|and) (?:{_COMPARED}|so)\b|(?:\w+\s+)?{_COMPARED} than\b|times\b)", re.IGNORECASE
)
_BARE_LINE = re.compile(
    r"(?:[A-Za-z]\s*=\s*)?[-+−]?\s*[$€£]?\s*(?:\d[\d,.]*(?:\s*/\s*\d+|[eE][-+]?\d+)?|\\frac\{-?\d+\}\{\d+\})\s*%?(?:\s+[A-Za-z]+){0,2}\.?"
)
_VERBS = 8
"""Verbs behind which a quantity is looked for."""
_CURRENCY = re.compile(r"\A(?:\\?\$|€|£)\s*")
_SYMBOL = re.compile(r"(?i:infinity)|(?!(?i:no|in|at|on|is|it|to|of|as|by|we|so|if|an|or|up|my|me|he|a|i)$)(?:[A-Za-z]{1,2}|[A-Z]{3,5})")
_COMMAND = re.compile(r"\\(?:begin|end)\{\w+\*?\}|\\(?:text|mathrm|mbox|textbf)\s*\{[^{}]*\}|\\[A-Za-z]+")
_ALIGNED = re.compile(r"(?:\$\$|\\\[)?\s*\\begin\{(?:align|aligned|gather|equation)\*?\}(.+)\\end\{\w+\*?\}\s*(?:\$\$|\\\])?", re.DOTALL)
_SO = re.compile(r"(?:(?:so|thus|hence|therefore|then|and|finally|∴|\\therefore|=>|⇒)[,:]?\s+)?", re.IGNORECASE)
_SOLID = re.compile(r"[\d\\πθ∞√^_=+*/()\[\]{}|<>≤≥-]")
_ENGLISH = re.compile(
    r"(?<![\\A-Za-z])(?!(?:infinity|sqrt|sin|cos|tan|log|exp|pi|ln|inf|max|min|and|or|frac|cdot|infty|base|mod)\b)(?=[A-Za-z]{3})[A-Z]?[a-z]{2,}"
)


def read_quantity(candidate: Candidate) -> str | None:
    """The quantity that a candidate gives, as LaTeX, number or plain text; None where it gives none."""
    content = respelled(candidate.content).strip()
    match candidate.place:
        case Place.BOX:
            return content or None
        case Place.LAST_LINE:
            return _on_a_line_of_its_own(content)
        case Place.STATED:
            return _stated(content)


def _on_a_line_of_its_own(line: str) -> str | None:
    if rows := _ALIGNED.fullmatch(line.rstrip(" .,*")):
        return re.split(r"\\\\|&", rows[1])[-1].strip().lstrip("=").strip() or None
    line = line[_SO.match(line).end() :].strip().strip("*").strip()
    formula = _MATH.fullmatch(line.rstrip(" .,"))
    if formula:
        return formula[formula.lastindex].strip() or None
    return line.rstrip(".") if _BARE_LINE.fullmatch(line) else None


def _stated(content: str) -> str | None:
    """What a statement says: the whole of it, or else what stands behind one of its verbs."""
    sentence = _sentence(content.strip(" \t*_`:\"'“”"))
    if correction := CORRECTION.match(sentence):
        sentence = correction[1]
    words = _without_math(sentence)
    for begin in (0, *(verb.end() for verb in islice(_VERB.finditer(words), _VERBS))):
        if begin and _NO_VALUE.search(words[:begin]):
            return None
        if (value := _value(sentence[begin:])) is not None:
            return value
    return None


def _sentence(text: str) -> str:
    for end in _SENTENCE_ENDS.finditer(_without_math(text)):
        return text[: end.start()]
    return text


def _without_math(text: str) -> str:
    """`text` with letters and marks of its formulas blotted out, at the same length."""
    return _MATH.sub(lambda found: "$" * len(found[0]), text)


def _value(text: str) -> str | None:
    """The quantity that `text` begins with, fillers aside."""
    text = text[_FILLER.match(text).end() :].strip(" \t*_`:\"'“”")
    if formula := _MATH.match(text):
        return _formulas(text, formula)
    clause = undelimited(_CLAUSE_ENDS.split(text, maxsplit=1)[0])
    if not clause or clause.count("{") != clause.count("}") or _NO_VALUE.match(clause) or re.match(r"[<>≤≥≠]", clause):
        return None
    if (number := read_number(_CURRENCY.sub("", clause))) and _BOUND.match(number[1]):
        return None
    if number and re.match(r"(?:\s*(?:,|and|or|&)\s*[-\d]|\s*[A-Za-z%°\\²³]|\s*$|[.,]?$)", number[1]):
        return clause
    if (_SOLID.search(clause) or _SYMBOL.fullmatch(clause)) and not _ENGLISH.search(_COMMAND.sub("", clause)):
        return clause
    return None


def _formulas(text: str, formula: re.Match[str]) -> str | None:
    """The formula that `text` begins with, those that are joined to it, and the words behind them that may be a unit."""
    found, end = [], 0
    while formula:
        found.append(formula[formula.lastindex].strip())
        end = formula.end()
        between = _BETWEEN.match(text, end)
        formula = _MATH.match(text, between.end()) if between.end() > end else None
    tail = _CLAUSE_ENDS.split(text[end:], maxsplit=1)[0]
    if _BOUND.match(tail) or re.match(r"\s*(?:or|and)\b", tail):
        return None
    value = ", ".join(found)
    unit = re.fullmatch(r"\s*((?:\\?%|°)?(?:\s*[A-Za-z²³/^0-9]+){0,4})[\s.,*]*", tail)
    return rf"{value} \text{{ {unit[1].strip()}}}" if unit and unit[1].strip() and len(found) == 1 else value or None
