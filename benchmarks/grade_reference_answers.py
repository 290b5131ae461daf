"""Every reference answer of a folder of problems, phrased as models phrase it: what the grader finds right, and what it wrongly accepts.

    python benchmarks/grade_reference_answers.py FOLDER [--every N] [--show N]

FOLDER holds JSON lines as `hista_repro.problems.read_jsonl` reads them. Each gold answer is given to its own question in a dozen natural
phrasings, all of which are right, and changed in a dozen ways, none of which is. Programs are left out: they need to be run. Two versions
of the grader are compared by running this file with each of them on PYTHONPATH.
"""

import argparse
import random
import re
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from hista_repro.problems import Outcome, Problem, grade_all, read_jsonl

LETTER = re.compile(r"\\text\{\(?([A-J])\)?\}|([A-J])|\(([A-Ja-j])\)")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
VERDICTS = ("yes", "no", "maybe", "True", "False")
THINKING = "<think>Perhaps it is \\boxed{{0}}. Or \\boxed{{C}}? No, I forgot something.</think>\n\n"
QUANTITY = {
    "box": "So we get \\boxed{{{x}}}.",
    "the answer is": "We add both. The answer is {x}.",
    "bold keyword": "We add both.\n\n**Answer**: {x}",
    "two cues": "Final Answer: The final answer is ${x}$. I hope it is correct.",
    "formula on the last line": "Thus\n${x}$",
    "next line": "The final answer is:\n\n{x}",
    "####": "We add both.\n#### {x}",
    "thinking, display box": THINKING + "**Final Answer**\n\\[\n\\boxed{{{x}}}\n\\]",
    "chatter behind": "The answer is ${x}$. Let me know if you want the steps behind the answer.",
    "heading, display": "## Final Answer\n\n$$\n{x}\n$$\n\nI hope this helps!",
    "box in a sentence": "Therefore, the final answer is $\\boxed{{{x}}}$, as was to be shown.",
    "to the question": "So the answer to the question is **{x}**.",
}
NUMERIC = {
    "x =": "The answer is x = {x}",
    "x = on the last line": "Dividing by 2 gives\n$x = {x}$",
    "everyday noun": "The answer is {x} apples.",
    "approximately": "The answer is approximately {x}.",
    "a sentence": "**Answer:** She has {x} apples left.",
}
CHOICE = {
    "box": "\\boxed{{{x}}}",
    "the answer is": "It follows. The answer is ({x}).",
    "bold keyword": "**Answer**: **{x}**",
    "option and its text": "The correct option is ({x}) {text}.",
    "box with text": "\\boxed{{\\text{{{x}) {text}}}}}",
    "because": "The answer is {x} because nothing else fits.",
    "two cues": "Final Answer: The answer is ({x}). I hope it is correct.",
    "text only": "\\boxed{{{text}}}",
    "####": "#### {x}",
    "thinking": THINKING + "The best choice is `{x}`.",
    "letter, dash, text": "Answer: {x} - {text}",
    "is the answer": "So ({x}) is the correct answer.",
}
WRONG = {
    "another's, box": "So we get \\boxed{{{y}}}.",
    "another's, stated": "The answer is {y}.",
    "hedge": "The answer is {x} or {y}.",
    "hedge, box": "\\boxed{{{x} \\text{{ or }} {y}}}",
    "negated": "The answer is not {x}.",
    "thought only": "<think>It is \\boxed{{{x}}}.</think> I cannot tell.",
    "cut off": "First \\boxed{{{x}}}. No, wait: \\boxed{{",
    "taken back": "The answer is {x}. I made a mistake: the answer is {y}.",
    "no statement": "One might think of {x} here, but I am not sure.",
}
WRONG_NUMBER = {
    "sign": "The answer is {minus}.",
    "ten times": "\\boxed{{{ten}}}",
    "million": "The answer is {x} million.",
    "bound": "The answer is greater than {x}.",
    "one off": "**Answer**: {next}",
}


