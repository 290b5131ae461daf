"""Completions and the outcomes that they are meant to have, by kind: what the graders are tested on, and what a page of the book shows."""

import json
from dataclasses import dataclass
from importlib.resources import files

from hista_repro.problems.grading.outcome import Outcome
from hista_repro.problems.problem import Problem


@dataclass(frozen=True)
class Case:
    """A completion of one problem. All are our own words."""

    group: str
    kind: str
    """What makes the case hard, or what it is a trap for."""
    problem: Problem
    text: str
    want: frozenset[Outcome]
    """The outcomes of which any is right: an answer that is no answer may be wrong or unparsed."""


def load_cases() -> list[Case]:
    """All cases, those of a group and of a kind together."""
    lines = (files("hista_repro.problems.grading") / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    return [_case(number, json.loads(line)) for number, line in enumerate(lines, 1)]


def _case(number: int, row: dict) -> Case:
    problem = Problem(
        id=f"case-{number}",
        domain="programming" if row["verifier"] == "code" else "math",
        problem=row.get("problem", "?"),
        answer=row.get("answer"),
        verifier=row["verifier"],
        choices=tuple(row.get("choices", ())),
        tests=row.get("tests"),
    )
    return Case(row["group"], row["kind"], problem, row["text"], frozenset(map(Outcome, row["want"].split("|"))))
