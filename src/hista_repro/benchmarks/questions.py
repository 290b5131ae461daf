"""The questions of a benchmark: from a local file, from the hub, or built in; refused where the grader cannot read a gold answer."""

import json
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from hista_repro.benchmarks import rows
from hista_repro.benchmarks.gold import unreadable
from hista_repro.benchmarks.suites import SUITES
from hista_repro.benchmarks.table import Benchmark
from hista_repro.errors import Refused
from hista_repro.problems.hub_rows import load_rows
from hista_repro.problems.local_files import file_below
from hista_repro.problems.problem import Problem, read_jsonl


def load_questions(benchmark: Benchmark, data: Path | None = None, limit: int | None = None) -> list[Problem]:
    """The questions of `benchmark`, the first `limit` of them.

    With a folder `data` they come from the one file below it that is called as the table says, and else from the hub; the built-in suites
    need neither. Raises `Refused`, naming file and line, for a row with a missing or wrong field and for a gold answer that the grader
    cannot read; and where there is no such file, or the hub does not give the data set.
    """
    if limit is not None and limit < 1:
        raise Refused(f"limit must be at least 1, not {limit}")
    if benchmark.built_in:
        return SUITES[benchmark.name].problems()[:limit]
    path = None if data is None else _local_file(benchmark, data)
    questions = (_from_hub(benchmark) if path is None else read_jsonl(path))[:limit]
    if not questions:
        raise Refused(f"no row of {benchmark.hub.id} makes a problem; its columns are not those that {benchmark.name} knows")
    for question in questions:
        reason = _wrong_kind(benchmark, question) or unreadable(question)
        if reason:
            place = f"{benchmark.hub.id}, {question.id}" if path is None else f"{path}, line {_line_of(question, path)}"
            raise Refused(f"{place}: {reason}")
    return questions


def _local_file(benchmark: Benchmark, data: Path) -> Path:
    if not data.is_dir():
        raise Refused(f"there is no folder {data}; --data names a folder of .jsonl files")
    return file_below(data, benchmark.local, f"the questions of {benchmark.name}", "leave --data out to ask the hub")


def _from_hub(benchmark: Benchmark) -> list[Problem]:
    hub = benchmark.hub
    return from_rows(benchmark, load_rows(hub.id, hub.config, hub.split, hub.revision))


def from_rows(benchmark: Benchmark, found: Iterable[rows.Row]) -> list[Problem]:
    """The problems that rows of the hub make, in their order; a row that makes none is left out, and so is a repeated question."""
    problems: dict[str, Problem] = {}
    for row in found:
        fields = getattr(rows, benchmark.rows)(row)
        if fields is None:
            continue
        name = f"{benchmark.name}-{sha256(repr((fields['problem'], fields.get('choices'))).encode()).hexdigest()[:12]}"
        problems.setdefault(name, Problem(id=name, domain=benchmark.field, source=benchmark.hub.id, split=benchmark.hub.split, **fields))
    return list(problems.values())


def _wrong_kind(benchmark: Benchmark, question: Problem) -> str | None:
    if question.verifier in benchmark.verifiers:
        return None
    return f"the verifier {question.verifier!r} is none of those of {benchmark.name} ({', '.join(benchmark.verifiers)})"


def _line_of(question: Problem, path: Path) -> int:
    with open(path, encoding="utf-8") as lines:
        return next(number for number, line in enumerate(lines, 1) if line.strip() and json.loads(line)["id"] == question.id)