def phrasings(problem: Problem, other: str) -> Iterator[tuple[str, bool, str]]:
    """(name of the phrasing, whether it is right, completion) of the gold answer of `problem`; `other` is a wrong answer."""
    letter = LETTER.fullmatch(problem.answer)
    if problem.verifier == "choice" or letter:
        x = next(filter(None, letter.groups())).upper() if letter else problem.answer
        text = problem.choices["ABCDEFGHIJKLMNOPQRSTUVWXYZ".index(x)] if problem.choices else ""
        for name, form in CHOICE.items():
            if "{text}" not in form or (text and problem.choices.count(text) == 1 and "\n" not in text):
                yield f"letter: {name}", True, form.format(x=x, text=text)
        other = other if problem.verifier == "choice" else "ABCD"[("ABCD".find(x) + 1) % 4]
        for name, form in WRONG.items():
            yield f"letter: {name}", False, form.format(x=f"({x})", y=f"({other})")
        return
    x = problem.answer.removesuffix(".")
    for name, form in QUANTITY.items():
        yield f"{problem.verifier}: {name}", True, form.format(x=x)
    for name, form in WRONG.items():
        yield f"{problem.verifier}: {name}", False, form.format(x=x, y=other)
    if problem.verifier == "math" and NUMBER.fullmatch(x):
        for name, form in NUMERIC.items():
            yield f"number: {name}", True, form.format(x=x)
        if value := Fraction(x):
            forms = {"minus": x.removeprefix("-") if value < 0 else f"-{x}", "ten": str(float(value) * 10), "next": str(int(value) + 1)}
            for name, form in WRONG_NUMBER.items():
                yield f"number: {name}", False, form.format(x=x, **forms)


def another(problem: Problem, others: list[Problem], rng: random.Random) -> str:
    """A wrong answer: another letter, or the gold answer of another problem that is not the same by any reading of its digits."""
    if problem.verifier == "choice":
        return rng.choice([chr(ord("A") + place) for place in range(len(problem.choices)) if chr(ord("A") + place) != problem.answer])
    if problem.answer in VERDICTS:
        return rng.choice([word for word in VERDICTS if word != problem.answer and word.islower() == problem.answer.islower()])
    digits = _digits(problem.answer)
    for found in (rng.choice(others).answer for _ in range(100)):
        if not (digits.endswith(_digits(found)) or _digits(found).endswith(digits) or LETTER.fullmatch(found) or "or" in found):
            return found
    return "271828"


def _digits(answer: str) -> str:
    return re.sub(r"[^\dA-Za-z]", "", answer).casefold()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take each N-th problem of a file")
    parser.add_argument("--show", type=int, default=0, help="print so many exceptions of each kind")
    options = parser.parse_args()
    asked, right, exceptions = Counter(), Counter(), {}
    for file in sorted(options.folder.rglob("*.jsonl")):
        problems = [problem for problem in read_jsonl(file)[:: options.every] if problem.verifier != "code"]
        rng = random.Random(0)
        given = [
            (problem, kind, text)
            for problem in problems
            for *kind, text in phrasings(problem, another(problem, [p for p in problems if p.verifier == problem.verifier], rng))
        ]
        for (problem, kind, text), outcome in zip(given, grade_all([(problem, text) for problem, _, text in given]), strict=True):
            asked[tuple(kind)] += 1
            accepted = outcome is Outcome.CORRECT
            right[tuple(kind)] += accepted
            if accepted is not kind[1]:
                exceptions.setdefault(tuple(kind), []).append((problem.id, problem.answer, outcome.value, text[-120:]))
    for wanted, title in ((True, "right answers found right"), (False, "wrong answers accepted")):
        kinds = sorted(kind for kind in asked if kind[1] is wanted)
        total, found = sum(asked[kind] for kind in kinds), sum(right[kind] for kind in kinds)
        print(f"\n{title}: {found} of {total}, {found / total:.2%}")
        for kind in kinds:
            print(f"  {kind[0]:36} {asked[kind]:7} {right[kind] / asked[kind]:8.2%}")
            for row in exceptions.get(kind, [])[: options.show]:
                print("      ", *map(repr, row))


if __name__ == "__main__":
    main()
