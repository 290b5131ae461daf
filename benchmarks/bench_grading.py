"""Grading: MATH-like answers a second on one core and on two, and how long others wait for an answer that times out.

    python benchmarks/bench_grading.py [--answers N]

Each answer needs math-verify: none is a number that is written out. Run by `make bench`, on a machine that does nothing else.
"""

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, product

from hista_repro.problems.grading.math_pool import MathPool

FORMS = (
    (r"\frac{{{a}\sqrt{{{b}}}}}{{{c}}}", r"\frac{{{a}}}{{{c}}}\sqrt{{{b}}}"),
    (r"({a}, {b}, \frac{{{a}}}{{{c}}})", r"\left( {a}, {b}, \frac{{{a}}}{{{c}}} \right)"),
    (r"{a}x^2 + {b}x + {c}", r"{c} + {b}x + {a}x^2"),
    (r"\begin{{pmatrix}} {a} & {b} \\ {c} & {a} \end{{pmatrix}}", r"\begin{{pmatrix}} {a} & {b} \\ {c} & {b} \end{{pmatrix}}"),
    (r"\left(-\infty, {a}\right] \cup [{a}{b}, \infty)", r"(-\infty,{a}] \cup [{a}{b},\infty)"),
    (r"{a}\pi - \frac{{{b}}}{{{c}}}", r"\frac{{{a}\cdot {c}\pi - {b}}}{{{c}}}"),
)
"""Gold answers and answers, in the forms of MATH."""


def pairs(count: int) -> list[tuple[str, str]]:
    """`count` different comparisons."""
    numbers = product(range(2, 40), (2, 3, 5, 7, 11), (3, 4, 7, 9))
    made = ((gold.format(a=a, b=b, c=c), answer.format(a=a, b=b, c=c)) for a, b, c in numbers for gold, answer in FORMS)
    return list(islice(made, count))


def rate(processes: int, asked: list[tuple[str, str]]) -> float:
    """Answers a second, with so many processes that are warm."""
    pool = MathPool(processes)
    with ThreadPoolExecutor(2 * processes) as threads:
        list(threads.map(lambda pair: pool.compare(*pair), [("x+1", "1+x"), ("y+1", "1+y")] * processes))
        began = time.perf_counter()
        list(threads.map(lambda pair: pool.compare(*pair), asked))
        seconds = time.perf_counter() - began
    pool.stop()
    return len(asked) / seconds


def wait_behind_endless(pool: MathPool, endless: int) -> float:
    """The longest of 40 comparisons, in seconds, while `endless` others run into their limit."""
    with ThreadPoolExecutor(endless + 2) as threads:
        stuck = [threads.submit(pool.compare, "5", r"9^{9^{9^9}}") for _ in range(endless)]
        time.sleep(0.05)
        waits = []
        for number in range(40):
            began = time.perf_counter()
            pool.compare(f"x+{number}", f"{number}+x")
            waits.append(time.perf_counter() - began)
        assert not any(future.done() for future in stuck), "the limit came first"
    return max(waits)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=600)
    asked = pairs(parser.parse_args().answers)
    one, two = rate(1, asked), rate(2, asked)
    print(
        f"math-verify, {len(asked)} answers: {one:.0f}/s in one process, {two:.0f}/s in two ({two / one:.2f} times), {os.cpu_count()} cores"
    )
    pool = MathPool(2)
    for number in range(4):
        pool.compare(f"y+{number}", f"{number}+y")
    for endless in (1, 2):
        print(f"{endless} answers without end beside them: others wait {wait_behind_endless(pool, endless):.2f} s at most")
    pool.stop()


if __name__ == "__main__":
    main()
