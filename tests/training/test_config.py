"""Configurations: YAML on top of presets, and what is refused."""

import pytest

from hista_repro.errors import Refused
from hista_repro.training.config import TrainConfig, read_config

LEAST = {"model": "tiny", "problems": "arithmetic-steps", "out": "somewhere"}


def written(folder, text):
    path = folder / "run.yaml"
    path.write_text(text)
    return path


def test_a_file_with_overrides(tmp_path):
    path = written(tmp_path, "model: tiny\nproblems: arithmetic-steps\nout: here\nlearning_rate: 1e-5\ntrl: {optim: sgd}\n")
    config = read_config(path, {"steps": "7", "trl.bf16": "false", "estimator": "hista-loo", "out": "there"})
    assert (config.learning_rate, config.steps, config.estimator, config.out) == (1e-5, 7, "hista-loo", "there")
    assert config.trl == {"optim": "sgd", "bf16": False}
    assert TrainConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("settings", "estimator", "oversampling"),
    [
        ({"preset": "dapo"}, None, 2),
        ({"preset": "dapo", "estimator": "hista-loo", "oversampling": 1}, "hista-loo", 1),
        ({"preset": "rloo"}, "loo-mean", 1),
        ({"preset": "rloo", "estimator": "none", "oversampling": 3}, None, 3),
    ],
)
def test_what_a_run_leaves_open_is_the_presets(settings, estimator, oversampling):
    config = TrainConfig.from_dict({**LEAST, **settings})
    assert (config.chosen_estimator, config.chosen_oversampling) == (estimator, oversampling)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"modle": "tiny"}, "did you mean 'model'"),
        ({"steps": "many"}, "steps must be of type int, not 'many'"),
        ({"steps": True}, "steps must be of type int"),
        ({"group_size": 1}, "group_size must be at least 2, not 1"),
        ({"preset": "dapoo"}, "did you mean 'dapo'"),
        ({"damping": "late"}, "damping must be null or one of position, own-weight"),
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"prompts": 3, "group_size": 3, "updates_per_generation": 2}, "does not divide prompts x group_size = 9"),
    ],
)
def test_what_does_not_fit_is_refused(settings, message):
    with pytest.raises(Refused, match=message):
        TrainConfig.from_dict({**LEAST, **settings})


NOT_RUNS = [("[1]", "must be a mapping"), ("a: [", "is not YAML"), ("model: tiny", "needs the setting 'problems'")]


@pytest.mark.parametrize(("text", "message"), NOT_RUNS)
def test_files_that_are_no_configuration(tmp_path, text, message):
    with pytest.raises(Refused, match=message):
        read_config(written(tmp_path, text))
    with pytest.raises(Refused, match="cannot read"):
        read_config(tmp_path / "none.yaml")
