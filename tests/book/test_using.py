"""What the pages on using the library show, run as they stand."""

import json
import os
import re
import subprocess
import sys

import pytest
from book_prose import PROJECT

EXAMPLES = PROJECT / "book" / "_examples"
SMALLER = {
    '"Qwen/Qwen2.5-0.5B-Instruct"': "MODEL",
    'output_dir="run", num_generations=8': 'output_dir="run", num_generations=2, max_steps=1, per_device_train_batch_size=2, '
    'max_completion_length=8, use_cpu=True, report_to="none"',
    "* 64": "* 4",
}
"""What is put in the place of sizes in the README's script."""


def run(*command, folder, **environment):
    given = {**os.environ, "PYTHONPATH": str(EXAMPLES), "HISTA_REPRO_PLUGINS": "", **environment}
    return subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True, cwd=folder, env=given)


def test_the_check_of_the_worked_example_passes(tmp_path):
    ended = run(EXAMPLES / "check_survivors.py", folder=tmp_path)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.slow
def test_the_worked_example_gets_from_a_file_to_a_number(tmp_path):
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "survivors.py").write_text((EXAMPLES / "survivors.py").read_text())
    page = (PROJECT / "book" / "using" / "adding_an_estimator.md").read_text()
    commands = re.findall(r"^hista-repro (sveb .*)$", page, re.MULTILINE)
    assert [command.split()[1] for command in commands] == ["build", "score"]
    sizes = ["--limit", "6", "--group-size", "6", "--states", "2", "--references", "4", "--screen", "8"]
    for command, extra in zip(commands, (sizes, ["--json"]), strict=True):
        ended = run("-m", "hista_repro", *command.split(), *extra, folder=tmp_path, HISTA_REPRO_PLUGINS=str(plugins))
        assert ended.returncode == 0, ended.stderr
    rows = {row["estimator"]: row for row in json.loads(ended.stdout)}
    assert rows["survivors"]["information"] == "siblings" and rows["survivors"]["n_states"] == rows["loo-mean"]["n_states"] > 0


@pytest.mark.slow
def test_the_script_of_the_readme_trains(tmp_path, random_model):
    (script,) = re.findall(r"```python\n(from datasets .*?trainer\.save_model\(.*?\)\n)```", (PROJECT / "README.md").read_text(), re.DOTALL)
    for written, smaller in SMALLER.items():
        assert script.count(written) == 1
        script = script.replace(written, smaller.replace("MODEL", repr(str(random_model))))
    (tmp_path / "script.py").write_text(script)
    ended = run("script.py", folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "train_loss" in ended.stdout + ended.stderr
