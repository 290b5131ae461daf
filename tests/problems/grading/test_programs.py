import pytest

from hista_repro.errors import Refused, WorkFailed
from hista_repro.problems import Outcome, Problem, extract_answer, grade, grade_all
from hista_repro.problems.grading import isolation_of, programs
from hista_repro.problems.grading.programs import extract_program, same_output
from hista_repro.sandbox import Ending, Isolation, Run, execute, works

isolated = pytest.mark.skipif(
    not any(map(works, (Isolation.BWRAP, Isolation.NAMESPACES))), reason="this machine gives no isolation, so no program is run"
)


def program(**tests):
    return Problem(id="p7", domain="programming", problem="Do it.", answer=None, verifier="code", tests=tests)


DOUBLE = program(kind="assert", setup="import math", asserts=["assert double(3) == 6", "assert double(-1) == -2", "assert double(0) == 0"])
CHECK = program(kind="assert", asserts=["def check(f):\n    assert f([2, 1]) == [1, 2]\n\ncheck(Solution().sort)"])
SUM = program(kind="stdio", cases=[{"input": "1 2\n", "output": "3\n"}, {"input": "0.5 0.25", "output": "0.75"}])
SUM_BLOCK = "```python\na, b = map(float, input().split())\nprint({})\n```"

GRADED = [
    (DOUBLE, "```python\ndef double(x):\n    return 2 * x\n```", Outcome.CORRECT),
    (DOUBLE, "```python\ndef double(x):\n    return int(math.copysign(2, x)) * abs(x)\n```", Outcome.CORRECT),
    (DOUBLE, "```python\ndef double(x):\n    return 6\n```", Outcome.WRONG),
    (DOUBLE, "```python\ndef double(x):\n    return x + 3\n```", Outcome.WRONG),
    (DOUBLE, "```python\ndef triple(x):\n    return 3 * x\n```", Outcome.CRASH),
    (DOUBLE, "```python\nimport os\nos._exit(0)\n```", Outcome.CRASH),
    (DOUBLE, "def double(x): return 2 * x", Outcome.UNPARSED),
    (DOUBLE, "```python\ndef double(x):\n    return 2 * x", Outcome.UNPARSED),
    (CHECK, "```python\nclass Solution:\n    def sort(self, a):\n        return sorted(a)\n```", Outcome.CORRECT),
    (CHECK, "```python\nclass Solution:\n    def sort(self, a):\n        return a\n```", Outcome.WRONG),
    (SUM, SUM_BLOCK.format("a + b"), Outcome.CORRECT),
    (SUM, SUM_BLOCK.format("3"), Outcome.WRONG),
    (SUM, SUM_BLOCK.format("'passed'"), Outcome.WRONG),
    (SUM, SUM_BLOCK.format("a / 0"), Outcome.CRASH),
]


@isolated
@pytest.mark.parametrize(("problem", "text", "outcome"), GRADED)
def test_programs(problem, text, outcome):
    assert grade(problem, text) is outcome


@isolated
def test_an_endless_program_is_a_timeout(monkeypatch):
    monkeypatch.setattr(programs, "run", lambda *a, **k: execute.run(*a, **k, limits=execute.Limits(cpu_seconds=1)))
    assert grade(DOUBLE, "```python\nwhile True: pass\n```") is Outcome.TIMEOUT


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("```python\na\n```", "a\n"),
        ("First\n```python\na\n```\nbetter\n```python\nb\n```\n", "b\n"),
        ("```py\na\n```", "a\n"),
        ("```\na\n```", "a\n"),
        ("1. so\n   ```python\n   if a:\n     b\n   ```", "if a:\n  b\n"),
        ("```bash\nls\n```\nthen\n```python\na\n```", "a\n"),
        ("```python\na\n```\nwhich prints\n```text\n1\n```", "a\n"),
        ("```python\na\n```\n```python\nb", "a\n"),
        ("```python\na = '```'\n```", "a = '```'\n"),
        ("```bash\nls\n```", None),
        ("```python\n```", None),
        ("no code", None),
    ],
)
def test_the_last_block_counts(text, found):
    assert extract_program(text) == extract_answer(DOUBLE, text) == found


@pytest.mark.parametrize(
    ("gold", "output", "same"),
    [
        ("1 2\n3\n", "1 2 3", True),
        ("0.5", "0.50000001", True),
        ("0.5", "0.501", False),
        ("2", "2.0", True),
        ("1000000", "1000001", False),
        ("YES", "yes", False),
        ("a.b", "a.c", False),
        ("1", "", False),
        ("", "\n", True),
        ("1 1", "1", False),
    ],
)
def test_outputs(gold, output, same):
    assert same_output(gold, output) is same


def test_a_sandbox_that_breaks_stops_the_work(monkeypatch):
    broken = Run(Ending.SANDBOX_ERROR, "", "", Isolation.BWRAP)
    monkeypatch.setattr(programs, "run", lambda *_, **__: broken)
    assert grade(SUM, SUM_BLOCK.format("a + b")) is Outcome.SANDBOX_ERROR
    with pytest.raises(WorkFailed, match="'p7'"):
        grade_all([(SUM, SUM_BLOCK.format("a + b"))])


def test_a_machine_without_isolation_refuses_programs(monkeypatch):
    monkeypatch.setattr(execute, "works", lambda level: False)
    monkeypatch.delenv(execute.CHOICE, raising=False)
    execute._choose.cache_clear()
    text = Problem(id="e", domain="number", problem="?", answer="1", verifier="exact")
    assert isolation_of([text]) is None
    for refused in (lambda: isolation_of([text, SUM]), lambda: grade(SUM, SUM_BLOCK.format("3"))):
        with pytest.raises(Refused, match="cannot be isolated"):
            refused()
    execute._choose.cache_clear()


@isolated
def test_the_level_of_isolation_can_be_recorded(monkeypatch):
    monkeypatch.delenv(execute.CHOICE, raising=False)
    assert isolation_of([DOUBLE]) in (Isolation.BWRAP, Isolation.NAMESPACES)
