import pytest
from hypothesis import given
from hypothesis import strategies as st

from hista_repro.benchmarks.plain_grader import same_quantity, second_opinion
from hista_repro.problems.problem import Problem


@pytest.mark.parametrize(
    ("gold", "answer", "same"),
    [
        ("12", "12", True),
        ("12", "12.0", True),
        ("12", "13", False),
        ("1234", "1,234", True),
        (r"\frac{1}{2}", "0.5", True),
        (r"\frac{1}{2}", r"\dfrac{1}{2}", True),
        (r"-\frac{1}{2}", "-1/2", True),
        (r"\frac{1}{3}", "0.333", False),
        ("0.0000025", r"2.5 \times 10^{-6}", True),
        ("2.5e-6", "0.0000025", True),
        (r"\$5", "5", True),
        (r"50\%", "50", True),
        (r"30^\circ", "30", True),
        (r"\text{5 cm}", "5cm", True),
        (r"\left(1, 2\right)", "(1,2)", True),
        (r"\sqrt{8}", r"2\sqrt{2}", None),
        ("x+1", "1+x", None),
        ("1/0", "1", None),
        (".5", "0.5", True),
        ("1e400", "1" + "0" * 400, True),
        ("5", "1e999", False),
        ("0", "1e-999", False),
        ("5", "1e1000000", None),
        ("5", "7" * 5000, None),
        ("7" * 5000, r"\frac{" + "7" * 5000 + "}{1}", None),
    ],
)
def test_quantities_as_plain_text_and_numbers(gold, answer, same):
    assert same_quantity(gold, answer) is same


@given(st.integers(1, 10**400), st.integers(-1500, 1500) | st.integers())
def test_numbers_of_any_size_are_compared_or_left_open(mantissa, exponent):
    number, doubled = f"{mantissa}e{exponent}", f"{2 * mantissa}e{exponent}"
    other_form = rf"{mantissa}0 \times 10^{{{exponent - 1}}}"
    opinions = same_quantity(number, other_form), same_quantity(number, doubled), same_quantity("0", number)
    assert opinions == (True, False, False) or (abs(exponent) >= 999 and set(opinions) <= {None, False})


def problem(answer, verifier, **fields):
    return Problem(id="p", domain="math", problem="?", answer=answer, verifier=verifier, **fields)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (r"So \boxed{B}.", True),
        (r"So \boxed{\text{B}}.", True),
        (r"So \boxed{(B) no}.", True),
        (r"\boxed{B}, no: \boxed{C}", False),
        ("The answer is B.", True),
        ("The answer is (B).", True),
        ("Answer: **B**", True),
        ("Answer: A", False),
        ("Both", False),
    ],
)
def test_letters_are_searched_in_the_text(text, right):
    assert second_opinion(problem("B", "choice", choices=("x", "y", "z")), text, None) is right


@pytest.mark.parametrize(("answer", "right"), [("yes", True), ("Yes.", True), ("no", False), (None, False)])
def test_words(answer, right):
    assert second_opinion(problem("yes", "exact"), "…", answer) is right


@pytest.mark.parametrize(
    ("program", "right"),
    [
        ("def f(x):\n    return x + 1", True),
        ("def f(x):\n    return x", False),
        ("def f(x):\n    return x +", False),
        ("import sys\nsys.exit(0)", False),
        (None, False),
    ],
)
def test_programs_run_as_one_script_with_their_tests(program, right):
    tests = {"kind": "assert", "setup": "import math", "asserts": ["assert f(1) == 2", "for x in range(3):\n    assert f(x) == x + 1"]}
    assert second_opinion(problem(None, "code", tests=tests), "…", program) is right


def test_of_programs_that_print_plain_means_cannot_tell():
    tests = {"kind": "stdio", "cases": [{"input": "1", "output": "2"}]}
    assert second_opinion(problem(None, "code", tests=tests), "…", "print(int(input()) + 1)") is None
