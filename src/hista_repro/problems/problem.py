"""One problem, and problems read from JSON lines."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hista_repro.errors import Refused

DOMAINS = ("number", "math", "science", "general", "programming")
VERIFIERS = ("math", "choice", "exact", "code")
STYLES = ("steps", "worked")


@dataclass(frozen=True)
class Problem:
    """A question and how an answer to it is graded.

    `answer` is LaTeX or number text for verifier "math", a letter for "choice", the string itself for "exact", None for "code".
    `choices` are the options in order ("choice" only; `problem` holds the stem without them). `tests` ("code" only) is
    `{"kind": "assert", "setup": str, "asserts": [str]}` or `{"kind": "stdio", "cases": [{"input": str, "output": str}]}`; the latter may
    say by `"any_case": bool` whether letters may be printed in either case. Without it the problem's statement decides.
    `meta["style"]`, one of `STYLES`, and `meta["examples"]`, pairs of question and answer, say how it is put to a model (`render`).
    """

    id: str
    domain: str
    problem: str
    answer: str | None
    verifier: str
    choices: tuple[str, ...] = ()
    tests: Mapping[str, Any] | None = None
    source: str = ""
    split: str = ""
    license: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("id", "problem"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value.strip():
                raise ValueError(f"{name} must be a non-empty string, not {value!r}")
        if self.domain not in DOMAINS:
            raise ValueError(f"domain {self.domain!r} is none of {', '.join(DOMAINS)}")
        if self.verifier not in VERIFIERS:
            raise ValueError(f"verifier {self.verifier!r} is none of {', '.join(VERIFIERS)}")
        _check_meta(self.meta)
        if self.verifier == "code":
            _check_tests(self.tests)
        elif not isinstance(self.answer, str) or not self.answer.strip():
            raise ValueError(f"answer must be a non-empty string for verifier {self.verifier!r}, not {self.answer!r}")
        if self.verifier == "choice":
            letters = [chr(ord("A") + i) for i in range(len(self.choices))]
            if self.answer not in letters:
                raise ValueError(f"answer {self.answer!r} is none of the letters of the {len(self.choices)} choices")


def digest_of(problems: Sequence[Problem]) -> str:
    """The SHA-256 of problems in their order, in hexadecimal digits."""
    return hashlib.sha256(repr(list(problems)).encode()).hexdigest()


def _check_tests(tests: Any) -> None:
    lists = {"assert": "asserts", "stdio": "cases"}
    if not isinstance(tests, Mapping) or tests.get("kind") not in ("assert", "stdio"):
        raise ValueError("tests must be an object whose kind is 'assert' or 'stdio' for verifier 'code'")
    name = lists[tests["kind"]]
    if not isinstance(tests.get(name), list) or not tests[name]:
        raise ValueError(f"tests.{name} must be a non-empty list")
    if name == "cases" and not all(map(_is_case, tests["cases"])):
        raise ValueError("each of tests.cases must be an object whose input and output are strings")
    if name == "asserts" and not all(isinstance(source, str) for source in (tests.get("setup", ""), *tests["asserts"])):
        raise ValueError("tests.setup and each of tests.asserts must be strings")
    if not isinstance(tests.get("any_case", False), bool):
        raise ValueError(f"tests.any_case must be true or false, not {tests['any_case']!r}")


def _check_meta(meta: Any) -> None:
    if not isinstance(meta, Mapping):
        raise ValueError(f"meta must be an object, not {meta!r}")
    if meta.get("style") not in (None, *STYLES):
        raise ValueError(f"meta.style {meta['style']!r} is none of {', '.join(STYLES)}")
    examples = meta.get("examples", ())
    if not isinstance(examples, Sequence) or not all(map(_is_pair, examples)):
        raise ValueError("meta.examples must be pairs of question and answer, all of them strings")


def _is_case(case: Any) -> bool:
    match case:
        case {"input": str(), "output": str()}:
            return True
    return False


def _is_pair(example: Any) -> bool:
    match example:
        case [str(), str()]:
            return True
    return False


def read_jsonl(path: Path) -> list[Problem]:
    """The problems of a `.jsonl` file, or of all such files below a folder in sorted order.

    Raises `Refused` naming file and line for a row that is no JSON object, lacks a field or has a wrong one, for an id used twice,
    and for a file or folder without any problem.
    """
    files = sorted(path.rglob("*.jsonl")) if path.is_dir() else [path]
    problems: dict[str, Problem] = {}
    for file in files:
        for number, line in _lines(file):
            try:
                problem = _from_line(line)
            except (ValueError, TypeError) as error:
                raise Refused(f"{file}, line {number}: {error}") from None
            if problem.id in problems:
                raise Refused(f"{file}, line {number}: the id {problem.id!r} is used twice")
            problems[problem.id] = problem
    if not problems:
        raise Refused(f"{path} holds no problems")
    return list(problems.values())


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers."""
    try:
        with open(file, encoding="utf-8") as lines:
            yield from ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    except OSError as error:
        raise Refused(f"cannot read {file}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise Refused(f"{file} is not UTF-8 text") from None


def _from_line(line: str) -> Problem:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error.msg} at column {error.colno})") from None
    if not isinstance(row, dict):
        raise ValueError(f"expected a JSON object, not {type(row).__name__}")
    required = ("id", "domain", "problem", "verifier")
    if missing := [name for name in required if name not in row]:
        raise ValueError(f"the field {missing[0]!r} is missing")
    known = Problem.__dataclass_fields__
    fields = {name: value for name, value in row.items() if name in known and value is not None}
    if "choices" in fields:
        if not isinstance(fields["choices"], list):
            raise ValueError("choices must be a list of strings")
        fields["choices"] = tuple(map(str, fields["choices"]))
    return Problem(**{"answer": None, **fields})
