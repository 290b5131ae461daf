"""Do the graders give what a careful reader gives? The table of cases, graded here and by an independent grader."""

from collections.abc import Sequence

import pandas as pd
from scipy.stats import binomtest

from hista_repro.artifacts.tables import Captioned
from hista_repro.artifacts.verdicts import Finding, Interval, Word, judge_direction
from hista_repro.benchmarks.plain_grader import second_opinion
from hista_repro.problems import Outcome, Problem, extract_answer, grade_all
from hista_repro.problems.grading.cases import Case, load_cases

LEAST = 0.99
"""The share of cases that the graders are to judge as meant."""
SHOWN = 12


def compare_graders(every: int = 1) -> pd.DataFrame:
    """One row for each `every`-th case: group, kind, gold, text, meant ("right" or "not"), ours and independent (whether as meant).

    The independent grader is math-verify as it is published, with its own way of finding an answer in a text, where quantities are asked
    for. For letters and programs it is `benchmarks.plain_grader`, which searches the text for letters and runs a program as a script with
    its asserts; words have none, and nor have programs whose output is compared.
    """
    cases = load_cases()[::every]
    outcomes = grade_all([(case.problem, case.text) for case in cases])
    rows = []
    for case, outcome in zip(cases, outcomes, strict=True):
        meant = Outcome.CORRECT in case.want
        opinion = _independent(case)
        rows.append(
            {
                "group": case.group,
                "kind": case.kind,
                "gold": case.problem.answer or "tests",
                "text": case.text,
                "meant": "right" if meant else "not",
                "ours": outcome in case.want,
                "independent": None if opinion is None else opinion is meant,
            }
        )
    return pd.DataFrame(rows)


def readable_groups(rows: pd.DataFrame) -> Captioned:
    """For each group of cases, and for all: how many there are, and how many each grader judges as meant."""
    parts = [*rows.groupby("group", sort=False), ("all", rows)]
    frame = pd.DataFrame(
        [
            (
                name,
                part["kind"].nunique(),
                len(part),
                _share(part["ours"]),
                _share(part["independent"].dropna()),
                len(part["independent"].dropna()),
            )
            for name, part in parts
        ],
        columns=["group", "kinds", "cases", "judged as meant", "independent grader", "cases it can judge"],
    )
    return Captioned(frame, "Cases that each grader judges as they are meant, with 95% intervals as if cases were drawn at random.")


def readable_disputes(rows: pd.DataFrame) -> Captioned:
    """Cases on which the two graders differ, one for each kind."""
    differ = rows[rows["independent"].notna() & (rows["ours"] != rows["independent"].astype("boolean").fillna(False))]
    shown = differ.drop_duplicates("kind").groupby("group", sort=False).head(SHOWN // 4)[["kind", "gold", "text", "meant"]]
    caption = f"The graders differ on {len(differ)} cases of {differ['kind'].nunique()} kinds; a few of them, with what is meant."
    return Captioned(shown, caption)


def judge_graders(rows: pd.DataFrame) -> tuple[Finding, ...]:
    """Whether the graders judge `LEAST` of the cases as meant, and more of them than the independent grader does."""
    size = f"{len(rows)} cases of {rows['kind'].nunique()} kinds, written for this purpose"
    ours = share_as_meant(rows["ours"])
    enough = Word.AGREES if ours.low >= LEAST else Word.DISAGREES if ours.high < LEAST else Word.UNDECIDED
    both = rows.dropna(subset=["independent"])
    gain = paired_gain(both)
    claims = (
        f"The graders judge {LEAST:.0%} of the cases as a careful reader does",
        "They judge more of them so than an independent grader",
    )
    return (
        Finding(claims[0], size, "no claim", ours.text(), enough),
        Finding(claims[1], f"{len(both)} cases that both judge", "no claim", gain.text(signed=True), judge_direction(1, gain)),
    )


def paired_gain(both: pd.DataFrame) -> Interval:
    """By how large a share of the cases more are judged as meant here than by the independent grader."""
    first, second = both["ours"].astype(float), both["independent"].astype(float)
    difference = first - second
    half = 1.96 * difference.std() / len(difference) ** 0.5
    return Interval(difference.mean(), difference.mean() - half, difference.mean() + half)


def _independent(case: Case) -> bool | None:
    """Whether the independent grader finds the completion right; None where there is none for it."""
    problem = case.problem
    match problem.verifier:
        case "math":
            return _by_math_verify(problem, case.text)
        case "choice":
            return second_opinion(problem, case.text, None)
        case "code":
            answer = extract_answer(problem, case.text)
            return second_opinion(problem, case.text, answer)
    return None


def _by_math_verify(problem: Problem, text: str) -> bool:
    from math_verify import parse, verify

    return bool(verify(parse(f"${problem.answer}$"), parse(text)))


def share_as_meant(right: Sequence[bool]) -> Interval:
    """The share of true values, with Wilson's interval."""
    bounds = binomtest(int(sum(right)), len(right)).proportion_ci(method="wilson")
    return Interval(sum(right) / len(right), bounds.low, bounds.high)


def _share(right: Sequence[bool]) -> str:
    return share_as_meant(right).text() if len(right) else "–"
