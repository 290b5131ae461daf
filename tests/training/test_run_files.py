"""Files of runs: which build on others and which hold several, and that every bundled run is one."""

import re

import pytest
from accelerate.commands.config.config_args import load_config_from_file

from hista_repro.errors import Refused
from hista_repro.estimators import get_estimator
from hista_repro.paper import paper_table
from hista_repro.training.config import read_config
from hista_repro.training.presets import PRESETS
from hista_repro.training.run_files import BUNDLED, read_settings, run_names

TABLES = {"table_03.yaml": 3, "table_05.yaml": 5, "table_06.yaml": 6, "table_07.yaml": 7, "table_08.yaml": 8}
RUNS = [(name, run) for name in TABLES for run in run_names(name)]


def written(folder, **texts):
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder / f"{next(iter(texts))}.yaml"


def test_what_is_set_above_goes_before_what_is_below(tmp_path):
    base = "model: tiny\nproblems: arithmetic-steps\nout: runs\ntrl: {optim: sgd, top_k: 5}\n"
    path = written(tmp_path, top="extends: base.yaml\nruns:\n  a: {trl: {top_k: 0}, seed: 3}\n  b: {}\n", base=base)
    config = read_config(path, {"run": "a", "trl.min_p": "0.1"})
    assert (config.model, config.seed, config.trl) == ("tiny", 3, {"optim": "sgd", "top_k": 0, "min_p": 0.1})
    assert config.out.replace("\\", "/") == "runs/a"
    assert read_config(path, {"run": "b", "out": "here"}).out == "here"


@pytest.mark.parametrize(
    ("text", "run", "message"),
    [
        ("runs: {a: {}, bc: {}}", None, "choose one with run=NAME, where NAME is one of a, bc"),
        ("runs: {a: {}, bc: {}}", "bd", "holds no run 'bd'; there are a, bc"),
        ("runs: [a]", "a", "must be a mapping of names to settings"),
        ("model: tiny", "a", "holds a single run"),
        ("extends: top.yaml", None, "extends itself, by way of top.yaml"),
        ("extends: none.yaml", None, "cannot read"),
        ("extends: 3", None, "must name a file, not 3"),
    ],
)
def test_what_is_no_run_is_refused(tmp_path, text, run, message):
    with pytest.raises(Refused, match=message):
        read_settings(written(tmp_path, top=text), run)


@pytest.mark.parametrize(("name", "run"), RUNS)
def test_every_bundled_run_is_a_configuration(name, run):
    config = read_config(name, {"run": run})
    assert config.out.endswith(run)
    values = None if config.estimator == "none" else get_estimator(config.estimator)
    assert ("hista" in run or "numca" in run) == (values is not None)
    assert config.allow_biased == (values is not None and not values.information.unbiased)
    assert config.preset == next(preset for preset in PRESETS if f"-{preset}" in f"-{run}")


@pytest.mark.parametrize(("name", "number"), TABLES.items())
def test_there_is_one_run_for_each_row_that_was_trained(name, number):
    printed = paper_table(number)
    rows = set(zip(printed["block"], printed["column" if number == 3 else "row"], strict=True))
    assert len(run_names(name)) == len([row for _, row in rows if row not in ("before training", "Qwen")])


ARMS = {"out", "estimator", "allow_biased", "critic", "damping", "preset"}


@pytest.mark.parametrize("name", ["tiny.yaml", "smollm2.yaml"])
def test_the_arms_of_bundled_models_differ_in_nothing_else(name):
    arms = [read_config(name, {"run": run}) for run in run_names(name)]
    held = [{name: value for name, value in arm.to_dict().items() if name not in ARMS} for arm in arms]
    assert len(arms) > 3 and all(settings == held[0] for settings in held)
    assert arms[0].limit == arms[0].validation_problems + arms[0].steps * arms[0].prompts
    for arm in arms:
        assert arm.allow_biased == (arm.estimator not in (None, "none") and not get_estimator(arm.estimator).information.unbiased)


@pytest.mark.parametrize(("name", "number"), [("figure_01.yaml", 6), ("figure_03.yaml", 2), ("figure_05.yaml", 6)])
def test_the_unbiased_arms_of_a_figure_differ_from_its_others_in_nothing_else(name, number):
    arms = {run: read_config(name, {"run": run}) for run in run_names(name)}
    unbiased = {run: arm for run, arm in arms.items() if run.endswith(("-loo-mean", "-loo", "-zero"))}
    assert len(unbiased) == number
    sizes = {"group_size", "prompts", "steps"} if name == "figure_03.yaml" else set()  # those of Numca's recipe are others
    for run, arm in unbiased.items():
        beside = arms[re.sub("-(loo-mean|hista-loo|numca-loo|zero)$", "", run)]
        differing = {name for name, value in arm.to_dict().items() if beside.to_dict()[name] != value}
        assert {"out", "estimator"} <= differing <= {"out", "estimator"} | sizes, run
        assert not arm.allow_biased and get_estimator(arm.estimator).information.unbiased


LAUNCHES = {"zero3_4x24gb": (3, 1, 4), "zero2_8x80gb": (2, 1, 8), "zero3_2x8x80gb": (3, 2, 16), "zero2_4x8x80gb": (2, 4, 32)}
"""ZeRO stage, nodes and GPUs of Appendix G.2."""


@pytest.mark.parametrize(("name", "expected"), LAUNCHES.items())
def test_accelerate_takes_the_files_that_launch(name, expected):
    config = load_config_from_file(str(BUNDLED / "launch" / f"{name}.yaml"))
    assert (config.deepspeed_config["zero_stage"], config.num_machines, config.num_processes) == expected
    assert config.mixed_precision == "bf16"


def test_accelerate_takes_the_file_of_fsdp():
    config = load_config_from_file(str(BUNDLED / "launch" / "fsdp_8x80gb.yaml"))
    assert (config.fsdp_config["fsdp_version"], config.num_processes) == (2, 8)
