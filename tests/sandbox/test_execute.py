import sys

import pytest

from hista_repro.errors import Refused
from hista_repro.sandbox import Ending, Isolation, Limits, chosen, execute, run, works


@pytest.fixture(params=list(Isolation))
def level(request):
    if not works(request.param):
        pytest.skip(f"{request.param} does not work on this machine")
    return request.param


@pytest.fixture
def isolated():
    """The best level of isolation that this machine gives."""
    for level in (Isolation.BWRAP, Isolation.NAMESPACES):
        if works(level):
            return level
    pytest.skip("this machine gives no isolation")


def test_a_program_reads_its_input_and_writes_its_output(level):
    ran = run("import sys\nprint(input()[::-1])\nprint(sys.stdin.read(), end='')", stdin="añb\nrest\n", isolation=level)
    assert (ran.ending, ran.stdout, ran.stderr, ran.isolation) == (Ending.FINISHED, "bña\nrest\n", "", level)


def test_the_interpreter_is_the_one_that_runs_this(level):
    assert run("import sys; print(sys.version, sys.base_prefix)", isolation=level).stdout == f"{sys.version} {sys.base_prefix}\n"


def test_the_libraries_are_the_standard_ones(level):
    program = (
        "import importlib.util, sys\nprint([path for path in sys.path if 'site-packages' in path or 'dist-packages' in path])\n"
        "print([name for name in ('pip', 'numpy', 'pytest', 'hista_repro') if importlib.util.find_spec(name)])\n"
        "import ast, bisect, collections, decimal, fractions, functools, heapq, itertools, json, math, random, re, statistics, typing"
    )
    ran = run(program, isolation=level)
    assert (ran.ending, ran.stdout) == (Ending.FINISHED, "[]\n[]\n")


def test_a_large_input_arrives_whole(level):
    assert run("import sys; print(len(sys.stdin.read()))", stdin="x" * 3_000_000, isolation=level).stdout == "3000000\n"


ENDINGS = [
    ("pass", Ending.FINISHED),
    ("exit()", Ending.FINISHED),
    ("quit(0)", Ending.FINISHED),
    ("exit(1)", Ending.CRASH),
    ("help(abs)", Ending.FINISHED),
    ("import sys; sys.exit('sorry')", Ending.CRASH),
    ("1 / 0", Ending.CRASH),
    ("def f(:", Ending.CRASH),
    ("input()", Ending.CRASH),
    ("import os; os.abort()", Ending.CRASH),
    ("if __name__ != '__main__': 1 / 0", Ending.FINISHED),
    ("import threading; threading.Thread(target=print, args=('late',)).start()", Ending.FINISHED),
    ("from concurrent.futures import ThreadPoolExecutor as T; print(*T(4).map(abs, range(-9, 9)))", Ending.FINISHED),
    ("import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1)'], check=True)", Ending.FINISHED),
    ("from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass A:\n  a: int", Ending.FINISHED),
    ("open('note', 'w').write('x'); print(open('note').read())", Ending.FINISHED),
]


@pytest.mark.parametrize(("program", "ending"), ENDINGS)
def test_endings(program, ending, isolated):
    assert run(program).ending is ending


ASSERTED = [
    ("def f(x): return x + 1", ["assert f(1) == 2", "assert f(2) == 3"], Ending.FINISHED),
    ("def f(x): return x + 1", ["assert f(1) == 2", "assert f(2) == 4"], Ending.FAILED),
    ("def f(x): return x + 1", ["def check(g):\n    assert g(1) == 2\ncheck(f)"], Ending.FINISHED),
    ("def f(x): return 1 / 0", ["assert f(1) == 2"], Ending.CRASH),
    ("def g(x): return x", ["assert f(1) == 2"], Ending.CRASH),
    ("def f(x): return x + 1\nif __name__ == '__main__': f(int(input()))", ["assert f(1) == 2"], Ending.FINISHED),
    ("def f(x):\n    while True: pass", ["assert f(1) == 2"], Ending.TIMEOUT),
    ("print('x' * 100)\ndef f(x): return print(x) or 2", ["assert f(1) == 2"], Ending.FINISHED),
]


@pytest.mark.parametrize(("program", "asserts", "ending"), ASSERTED)
def test_asserts(program, asserts, ending, isolated):
    assert run(program, asserts=asserts, limits=Limits(cpu_seconds=1)).ending is ending


def test_a_setup_comes_before_the_program(isolated):
    program = "from __future__ import annotations\ndef f(x): return sqrt(x)"
    assert run(program, setup="from math import sqrt", asserts=["assert f(4) == 2"]).ending is Ending.FINISHED


def test_every_assert_is_run(isolated):
    asserts = [f"assert f({i}) == {i}" for i in range(3000)]
    assert run("def f(x): return x", asserts=asserts).ending is Ending.FINISHED
    assert run("def f(x): return min(x, 2998)", asserts=asserts).ending is Ending.FAILED


def test_sets_are_printed_in_the_same_order_every_time(isolated):
    assert len({run("print({'a', 'b', 'c', 'd', 'e', 'f'})").stdout for _ in range(3)}) == 1


def test_a_sandbox_that_breaks_says_nothing_about_the_program(monkeypatch, isolated):
    monkeypatch.setattr(execute, "python", lambda: "/no/such/python")
    assert run("pass", isolation=isolated).ending is Ending.SANDBOX_ERROR


def test_the_user_chooses_the_level(monkeypatch, isolated):
    monkeypatch.setenv(execute.CHOICE, "none")
    assert run("pass").isolation is chosen() is Isolation.NONE
    monkeypatch.setenv(execute.CHOICE, isolated)
    assert chosen() is isolated
    monkeypatch.setenv(execute.CHOICE, "docker")
    with pytest.raises(Refused, match=r"'docker'.*bwrap, namespaces, none"):
        chosen()


def test_a_machine_without_isolation_is_refused(monkeypatch):
    monkeypatch.setattr(execute, "works", lambda level: False)
    monkeypatch.delenv(execute.CHOICE, raising=False)
    execute._choose.cache_clear()
    with pytest.raises(Refused, match=r"bwrap and namespaces not working.*HISTA_REPRO_SANDBOX=none"):
        run("pass")
    execute._choose.cache_clear()
