from dataclasses import replace

import pytest

from hista_repro.errors import Refused, WorkFailed
from hista_repro.problems import Outcome, Problem, extract_answer, grade, grade_all
from hista_repro.problems.grading import isolation_of, programs
from hista_repro.problems.grading.programs import allows_any_case, extract_program, same_output
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
    (DOUBLE, "def double(x): return 2 * x", Outcome.CORRECT),
    (DOUBLE, "```python\ndef double(x):\n    return 2 * x", Outcome.CORRECT),
    (DOUBLE, "```python\ndef double(x):\n    return 2 *", Outcome.UNPARSED),
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
        ("```python\na\n```\n```python\nb", "b\n"),
        ("```python\na = '```'\n```", "a = '```'\n"),
        ("```bash\nls\n```", None),
        ("```python\n```", None),
        ("```python\n# to do\n```", None),
        ("```\n[1, 2]\n```", None),
        ("```python\n>>> a\n1\n```", None),
        ("no code", None),
        ("", None),
    ],
)
def test_the_last_block_counts(text, found):
    assert extract_program(text) == extract_answer(DOUBLE, text) == found


def test_the_parts_of_a_program_are_joined_in_their_order():
    text = "```python\nimport math\n```\n```python\nx = 1\n```\n```python\ndef double(a):\n    return add(a, a)\n```\n"
    text += "```python\nprint(double(2))\n```\n```python\ndef add(a, b):\n    return a + b\n```"
    assert extract_program(text, DOUBLE) == ("import math\n\ndef double(a):\n    return add(a, a)\n\ndef add(a, b):\n    return a + b\n")


def test_what_answers_a_further_question_is_no_program():
    first, other = "```python\ndef double(x):\n    return 2 * x\n```", "```python\ndef double(x):\n    return 3 * x\n```"
    worked = replace(DOUBLE, meta={"style": "worked"})
    assert extract_program(f"\n{first}\n\nQ: Write a function.\nA:\n{other}", worked) == "def double(x):\n    return 2 * x\n"


@pytest.mark.parametrize(
    "text",
    [
        "```python\nx = " + "(" * 5000 + "\n```",
        "```python\nx = " + "-" * 100_000 + "1\n```",
        "```python\nx = a" + ".b" * 100_000 + "\n```",
        "```python\nif a: pass\n" + "elif a: pass\n" * 10_000 + "```",
        "```python\nx = '\0'\n```",
        "```python\nx = '\ud800'\n```",
        "```python\n" + "This is a line of text\n" * 5000,
        "```python\n" * 2000,
        "x```" * 5000,
        "`" * 100_000,
    ],
    ids=range(10),
)
def test_no_text_breaks_the_search(text):
    for problem in (DOUBLE, SUM, None):
        found = extract_program(text, problem)
        assert found is None or found.strip()


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
        ("2.0", "2", True),
        ("1000000007", "1000000000.0", False),
        ("1000000007.0", "1000000000", False),
        ("1000000000000000001", "1000000000000000000.0", False),
        ("1000000000000000000", "1e+18", True),
        ("123456789.5", "123456789.4", True),
        ("10.5", "1_0.5", False),
        ("0.5", "0,5", False),
        ("0.1", "nan", False),
        ("nan", "0.1", False),
        ("1e400", "inf", False),
        ("1e-07", "0.0000001", True),
        ("1.0", "1e999999999", False),
        ("1", "01", False),
        ("1", "+1", False),
        ("1.5", "9" * 5000 + ".5", False),
        ("٣.٠", "3.0", False),
    ],
)
def test_outputs(gold, output, same):
    assert same_output(gold, output) is same


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("You can print each letter in any case (upper or lower).", True),
        ("You may print every letter in any case you want.", True),
        ("You can output the answer in any case.", True),
        ('You can output "Yes" and "No" in any case (for example, "yEs").', True),
        (r"You can output $\texttt{Yes}$ and $\texttt{No}$ in any case.", True),
        ("Each letter may be printed in any register.", True),
        ("The output is case insensitive.", True),
        ("Print YES (case-insensitive) if there is one.", True),
        ("Print YES or NO.", False),
        ("The input is case-insensitive. Print how many words there are.", False),
        ("In any case, print the least number.", False),
        ("Print the word. There may be no word in any case.", False),
        ("The string consists of lowercase letters; print it in upper case.", False),
    ],
)
def test_the_statement_says_whether_case_matters(statement, allowed):
    problem = replace(SUM, problem=statement)
    assert allows_any_case(problem) is allowed
    for field in (True, False):
        assert allows_any_case(replace(problem, tests={**problem.tests, "any_case": field})) is field


def test_case_matters_unless_it_is_allowed():
    assert same_output("YES\n1", "yes 1", any_case=True) and not same_output("YES\n1", "yes 1")
    assert not same_output("YES", "NO", any_case=True)


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
