r"""The letter that an answer chooses.

It is read from the letter alone ("B", "(b)", "\textbf{B}", "option B"), from a letter with its reason or its option behind it ("B because
...", "C - 30 kg", "(C) 30 kg"), and from the text of exactly one option. Two letters joined by "or", "and" or a comma are no choice.
"""

import re

from hista_repro.problems.grading.finding import CORRECTION, Candidate, Place, Undecided
from hista_repro.problems.grading.markup import DELIMITER, plain
from hista_repro.problems.problem import Problem

_ALL = "ABCDEFGHIJ"
"""The letters that options have where a problem does not list them."""
_GOLD = re.compile(r"\(?([A-Za-z])\)?[.):]?")
_NOUN = r"(?:option|choice|letter|answer|statement)"
_LEAD = rf"(?:(?:the )?(?:correct |right |best |final )?{_NOUN}(?: is)?[ :]+|(?:clearly|thus|therefore),? )*"
_ALONE = re.compile(rf"{_LEAD}[(\[{{]?([A-Za-z])[)\]}}]?[.:,;!]*", re.IGNORECASE)
_REASONS = (
    "because|since|as|for|due|which|that|is|was|given|based|by|from|with|so|therefore|thus|hence|where|when|while|and not|not|rather|"
    "instead|would|seems|must|if|in|on|according|considering|following|namely|after|i\\.e"
)
_WITH_TAIL = re.compile(
    rf"""{_LEAD}(?:
        [(\[{{]([A-Za-z])[)\]}}]                # (C) 30 kg
      | ([A-Za-z])[)\]]                         # C) 30 kg
      | ([A-Z])(?:[.:,;!]|\ ?[-–—→(])           # C. 30 kg, C: 30 kg, C - 30 kg, C (30 kg)
      | ([A-Z])\ (?=(?:{_REASONS})\b)           # C because it weighs 30 kg
    )""",
    re.VERBOSE,
)
_SECOND = re.compile(
    r"(?:[,/&;]|\bor\b|\band\b)\s*(?:(?:or|and|also|possibly|perhaps|maybe|option|choice)\s+)*"
    r"(?:\(([A-Z])\)|([A-Z])(?=\s*(?:[).,;/&:]|$|or\b|and\b|are\b|both\b)))"
)
_REASON = re.compile(r"\s*,?\s(?:because|since|as|due to|which|while|whereas|although|but|not|rather than|instead of)\s|[.;!]\s|\n")
_ASIDE = re.compile(r",\s*I (?:think|believe|guess|would say),")
_NEGATED = re.compile(r"(?:not|neither|never|no|cannot)\b", re.IGNORECASE)
_OPTION_BEGINS = re.compile(r"(?<![A-Za-z\\])(?:\\text(?:bf)?\{)?\(?([A-Ja-j])[).:]\}?(?=[\s\\$])")


def gold_letter(problem: Problem) -> str | None:
    r"""The capital letter that is the gold answer of `problem`, whatever its verifier; None where the gold answer is no letter.

    A letter is one of A to J, written "B", "(b)" or "\text{(B)}". A small letter without parentheses is a variable.
    """
    if problem.verifier == "choice":
        return problem.answer
    found = None if problem.verifier == "code" else _GOLD.fullmatch(plain(problem.answer))
    if not found or found[1].upper() not in _ALL or (found[1].islower() and found[0][0] != "("):
        return None
    return found[1].upper()


def options_of(problem: Problem) -> dict[str, str]:
    """Letter -> its option: of the problem's choices, or of those that its text lists as "A) ...", "(B) ..." and so on from A."""
    if problem.choices:
        return {chr(ord("A") + place): choice for place, choice in enumerate(problem.choices)}
    begins = list(_OPTION_BEGINS.finditer(problem.problem))
    listed: dict[str, str] = {}
    for place, begin in enumerate(begins):
        if begin[1].upper() == _ALL[len(listed) : len(listed) + 1]:
            end = begins[place + 1].start() if place + 1 < len(begins) else len(problem.problem)
            listed[begin[1].upper()] = problem.problem[begin.end() : end].partition("\n")[0].strip(" $\\")
    return listed


def read_letter(candidate: Candidate, options: dict[str, str]) -> str | None:
    """The capital letter that a candidate chooses among `options` (letter -> text); None where it chooses none.

    Raises `Undecided` where it names two letters as the answer.
    """
    words = _ASIDE.sub(" ", plain(DELIMITER.sub("", candidate.content))).strip(" ,.…")
    if correction := CORRECTION.match(words):
        words = correction[1]
    verbatim = [letter for letter, option in options.items() if option.strip() == candidate.content.strip()]
    if len(verbatim) == 1 and not _GOLD.fullmatch(candidate.content.strip()):
        return verbatim[0]
    alone = _ALONE.fullmatch(words)
    if alone and alone[1].upper() in (options or _ALL):
        return alone[1].upper()
    named = verbatim or [letter for letter, option in options.items() if _bare(option) == _bare(words)]
    named = named or [letter for letter in options if _is_letter_with_its_option(words, letter, options[letter])]
    if len(named) == 1 or alone:
        return named[0] if len(named) == 1 else alone[1].upper()
    if candidate.place is Place.LAST_LINE or _NEGATED.match(words):
        return None
    claim = _REASON.split(words, maxsplit=1)[0]
    head = _WITH_TAIL.match(words)
    letter = next(filter(None, head.groups())).upper() if head else None
    if letter is None and not (head := re.match(rf"{_LEAD}(?:either |both )?([A-Z])\b", claim)):
        return _letter_of_text(claim, options)
    seconds = {marked or bare for marked, bare in _SECOND.findall(claim) if marked or bare in (options or _ALL)}
    if seconds - {letter or head[1]}:
        raise Undecided
    return letter or _letter_of_text(claim, options)


def _is_letter_with_its_option(words: str, letter: str, option: str) -> bool:
    """Whether `words` begin with a letter and the whole text of its option, as in "C 30 kg" or "(C) 30 kg"."""
    begin = re.match(rf"{_LEAD}[(\[]?{letter}[)\].:,]*\s*[-–—]?\s*", words)
    return bool(begin) and re.match(rf"{re.escape(_bare(option))}(?!\w|[.,]\d)", _bare(words[begin.end() :])) is not None


def _letter_of_text(claim: str, options: dict[str, str]) -> str | None:
    """The letter of the one option that a claim spells out, longer ones before those that they contain; None for none or several."""
    left, named = f" {_bare(claim)} ", []
    if re.search(r"\b(?:not|no|never|neither|isn't|or)\b", left) and not any(_bare(option) in left for option in options.values()):
        return None
    once = {letter: option for letter, option in options.items() if list(options.values()).count(option) == 1}
    for letter, option in sorted(once.items(), key=lambda item: -len(item[1])):
        pattern = rf"(?<![\w.-]){re.escape(_bare(option))}(?![\w%-]|\.\d)"
        if len(_bare(option)) > 1 and re.search(pattern, left):
            named.append(letter)
            left = re.sub(pattern, " ", left)
    return named[0] if len(named) == 1 and not re.search(r"\bnot\b|n't\b|\bnever\b", left) else None


def _bare(text: str) -> str:
    """An option's or an answer's words, for comparison."""
    text = plain(DELIMITER.sub("", text).replace("\\%", "%").replace("\\$", "$"))
    return re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text).casefold().strip(" .")
