import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pandas as pd
import pytest

from hista_repro.benchmarks import EvaluationConfig
from hista_repro.cli import _parser, main
from hista_repro.errors import Refused
from hista_repro.estimators import get_estimator
from hista_repro.sveb import BuildConfig, score

ROW = {"id": "a", "domain": "number", "problem": "1+1?", "answer": "2", "verifier": "exact"}
BUILD = ["sveb", "build", "--model", "tiny", "--problems", "arithmetic-steps", "--limit", "4", "--group-size", "4", "--states", "1"]
BUILD += ["--references", "2", "--draws", "3", "--screen", "8", "--temperature", "1.0", "--max-tokens", "96"]


def _refusal(capsys, arguments):
    """The one line on standard error that a refused command prints; asserts exit code 2 and an empty standard output."""
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as stopped:
        code = stopped.code
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1, captured.err
    return captured.err


def _with(changes):
    """The small build with options replaced."""
    options = dict(zip(BUILD[2::2], BUILD[3::2], strict=True)) | changes
    return [*BUILD[:2], *(text for pair in options.items() for text in map(str, pair))]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "build"
    assert main([*BUILD, "--out", str(folder)]) == 0
    return folder


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"--model": "no/such/model"}, "no/such/model"),
        ({"--problems": "no-such-source"}, "no-such-source"),
        ({"--group-size": "1"}, "group-size must be an integer of at least 2, not 1"),
        ({"--group-size": "many"}, "invalid int value: 'many'"),
        ({"--temperature": "0"}, "temperature must be above 0"),
        ({"--engine": "magic"}, "engine must be one of transformers, vllm"),
        ({"--no-such-option": "1"}, "--no-such-option"),
    ],
)
def test_a_build_that_cannot_be_is_refused_in_one_line_and_writes_nothing(tmp_path, capsys, changes, message):
    out = tmp_path / "out"
    assert message in _refusal(capsys, [*_with(changes), "--out", out])
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "holds no problems"),
        ([json.dumps(ROW), "{"], "line 2: not JSON"),
        ([json.dumps(ROW), "", json.dumps({**ROW, "id": "b", "answer": None})], "line 3: answer must be a non-empty string"),
        ([json.dumps({name: ROW[name] for name in ROW if name != "verifier"})], "line 1: the field 'verifier' is missing"),
        ([json.dumps(ROW), json.dumps(ROW)], "line 2: the id 'a' is used twice"),
        ([json.dumps({**ROW, "domain": "poetry"})], "line 1: domain 'poetry' is none of"),
        (["[1]"], "line 1: expected a JSON object, not list"),
    ],
)
def test_a_malformed_problem_file_is_refused_with_its_line(tmp_path, capsys, lines, message):
    source = tmp_path / "problems.jsonl"
    source.write_text("\n".join(lines))
    error = _refusal(capsys, [*_with({"--problems": source}), "--out", tmp_path / "out"])
    assert message in error and str(source) in error
    assert os.listdir(tmp_path) == ["problems.jsonl"]


def test_an_unwritable_folder_is_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert "cannot write to" in _refusal(capsys, [*BUILD, "--out", tmp_path / "file" / "out"])


def test_another_configuration_is_refused_and_loses_nothing(built, capsys):
    before = {path.name: path.read_bytes() for path in built.iterdir()}
    assert "seed (there 0, asked 7)" in _refusal(capsys, [*BUILD, "--seed", "7", "--out", built])
    assert {path.name: path.read_bytes() for path in built.iterdir()} == before


def test_scores_are_one_json_document_on_standard_output(built, capsys):
    assert main(["sveb", "score", str(built), "--estimators", "loo-mean,group-mean,mcs-1", "--json"]) == 0
    captured = capsys.readouterr()
    rows = json.loads(captured.out)
    assert {row["estimator"] for row in rows} == {"loo-mean", "group-mean", "mcs-1"}
    assert (built / "scores.parquet").exists()


def _stored(folder):
    """Estimator -> its estimates in `scores.parquet`."""
    return {name: rows["estimate"].tolist() for name, rows in pd.read_parquet(folder / "scores.parquet").groupby("estimator", sort=False)}


