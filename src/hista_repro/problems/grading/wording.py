r"""Answers that are compared as text: words, names, chemical formulas, strings.

Spaces, quotation marks and LaTeX around the text do not matter. Nor does case in words ("Yes", "yes"); in formulas it does ("CO", "Co").
Of a formula, "C_9H_{18}FNO", "C9H18FNO" and "C₉H₁₈FNO" are the same.
"""

import re

from hista_repro.problems.grading.finding import Candidate, Place, Undecided
from hista_repro.problems.grading.markup import DELIMITER, plain

_VERDICTS = ("yes", "no", "maybe", "true", "false")
"""Golds of which the answer is one of these words, whatever stands around it."""
_VERDICT = re.compile(rf"\b({'|'.join(_VERDICTS)})\b")
_NEGATED = re.compile(r"\b(?:not|never|neither|cannot)\b(?=.)|n't\b")
_CLAUSE_ENDS = re.compile(r"[.!;](?=\s|$)|,?\s(?:because|since|as|which|where|so|but|not|for)\s|,\s|\s[–—-]\s|\s\(|\n")
_SENTENCE_ENDS = re.compile(r"[.!;$](?=\s|$)")
_LEAD = re.compile(
    r"(?:(?:that |just |simply |clearly |probably |therefore,? |thus,? |it is |it's |the |an? |in |on |at )+)", re.IGNORECASE
)
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉⁺⁻", "0123456789+-")
_WORDS = re.compile(r"[A-Za-z][A-Za-z' ,.&-]*[a-z]{3}[A-Za-z' ,.&-]*(?:\s\d{1,4})?|[A-J](?:\s*,\s*[A-J])+|[A-Z]{3,}")
_SHORT_WORD = re.compile(r"\\text\s*\{\s*[a-z]{2,3}\s*\}")
_FORMULA = re.compile(r"[A-Z(\[][A-Za-z0-9()\[\]_{}$ .·+-]*")
_MONTH = re.compile(r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b", re.IGNORECASE)


def read_wording(candidate: Candidate, gold: str) -> str | None:
    """The text that a candidate gives as the answer; `gold` says of what kind it is. None where it gives none.

    Raises `Undecided` where one word of yes or no is asked for and two are given.
    """
    words = plain(candidate.content)
    if candidate.place is Place.STATED:
        words = DELIMITER.sub("", words)
    if plain(gold).casefold() in _VERDICTS:
        verdict = _verdict(words, alone=candidate.place is Place.LAST_LINE)
        return words or None if verdict is None and candidate.place is Place.BOX else verdict
    if candidate.place is Place.BOX:
        return words or None
    if candidate.place is Place.LAST_LINE:
        set_apart = candidate.content.startswith(("$", "\\[", "\\("))
        return words if words and (set_apart or re.fullmatch(r"[^\s=]+", words)) else None
    claim = _SENTENCE_ENDS.split(words, maxsplit=1)[0] if "," in gold else _CLAUSE_ENDS.split(f"{words} ", maxsplit=1)[0]
    claim = claim.strip(" :\"'`*")
    return None if not claim or _NEGATED.match(claim) else plain(claim) or None


def same_wording(gold: str, answer: str) -> bool:
    """Whether `answer`, as `read_wording` gives it, is the text `gold`."""
    gold, answer = plain(gold), plain(answer)
    if gold == answer or (_FORMULA.fullmatch(gold) and _formula(gold) == _formula(answer)):
        return True
    return (gold.casefold() in _VERDICTS or is_wording(gold)) and _in_words(gold) == _in_words(answer)


def is_wording(gold: str) -> bool:
    """Whether a gold answer consists of words, so that it is no quantity."""
    return _WORDS.fullmatch(plain(gold)) is not None or _SHORT_WORD.fullmatch(gold.strip(" $.")) is not None


def _in_words(text: str) -> list[str]:
    """The words of a text, without articles before them; those of a date in one order, without "th"."""
    words = re.findall(r"[\w'-]+", _LEAD.sub("", text, count=1).casefold().replace(" and ", " "))
    return sorted(re.sub(r"(?<=\d)(?:st|nd|rd|th)$", "", word) for word in words if word != "of") if _MONTH.search(text) else words


def _verdict(words: str, *, alone: bool) -> str | None:
    found = list(dict.fromkeys(_VERDICT.findall(words.casefold())))
    if alone:
        return found[0] if found and words.casefold().strip(" .!") == found[0] else None
    if begun := _VERDICT.match(words.casefold()):
        if re.match(r"\w+\s*(?:,|/|or|and)\s*(?:or |and )?(?:yes|no|maybe|true|false)\b", words.casefold()):
            raise Undecided
        return begun[1]
    if len(found) > 1:
        raise Undecided
    return found[0] if found and not _NEGATED.search(words) else None


def _formula(text: str) -> str:
    """A formula without what only sets it."""
    return re.sub(r"[\s_{}$^]", "", text.translate(_SUBSCRIPTS))
