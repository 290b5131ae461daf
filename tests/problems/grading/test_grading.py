import pytest
from hypothesis import given
from hypothesis import strategies as st

from hista_repro.problems import Outcome, Problem, extract_answer, grade, grade_all
from hista_repro.problems.grading import math_pool
from hista_repro.problems.grading.math_pool import MathPool
from hista_repro.problems.grading.quantities import compare_quantities

CORRECT, WRONG, UNPARSED = Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED


def math(answer):
    return Problem(id="m", domain="math", problem="How many?", answer=answer, verifier="math")


def exact(answer, **meta):
    return Problem(id="e", domain="number", problem="How many?", answer=answer, verifier="exact", meta=meta)


def choice(answer, *choices):
    return Problem(id="c", domain="science", problem="Which?", answer=answer, verifier="choice", choices=choices or ("10", "20", "30", "x"))


# labelled by hand
QUANTITIES = [
    ("1/2", "0.5", CORRECT),
    ("0.5", r"\frac{1}{2}", CORRECT),
    (r"\frac{1}{2}", r"\frac12", CORRECT),
    (r"\frac{1}{2}", "2", WRONG),
    ("1000", "1,000", CORRECT),
    ("1,000", "1000", CORRECT),
    ("10000", r"10,\!000", CORRECT),
    ("1000", "1,00", WRONG),
    ("7", "007", CORRECT),
    ("7", "-7", WRONG),
    ("7", "7.", CORRECT),
    ("7", "$7$", CORRECT),
    ("2", "2.0", CORRECT),
    ("1/3", "0.333", WRONG),
    (r"\sqrt{8}", r"2\sqrt{2}", CORRECT),
    ("x^2+2x+1", "(x+1)^2", CORRECT),
    (r"\{1,2,3\}", r"\{3,2,1\}", CORRECT),
    (r"\{1,2,3\}", r"\{1,2\}", WRONG),
    ("1,2,3", "3, 2, 1", CORRECT),
    ("(1,2)", "(1, 2)", CORRECT),
    ("(1,2)", "[1,2]", WRONG),
    ("(1,2)", "(2,1)", WRONG),
    (r"(-\infty, 2]", r"(-\infty,2]", CORRECT),
    (r"x \le 2", r"(-\infty,2]", CORRECT),
    (r"(-\infty,2]", r"x \le 2", CORRECT),
    ("5", r"5\text{ cm}", CORRECT),
    (r"5\text{ cm}", "5", CORRECT),
    ("76", r"76^\circ", CORRECT),
    ("5", r"\$5.00", CORRECT),
    ("5", "x=5", CORRECT),
    ("1.85e5", "185000", CORRECT),
    ("1.85e5", r"1.85 \times 10^5", CORRECT),
    (r"\text{even}", "even", CORRECT),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}1\\3\end{pmatrix}", WRONG),
    (r"\infty", "1e99999", WRONG),
    (r"\infty", r"\frac{1}{0}", WRONG),
    ("5", "", UNPARSED),
    ("5", r"\frac{", WRONG),
]


@pytest.mark.parametrize(("gold", "answer", "outcome"), QUANTITIES)
def test_quantities(gold, answer, outcome):
    assert compare_quantities(gold, answer) is outcome


DIGITS = st.text("0123456789", min_size=1, max_size=30)


@given(DIGITS, DIGITS, st.integers(1, 2000))
def test_integers_of_any_length_are_compared_as_numbers(gold, answer, times):
    gold, answer = gold * times, answer * times
    assert compare_quantities(gold, answer) is (CORRECT if gold.lstrip("0") == answer.lstrip("0") else WRONG)
    assert compare_quantities(gold, f"+0{gold}") is compare_quantities(f"-0{gold}", f"-{gold}") is CORRECT


@pytest.mark.parametrize("answer", ["7" * 5000, "1e" + "9" * 5000, "1e-" + "9" * 5000])
@pytest.mark.parametrize("gold", ["5", "1/2", "1e5"])
def test_a_number_that_python_does_not_convert_is_wrong_and_ends_nothing(gold, answer):
    assert grade_all([(math(gold), rf"\boxed{{{answer}}}"), (math("5"), r"\boxed{5}")]) == [WRONG, CORRECT]