@pytest.fixture
def own_build(built, tmp_path):
    """A copy of the build, without scores."""
    return shutil.copytree(built, tmp_path / "copy", ignore=shutil.ignore_patterns("scores.parquet"))


def test_the_baseline_is_scored_with_what_is_asked_for_and_earlier_scores_stay(own_build, monkeypatch, capsys):
    def printed(*arguments):
        assert main(["sveb", "score", str(own_build), *arguments, "--json"]) == 0
        return {row["estimator"]: row for row in json.loads(capsys.readouterr().out)}

    assert printed("--estimators", "hista-position").keys() == {"hista-position", "loo-mean"}
    first = _stored(own_build)
    rows = printed("--estimators", "ramp", "--baseline", "group-mean")
    assert rows.keys() == {"ramp", "group-mean"} and rows["group-mean"]["mae_diff"] == 0
    assert _stored(own_build).keys() == {"hista-position", "loo-mean", "ramp", "group-mean"}
    assert {name: _stored(own_build)[name] for name in first} == first
    monkeypatch.setattr(sys.modules["hista_repro.sveb.score"], "available_estimators", lambda: ["ramp", "ppo-1"])
    assert printed("--baseline", "group-mean").keys() == {"ramp", "group-mean"}


def test_estimators_of_other_settings_take_the_place_of_their_names(own_build):
    score(own_build, ["hista-released", "loo-mean"])
    before = _stored(own_build)
    again = score(own_build, [get_estimator("hista-released", alpha=0.0), "ramp", "ramp"])
    assert again["estimator"].unique().tolist() == ["hista-released", "ramp"]
    after = _stored(own_build)
    assert after["loo-mean"] == before["loo-mean"] and after["hista-released"] == again["estimate"][: len(before["loo-mean"])].tolist()
    with pytest.raises(Refused, match="share a name"):
        score(own_build, ["hista-released", get_estimator("hista-released", alpha=0.0)])
    assert _stored(own_build) == after


@pytest.mark.parametrize("arguments", [("--baseline", "crystal-ball"), ("--estimators", ","), ("--estimators", "ramp,crystal-ball")])
def test_scores_that_cannot_be_compared_are_refused_before_any_is_written(own_build, capsys, arguments):
    _refusal(capsys, ["sveb", "score", own_build, *arguments])
    assert not (own_build / "scores.parquet").exists()


def test_scores_of_other_states_are_refused_and_stay(own_build, capsys):
    score(own_build, ["loo-mean"])
    path = own_build / "scores.parquet"
    pd.read_parquet(path).iloc[1:].to_parquet(path)
    before = path.read_bytes()
    assert "holds scores of other states" in _refusal(capsys, ["sveb", "score", own_build, "--estimators", "ramp"])
    assert path.read_bytes() == before


def test_a_preset_gives_the_settings_that_options_do_not(tmp_path, capsys):
    small = ["--limit", "4", "--group-size", "4", "--states", "1", "--references", "2", "--screen", "8", "--max-tokens", "96"]
    assert main(["sveb", "build", "--preset", "smoke/tiny", *small, "--out", str(tmp_path / "build")]) == 0
    config = BuildConfig.from_dict(json.loads((tmp_path / "build" / "manifest.json").read_text())["config"])
    assert config == BuildConfig("tiny", "arithmetic-steps", None, 4, 4, 1, references=2, screen=8, max_tokens=96, temperature=1.0)
    assert "states share their text with another rollout" in capsys.readouterr().out


