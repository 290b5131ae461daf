"""Is a completion right? Answers are first found in the text, then compared with the gold answer by the problem's verifier.

`exact` compares strings, `choice` letters, `math` quantities, through math-verify, and `code` runs programs in the sandbox. Nothing is
scored as wrong because a grader could not run: that raises, or is an outcome of its own.
"""

import os
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from hista_repro.errors import WorkFailed
from hista_repro.problems.grading.math_grader import compare_quantities
from hista_repro.problems.grading.model_verifier import ModelVerifier
from hista_repro.problems.grading.outcome import Outcome
from hista_repro.problems.grading.programs import extract_program, grade_program
from hista_repro.problems.problem import Problem
from hista_repro.sandbox import Isolation, chosen

__all__ = ["Outcome", "extract_answer", "grade", "grade_all", "isolation_of"]

_REQUESTS_AT_ONCE = 32
_WORDS = frozenset({"yes", "no", "maybe", "true", "false"})
"""Answers whose case does not matter; that of a chemical formula does."""
_BOX = re.compile(r"\\f?boxed\s*\{")
_STATED = re.compile(r"answer\s*(?:is\b|:)\s*:?\s*(.+)", re.IGNORECASE)
_WRAPPER = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mathit|boldsymbol|mbox)\s*\{([^{}]*)\}")
_LETTER = re.compile(r"(?:option|choice)?\s*[(\[]?([A-Za-z])(?:[)\].:,]|$)", re.IGNORECASE)


def grade(problem: Problem, text: str, verifier: ModelVerifier | None = None) -> Outcome:
    """The outcome of the completion `text`. May be called from any thread.

    `verifier` is asked about answers to "math" and "exact" problems that the rules do not find right. Raises `Refused` for a program
    where this machine cannot isolate programs, and `WorkFailed` where math-verify does not start or the verifier does not answer.
    """
    answer = extract_answer(problem, text)
    if answer is None:
        return Outcome.UNPARSED
    outcome = _by_rule(problem, answer)
    if verifier is None or outcome is Outcome.CORRECT or problem.verifier not in ("math", "exact"):
        return outcome
    return verifier.judge(problem.problem, problem.answer, answer)


def grade_all(completions: Sequence[tuple[Problem, str]], verifier: ModelVerifier | None = None) -> list[Outcome]:
    """The outcomes of many completions, graded side by side, and each text that a problem was given once.

    Raises what `grade` raises, and `WorkFailed` where a program could not be run: that says nothing about the program.
    """
    different = {(id(problem), text): problem for problem, text in completions}
    workers = _REQUESTS_AT_ONCE if verifier else os.cpu_count()
    with ThreadPoolExecutor(workers) as pool:
        graded = pool.map(lambda key: grade(different[key], key[1], verifier), different)
        outcomes = dict(zip(different, graded, strict=True))
    for key, outcome in outcomes.items():
        if outcome is Outcome.SANDBOX_ERROR:
            raise WorkFailed(f"the sandbox did not run a program for problem {different[key].id!r}; what was finished is kept")
    return [outcomes[id(problem), text] for problem, text in completions]


def isolation_of(problems: Iterable[Problem]) -> Isolation | None:
    """What stands between the machine and the programs that `problems` ask for; None where they ask for none.

    Raises `Refused` where this machine cannot isolate programs.
    """
    return chosen() if any(problem.verifier == "code" for problem in problems) else None


def _by_rule(problem: Problem, answer: str) -> Outcome:
    match problem.verifier:
        case "code":
            return grade_program(problem, answer)
        case "math":
            return compare_quantities(problem.answer, answer)
        case "choice":
            gold = problem.answer
        case "exact":
            gold = _plain(problem.answer)
    if gold.casefold() in _WORDS:
        return Outcome.CORRECT if answer.casefold() == gold.casefold() else Outcome.WRONG
    return Outcome.CORRECT if answer == gold else Outcome.WRONG


def extract_answer(problem: Problem, text: str) -> str | None:
    r"""The final answer that `text` gives to `problem`, or None where it gives none.

    It is what follows the last "A:" in the prompt style "steps"; otherwise the content of the last \boxed{}, or what follows the last
    "answer is". For verifier "choice" it is a capital letter, for "exact" it is freed of LaTeX wrapping. For "code" it is the last block
    of code.
    """
    if problem.verifier == "code":
        return extract_program(text, problem)
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
