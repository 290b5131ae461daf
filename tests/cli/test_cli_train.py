"""`hista-repro train`: settings from the file and from the command line, refusals in one line."""

import os

import pytest

from hista_repro.cli import main

CONFIG = """
problems: arithmetic-steps
estimator: numca-loo
limit: 20
prompts: 2
group_size: 2
oversampling: 1
micro_batch: 4
max_tokens: 8
steps: 1
temperature: 1.0
trl: {use_cpu: true}
"""


@pytest.fixture
def config(tmp_path, random_model):
    path = tmp_path / "run.yaml"
    path.write_text(f"model: {random_model}\nout: {tmp_path / 'run'}\n{CONFIG}")
    return path


def test_a_run_from_the_command_line(config, capsys):
    assert main(["train", str(config), "steps=2", "trl.optim=sgd"]) == 0
    assert capsys.readouterr().out == f"{config.parent / 'run'}\n"
    assert len((config.parent / "run" / "metrics.jsonl").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["steps"], "settings are given as NAME=VALUE, not 'steps'"),
        (["stpes=3"], "did you mean 'steps'"),
        (["estimator=hista"], "set allow_biased=True"),
        (["group_size=1"], "group_size must be at least 2, not 1"),
        (["model=no/such/model"], "no/such/model"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(config, capsys, arguments, message):
    assert main(["train", str(config), *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1, captured.err
    assert os.listdir(config.parent) == ["run.yaml"]