def test_a_table_of_scores_says_what_each_row_may_look_at(built, capsys):
    assert main(["sveb", "score", str(built), "--estimators", "loo-mean,ramp"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("siblings" in line and "loo-mean" in line for line in lines)
    assert any("own-return" in line and "ramp" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sveb", "score", "no-such-folder"], "holds no build"),
        (["sveb", "score", "{built}", "--estimators", "crystal-ball"], "unknown estimator 'crystal-ball'"),
        (["run", "table-99"], "table-99"),
        (["run", "table-04", "--profile", "galaxy"], "galaxy"),
        (["run", "table-04", "-p", "modle=tiny"], "modle"),
        (["run", "table-04", "-p", "builds=3"], "builds"),
        (["run", "table-04", "-p", "model"], "-p takes NAME=VALUE, not 'model'"),
        (["sveb", "build", "--preset", "real/numbr", "--out", "x"], "profile real names no build 'numbr'; did you mean 'number'?"),
        (
            ["sveb", "build", "--preset", "number", "--out", "x"],
            "--preset names a profile and one of its builds, such as real/number, not 'number'",
        ),
        (["sveb", "build", "--model", "tiny", "--out", "x"], "a build needs the setting 'problems'"),
        ([], "the following arguments are required"),
        (["dance"], "invalid choice: 'dance'"),
    ],
)
def test_other_requests_that_cannot_be_met(built, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.setenv("HISTA_REPRO_RECORDS", str(tmp_path))
    error = _refusal(
        capsys, [argument.format(built=built) for argument in arguments] + (["--out", tmp_path / "run"] if "run" in arguments else [])
    )
    assert message in error
    assert os.listdir(tmp_path) == []


def test_the_list_names_every_artifact(capsys):
    assert main(["list", "--json"]) == 0
    assert {"table-04", "figure-07", "figure-08"} <= {row["id"] for row in json.loads(capsys.readouterr().out)}


def test_the_status_fits_a_terminal(monkeypatch, capsys):
    stale = {"state": "stale", "changed": ["source", "outputs"], "parameters": {"builds": ["a build"] * 50}, "error": None}
    monkeypatch.setattr(
        "hista_repro.runner.status", lambda: [{"id": "table-01", "title": "Error", **stale}, {"id": "table-02", "state": "not run"}]
    )
    assert main(["status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "source, outputs" in lines[1] and "None" not in lines[1] and max(map(len, lines)) < 60
    assert main(["status", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)[0]["parameters"]["builds"]) == 50


def test_the_module_is_the_command():
    finished = subprocess.run([sys.executable, "-m", "hista_repro", "--version"], capture_output=True, text=True)
    assert finished.returncode == 0 and finished.stdout.startswith("hista-repro ")


def test_a_missing_extra_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "hista_repro.runner", None)
    assert "this command needs hista_repro.runner; pip install 'hista-repro[book]'" in _refusal(capsys, ["list"])


def test_a_reader_that_has_seen_enough_is_no_error():
    command = f"{sys.executable} -m hista_repro list | true; exit ${{PIPESTATUS[0]}}"
    finished = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert finished.returncode == 0 and finished.stderr == ""


def test_what_is_adopted_becomes_a_record_of_the_checkout(built, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("HISTA_REPRO_RECORDS", raising=False)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "_toc.yml").touch()
    monkeypatch.chdir(tmp_path)
    assert main(["adopt", str(built)]) == 0
    printed = Path(capsys.readouterr().out.strip())
    assert printed.parent == tmp_path / "runs" / "records" and (printed / "references.parquet").exists()
    assert "holds no build (manifest.json is missing)" in _refusal(capsys, ["adopt", tmp_path / "nothing"])


def _commands(parser):
    """(name, parser) of every command."""
    parser.add_fields()
    yield parser.prog, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _commands(command)


def test_every_option_says_what_it_means():
    options = [(name, action) for name, parser in _commands(_parser()) for action in parser._actions]
    assert [(name, action.dest) for name, action in options if not action.help and not isinstance(action, argparse._SubParsersAction)] == []


@pytest.mark.parametrize("config", [BuildConfig, EvaluationConfig])
def test_help_has_the_default_of_every_setting_and_what_may_be_chosen(config, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([*({BuildConfig: ["sveb", "build"], EvaluationConfig: ["evaluate"]}[config]), "--help"])
    options = dict(re.findall(r"^  --([a-z-]+)(.*?)(?=^  -|\Z)", capsys.readouterr().out, re.MULTILINE | re.DOTALL))
    for field in fields(config):
        text = re.sub(r"\s+", " ", options[field.name.replace("_", "-")])
        if type(field.default) in (int, float, str):
            assert text.rstrip().endswith(f"(default: {field.default})"), field.name
    assert "{transformers,vllm,served}" in options["engine"] and "{float32,bfloat16,float16}" in options["dtype"]
