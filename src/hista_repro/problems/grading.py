"""Is a completion right? Answers are first found in the text, then compared with the gold answer by the problem's verifier.

`exact` compares strings, `choice` letters, and `math` quantities, through math-verify. Nothing is scored as wrong because a grader could
not run: that raises, or is an outcome of its own.
"""

import re

from hista_repro.errors import Refused
from hista_repro.problems.math_grader import compare_quantities
from hista_repro.problems.outcome import Outcome
from hista_repro.problems.problem import Problem

__all__ = ["Outcome", "extract_answer", "grade"]

_WORDS = frozenset({"yes", "no", "maybe", "true", "false"})
"""Answers whose case does not matter; that of a chemical formula does."""
_BOX = re.compile(r"\\f?boxed\s*\{")
_STATED = re.compile(r"answer\s*(?:is\b|:)\s*:?\s*(.+)", re.IGNORECASE)
_WRAPPER = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mathit|boldsymbol|mbox)\s*\{([^{}]*)\}")
_LETTER = re.compile(r"(?:option|choice)?\s*[(\[]?([A-Za-z])(?:[)\].:,]|$)", re.IGNORECASE)


def grade(problem: Problem, text: str) -> Outcome:
    """The outcome of the completion `text`. May be called from any thread.

    Raises `Refused` for a problem whose answers are programs: they need a sandbox, and there is none yet.
    """
    if problem.verifier == "code":
        raise Refused(f"problem {problem.id!r} asks for a program, and there is no sandbox to run programs in yet; choose another domain")
    answer = extract_answer(problem, text)
    if answer is None:
        return Outcome.UNPARSED
    if problem.verifier == "math":
        return compare_quantities(problem.answer, answer)
    gold = problem.answer if problem.verifier == "choice" else _plain(problem.answer)
    if gold.casefold() in _WORDS:
        return Outcome.CORRECT if answer.casefold() == gold.casefold() else Outcome.WRONG
    return Outcome.CORRECT if answer == gold else Outcome.WRONG


def extract_answer(problem: Problem, text: str) -> str | None:
    r"""The final answer that `text` gives to `problem`, or None where it gives none.

    It is what follows the last "A:" in the prompt style "steps"; otherwise the content of the last \boxed{}, or what follows the last
    "answer is". For verifier "choice" it is a capital letter, for "exact" it is freed of LaTeX wrapping.
    """
    if problem.meta.get("style") == "steps":
        _, marker, answer = text.rpartition("A:")
        return answer.strip() or None if marker else None
    answer = last_boxed(text)
    if answer is None:
        answer = _last_stated(text)
    if answer is None:
        return None
    match problem.verifier:
        case "choice":
            return _letter(answer, problem.choices)
        case "exact":
            return _plain(answer) or None
        case _:
            return answer.strip() or None


def last_boxed(text: str) -> str | None:
    r"""The content of the last complete \boxed{}, nested braces and all."""
    for start in reversed(list(_BOX.finditer(text))):
        depth = 1
        for position in range(start.end(), len(text)):
            character = text[position]
            if text[position - 1] != "\\":
                depth += (character == "{") - (character == "}")
            if depth == 0:
                return text[start.end() : position]
    return None


def _last_stated(text: str) -> str | None:
    """What stands after the last "answer is" or "answer:", up to the end of its sentence or line."""
    stated = _STATED.findall(text)
    if not stated:
        return None
    sentence = re.split(r"[.!]\s", stated[-1].strip() + " ", maxsplit=1)[0]
    return sentence.strip().rstrip(".*").strip("* ") or None


def _plain(answer: str) -> str:
    """`answer` without math delimiters, text commands, spaces at its ends and a full stop."""
    answer = answer.strip().strip("$").strip()
    while (unwrapped := _WRAPPER.sub(r"\1", answer)) != answer:
        answer = unwrapped
    return answer.strip().removesuffix(".").strip()


def _letter(answer: str, choices: tuple[str, ...]) -> str | None:
    """The letter that `answer` names: by itself, before the text of the choice, or through the text of exactly one choice."""
    answer = _plain(answer)
    if found := _LETTER.match(answer):
        return found[1].upper()
    same = [index for index, choice in enumerate(choices) if _plain(choice).casefold() == answer.casefold()]
    return chr(ord("A") + same[0]) if len(same) == 1 else None
