r"""Is a completion right? Its final answer is found in the text (see `finding`) and compared with the gold answer, by verifier:

- `choice`, and any gold answer that is a letter: the letter that is chosen, see `letters`.
- `exact`: the same words or the same formula, see `wording`.
- `math`: the same quantity, see `quantities`; where the gold answer is words, the same words.
- `code`: a program that passes the tests in the sandbox, see `programs`.

Nothing is scored as wrong because a grader could not run: that raises, or is an outcome of its own.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from hista_repro.errors import WorkFailed
from hista_repro.problems.grading.finding import Place, Reader, find_answer, last_boxed, without_thinking
from hista_repro.problems.grading.letters import gold_letter, options_of, read_letter
from hista_repro.problems.grading.model_verifier import ModelVerifier
from hista_repro.problems.grading.outcome import Outcome
from hista_repro.problems.grading.programs import extract_program, grade_program
from hista_repro.problems.grading.quantities import compare_quantities
from hista_repro.problems.grading.statements import read_quantity
from hista_repro.problems.grading.wording import is_wording, read_wording, same_wording
from hista_repro.problems.problem import Problem
from hista_repro.sandbox import Isolation, chosen

__all__ = ["Outcome", "extract_answer", "grade", "grade_all", "isolation_of", "last_boxed"]

_AT_ONCE = 32
"""Completions that are graded at once. Sandboxes, math-verify and the verifier's endpoint each bound themselves."""


def grade(problem: Problem, text: str, verifier: ModelVerifier | None = None) -> Outcome:
    """The outcome of the completion `text`. May be called from any thread.

    `verifier` is asked about answers to "math" and "exact" problems that the rules do not find right, gold letters aside. Raises `Refused`
    for a program where this machine cannot isolate programs, and `WorkFailed` where math-verify does not start or the verifier does not
    answer.
    """
    answer = extract_answer(problem, text)
    if answer is None:
        return Outcome.UNPARSED
    if problem.verifier == "code":
        return grade_program(problem, answer)
    if letter := gold_letter(problem):
        return Outcome.CORRECT if answer == letter else Outcome.WRONG
    if problem.verifier == "math":
        outcome = compare_quantities(problem.answer, answer, problem.problem)
    else:
        outcome = Outcome.CORRECT if same_wording(problem.answer, answer) else Outcome.WRONG
    if verifier is None or outcome is Outcome.CORRECT:
        return outcome
    return verifier.judge(problem.problem, problem.answer, answer)


def grade_all(completions: Sequence[tuple[Problem, str]], verifier: ModelVerifier | None = None) -> list[Outcome]:
    """The outcomes of many completions, graded side by side, and each text that a problem was given once.

    Raises what `grade` raises, and `WorkFailed` where a program could not be run: that says nothing about the program.
    """
    different = {(id(problem), text): problem for problem, text in completions}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
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


def extract_answer(problem: Problem, text: str) -> str | None:
    r"""The final answer that `text` gives to `problem`, or None where it gives none; see `finding` for where it is looked for.

    A letter is a capital letter, and words are freed of what sets them. In the prompt style "steps" the answer is what follows the last
    "A:". For "code" it is the program.
    """
    if problem.verifier == "code":
        return extract_program(without_thinking(text), problem)
    if problem.meta.get("style") == "steps":
        _, marker, answer = text.rpartition("A:")
        return answer.strip() or None if marker else None
    return find_answer(text, _reader(problem))


def _reader(problem: Problem) -> Reader:
    if gold_letter(problem):
        options = options_of(problem)
        return lambda candidate: read_letter(candidate, options)
    if problem.verifier == "exact":
        return lambda candidate: read_wording(candidate, problem.answer)
    if not is_wording(problem.answer):
        return read_quantity
    return lambda candidate: read_quantity(candidate) if candidate.place is Place.BOX else read_wording(candidate, problem.answer)