TEXTS = [
    (math("5"), r"So \boxed{5}.", CORRECT),
    (math("5"), r"First \boxed{4}, rather \boxed{5}.", CORRECT),
    (math("5"), r"First \boxed{5}, rather \boxed{4}.", WRONG),
    (math("1/2"), r"\boxed{\frac{1}{2}}", CORRECT),
    (math(r"\frac{1}{2}"), r"\boxed{\text{it is }\boxed{\frac{1}{2}}}", CORRECT),
    (math(r"\{1\}"), r"\boxed{\{1\}}", CORRECT),
    (math("5"), r"\boxed{5", UNPARSED),
    (math("5"), r"\boxed{5} or rather \boxed{6", UNPARSED),
    (math("5"), "It must be 5.", UNPARSED),
    (math("5"), "", UNPARSED),
    (math("5"), "The answer is 5.", CORRECT),
    (math("3.5"), "The final answer is 3.5. Now I check it.", CORRECT),
    (math("5"), "**Answer:** 5", CORRECT),
    (math("5"), "The answer isn't clear", UNPARSED),
    (exact("14", style="worked"), " 9 + 2 = 11. 11 + 3 = 14. The answer is 14.", CORRECT),
    (exact("14", style="worked"), " 9 + 2 = 11. 11 + 3 = 15. The answer is 15.", WRONG),
    (exact("14", style="worked"), " 9 + 2 = 11. 11 + 3 = 14.", UNPARSED),
    (exact("15", style="steps"), "2-9=-7;-7-3=-10;-10+25=15A:15", CORRECT),
    (exact("15", style="steps"), "2-9=-7;-7-3=-10;-10+25=15A:-15", WRONG),
    (exact("15", style="steps"), "A:14;2A:15", CORRECT),
    (exact("15", style="steps"), "2-9=-7;-7-3=-10", UNPARSED),
    (exact("15", style="steps"), "2-9=-7A:", UNPARSED),
    (exact("yes"), r"\boxed{Yes}", CORRECT),
    (exact("True"), r"\boxed{\text{true}}", CORRECT),
    (exact("CO"), r"\boxed{\mathrm{CO}}", CORRECT),
    (exact("CO"), r"\boxed{Co}", WRONG),
    (choice("A"), r"\boxed{A}", CORRECT),
    (choice("A"), r"\boxed{\text{(A)}}", CORRECT),
    (choice("A"), r"\boxed{\textbf{A}}", CORRECT),
    (choice("A"), r"\boxed{a}", CORRECT),
    (choice("A"), r"\boxed{A. 10}", CORRECT),
    (choice("A"), r"\boxed{\text{A) 10}}", CORRECT),
    (choice("A"), r"\boxed{\text{Option A}}", CORRECT),
    (choice("A"), r"\boxed{B}", WRONG),
    (choice("A"), r"\boxed{10}", CORRECT),
    (choice("A"), r"\boxed{A and B}", UNPARSED),
    (choice("A"), r"\boxed{\text{Apples}}", UNPARSED),
    (choice("A"), "The answer is (A).", CORRECT),
    (choice("C"), "The correct answer is C: 30.", CORRECT),
    (choice("A"), "I would say A", UNPARSED),
    (choice("C", "A", "B", "AB", "O"), r"\boxed{AB}", CORRECT),
    (choice("A", "same", "same"), r"\boxed{same}", UNPARSED),
]


@pytest.mark.parametrize(("problem", "text", "outcome"), TEXTS)
def test_completions(problem, text, outcome):
    assert grade(problem, text) is outcome


def test_the_answer_itself_can_be_had():
    assert extract_answer(math("5"), r"so \boxed{ \frac{1}{2} }") == r"\frac{1}{2}"
    assert extract_answer(choice("A"), r"\boxed{\text{(b)}}") == "B"
    assert extract_answer(exact("15", style="steps"), "no") is None


def test_many_completions_are_graded_in_order():
    pairs = [(math(str(i)), rf"\boxed{{{i if i % 3 else i + 1}}}") for i in range(50)]
    assert grade_all(pairs) == [CORRECT if i % 3 else WRONG for i in range(50)]
    assert grade_all([]) == []


def test_plain_answers_need_no_grader(monkeypatch):
    monkeypatch.setattr(math_pool, "_start", lambda: pytest.fail("started math-verify"))
    monkeypatch.setattr(math_pool, "_pool", MathPool())
    compare_quantities.cache_clear()
    assert grade(math("1,234"), r"\boxed{1234}") is CORRECT
    assert grade(math("1234"), r"\boxed{1235}") is WRONG
    assert grade(math(r"\frac{x}{2}"), r"\boxed{\frac{x}{2}}") is CORRECT


def test_each_text_of_a_problem_is_graded_once(monkeypatch):
    one, other = (Problem(id=gold, domain="number", problem="?", answer=gold, verifier="exact") for gold in "23")
    graded = []

    def counted(problem, text, verifier=None):
        graded.append((problem.id, text))
        return grade(problem, text, verifier)

    monkeypatch.setattr("hista_repro.problems.grading.grade", counted)
    two, three = "the answer is 2", "the answer is 3"
    outcomes = grade_all([(one, two), (one, three), (other, two), (one, two), (other, three), (other, two)])
    assert sorted(graded) == [("2", two), ("2", three), ("3", two), ("3", three)]
    assert outcomes == [Outcome.CORRECT, Outcome.WRONG, Outcome.WRONG, Outcome.CORRECT, Outcome.CORRECT, Outcome.WRONG]
