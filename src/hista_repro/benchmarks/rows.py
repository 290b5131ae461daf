"""How rows of the hub become problems: one function for each form of row, named by `benchmarks.yaml`.

A function gives those fields of `Problem` that a row decides, or None where the row makes no problem that can be graded.
"""

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from hista_repro.problems.grading import last_boxed

Row = Mapping[str, Any]
Fields = dict[str, Any]

_CHOICE_LETTER = re.compile(r"[A-Z]")
_WORDED = frozenset({"true", "false", "yes", "no"})
_INLINE_PROMPT = re.compile(r"\n\nAnswer:.*\Z", re.DOTALL)
_PLAIN_NUMBER = re.compile(r"\s*\d+\s*")


def problem_answer(row: Row) -> Fields | None:
    return _quantity(row["problem"], row["answer"])


def question_answer(row: Row) -> Fields | None:
    return _quantity(row["question"], row["answer"])


def problem_solution(row: Row) -> Fields | None:
    r"""AIME24: the solution is the answer in a \boxed{}."""
    return _quantity(row["problem"], last_boxed(row["solution"]) or row["solution"])


def gsm8k(row: Row) -> Fields | None:
    """The answer follows the marker "####", with thousands separated by commas."""
    return _quantity(row["question"], row["answer"].rpartition("####")[2].replace(",", ""))


def olympiadbench(row: Row) -> Fields | None:
    """Questions in text alone; several answers are joined, as math-verify reads them."""
    if row["modality"] != "Text-only":
        return None
    return _quantity(row["question"], ", ".join(answer.strip().strip("$") for answer in row["final_answer"]))


def college_math(row: Row) -> Fields | None:
    """Answers that are a formula in dollar signs or a whole number; others hold words."""
    answer = str(row["answer"]).strip()
    if len(answer) > 2 and answer[0] == answer[-1] == "$":
        return _quantity(row["question"], answer[1:-1])
    return _quantity(row["question"], answer) if _PLAIN_NUMBER.fullmatch(answer) else None


def theoremqa(row: Row) -> Fields | None:
    """Questions about a picture are left out; true and false are compared as words."""
    if row.get("Picture") is not None:
        return None
    answer = str(row["Answer"]).strip()
    if answer.casefold() in _WORDED:
        return {"problem": row["Question"], "answer": answer, "verifier": "exact"}
    return _quantity(row["Question"], answer)


def scieval(row: Row) -> Fields | None:
    """Questions with a single answer, which stand with their choices in the text; the cue to answer at once is taken away."""
    answers = row["answer"] or []
    if len(answers) != 1 or not answers[0]:
        return None
    return {"problem": _INLINE_PROMPT.sub("", row["question"]).strip(), "answer": answers[0], "verifier": "exact"}


def lettered(row: Row) -> Fields | None:
    """The choices stand in the text of the question; the gold answer is a letter, and graded as one."""
    letter = row["answer"].strip()
    return {"problem": row["question"], "answer": letter, "verifier": "exact"} if _CHOICE_LETTER.fullmatch(letter) else None


def mmlu_pro(row: Row) -> Fields:
    return {"problem": row["question"], "choices": tuple(row["options"]), "answer": row["answer"], "verifier": "choice"}


def humaneval_plus(row: Row) -> Fields:
    """The function to complete is run before the answer, whose tests may use its imports and helpers."""
    setup = f"{_numpy_stand_in()}\n{row['prompt']}"
    check = f"{row['test']}\n\ncheck({row['entry_point']})"
    return _program(f"Complete the following Python function.\n\n```python\n{row['prompt']}\n```", setup, check)


def mbpp_plus(row: Row) -> Fields:
    example = "\n".join(row["test_list"][:1])
    return _program(f"{row['prompt'].strip()}\nYour code should satisfy this test:\n{example}", _numpy_stand_in(), row["test"])


def _quantity(problem: str, answer: Any) -> Fields | None:
    answer = str(answer).strip().strip("$").strip()
    return {"problem": problem, "answer": answer, "verifier": "math"} if answer else None


def _program(problem: str, setup: str, check: str) -> Fields:
    return {"problem": problem, "answer": None, "verifier": "code", "tests": {"kind": "assert", "setup": setup, "asserts": [check]}}


def _numpy_stand_in() -> str:
    """The sandbox has the standard library only, and EvalPlus's tests compare numbers by numpy."""
    return (files("hista_repro.benchmarks") / "numpy_stand_in.py").read_text(encoding="utf-8")
