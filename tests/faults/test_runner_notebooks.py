"""Notebooks that misbehave: the status is true, the others are made, and running again without the fault finishes."""

import pytest

from runner_checkout import FAULT, Checkout


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    checkout = Checkout(tmp_path / "checkout")
    monkeypatch.setenv("TEST_FAULT", str(tmp_path / "fault"))
    return checkout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("raise", r"In [3] raised ArithmeticError: a fault in the last cell"),
        ("die", "DeadKernelError: Kernel died"),
        ("hang", "it took longer than the 0.25 minutes that the profile allows"),
    ],
)
def test_a_notebook_that_misbehaves_in_its_last_cell(checkout, tmp_path, fault, error):
    checkout.timeout_minutes = 0.25 if fault == "hang" else 2
    checkout.add("table-01", FAULT)
    checkout.add("table-02")
    (tmp_path / "fault").write_text(fault)
    outcomes = checkout.run("table-01")
    assert (outcomes["table-01"].state, outcomes["table-01"].error) == ("failed", error)
    assert (tmp_path / "reached").exists()
    assert checkout.reported() == ["failed", "not run"] and checkout.stamp("table-01")["error"] == error
    assert set(checkout.results()) == {"failed/table-01.ipynb"}, "a result of a failed notebook is none"

    (tmp_path / "fault").unlink()
    checkout.timeout_minutes = 2
    checkout.write()
    outcomes = checkout.run(jobs=2)
    assert {name: (outcome.state, outcome.error) for name, outcome in outcomes.items()} == {
        "table-01": ("done", None),
        "table-02": ("done", None),
    }
    assert checkout.stamp("table-01")["attempts"] == 2
    assert set(checkout.results()) == {
        *("notebooks/table-01.ipynb", "notebooks/table-02.ipynb"),
        *("results/table-01.json", "results/table-02.json"),
    }


def test_a_notebook_that_floods_both_of_its_outputs_does_not_block(checkout):
    flood = "import os\nfor _ in range(64):\n    os.write(1, b'x' * 4096)\n    os.write(2, b'y' * 4096)"
    checkout.add("table-01", f"import subprocess, sys\n_ = subprocess.run([sys.executable, '-c', {flood!r}])")
    assert checkout.states() == {"table-01": "done"}


def test_a_notebook_that_leaves_early_and_says_all_is_well_fails(checkout):
    checkout.add("table-01", "import sys\nsys.exit(0)", "1")
    assert checkout.run()["table-01"].error == "In [3] raised SystemExit: 0"
