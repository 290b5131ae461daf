import subprocess
import sys

import pytest

PROGRAM = """import importlib.util, sys
import {module}
print("nbformat" in sys.modules, "rfc3987_syntax" in sys.modules, importlib.util.find_spec("rfc3987_syntax") is not None)"""


@pytest.mark.parametrize("module", ["hista_repro.runner", "hista_repro.book", "hista_repro.notebook_format, papermill"])
def test_nothing_loads_the_grammar_and_who_needs_it_finds_it(module):
    pytest.importorskip("rfc3987_syntax", reason="jupyterlab brings it")
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(module=module)], capture_output=True, text=True, check=True)
    assert done.stdout == "True False True\n"
