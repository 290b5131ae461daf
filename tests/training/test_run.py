"""Whole runs: what they leave, how they go on after a kill, what they refuse before writing."""

import json
import math
import shutil
import time
from collections import Counter
from dataclasses import asdict, replace

import pytest

from forked import exit_code, start
from hista_repro.errors import Refused, WorkFailed
from hista_repro.files import append_event, read_events
from hista_repro.models import load_model
from hista_repro.problems.sources import load_problems
from hista_repro.training import CreditGRPOTrainer, run
from hista_repro.training.config import TrainConfig
from hista_repro.training.metrics_log import read_metrics
from hista_repro.training.record import adopt, record
from hista_repro.training.run import train

SMALL = {
    **{"problems": "arithmetic-steps", "limit": 100, "prompts": 2, "group_size": 4, "micro_batch": 4, "max_tokens": 12, "steps": 4},
    **{"temperature": 1.0, "learning_rate": 1e-3, "validation_problems": 8, "validate_every": 2, "save_every": 2},
    **{"trl": {"use_cpu": True}},
}


def config_of(model, out, /, **settings) -> TrainConfig:
    return TrainConfig.from_dict({**SMALL, "model": str(model), "out": str(out), **settings})


def test_what_a_run_leaves(random_model, tmp_path):
    folder = train(config_of(random_model, tmp_path / "run", estimator="hista-loo", overlong_penalty=True))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["status"], manifest["config"]["estimator"]) == ("done", "hista-loo")
    metrics = read_metrics(folder)
    assert metrics.step.tolist() == [0, 1, 2, 3, 4]
    assert metrics.eval_reward.notna().tolist() == [True, False, True, False, True]
    assert metrics["credit/seconds"].notna().tolist() == [False, True, True, True, True]
    assert "rewards/accuracy/mean" in metrics
    load_model(str(folder / "model"))
    before = (folder / "metrics.jsonl").read_bytes()
    train(config_of(random_model, folder, estimator="hista-loo", overlong_penalty=True))
    assert (folder / "metrics.jsonl").read_bytes() == before  # done is done


@pytest.mark.parametrize(
    ("settings", "metric"),
    [
        ({"preset": "ppo", "critic": {"pretraining": 1}, "model": "tiny", "max_tokens": 104}, "critic/explained_variance"),
        ({"hidden_align": {"markers": ["1"]}, "estimator": "hista-loo"}, "align/loss"),
        ({"estimator": "mcs-1"}, "credit/drawn_tokens"),
        ({"estimator": "poise-prompt"}, "credit/forward_seconds"),
        ({"damping": "own-weight", "estimator": "loo-mean"}, "credit/forward_seconds"),  # loo-mean itself reads no hidden state
        ({"gradient_variance": True, "preset": "gspo-token", "hidden_align": {"markers": ["1"]}}, "gradient/power"),
        ({"gradient_variance": True, "preset": "ppo"}, "gradient/variance"),
    ],
)
def test_further_methods(random_model, tmp_path, settings, metric):
    folder = train(config_of(random_model, tmp_path / "run", steps=2, validation_problems=0, **settings))
    assert metric in read_metrics(folder)


def test_an_interrupted_run_goes_on_from_its_last_whole_checkpoint(random_model, tmp_path, monkeypatch):
    config = config_of(random_model, tmp_path / "run")
    monkeypatch.setattr("hista_repro.training.callbacks.RunLog.on_step_end", _interrupt_in_step(3))
    with pytest.raises(KeyboardInterrupt):
        train(config)
    monkeypatch.undo()
    (tmp_path / "run" / "checkpoint-3").mkdir()  # as a kill in the middle of saving leaves it
    folder = train(config)
    started = [event for event in read_events(folder / "metrics.jsonl") if event["event"] == "started"]
    assert [(event["step"], event.get("redrawn", False)) for event in started] == [(0, False), (2, True)]
    assert read_metrics(folder).step.tolist() == [0, 1, 2, 3, 4]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert len(manifest["restarts"]) == 1 and manifest["restarts"][0].keys() == manifest["provenance"].keys()


def test_a_run_that_was_trained_and_not_saved_is_saved(random_model, tmp_path, monkeypatch):
    moving = {"preset": "ppo", "critic": {"whiten": False}}  # whatever the rewards
    whole = train(config_of(random_model, tmp_path / "whole", **moving))
    config = config_of(random_model, tmp_path / "run", **moving)
    save = CreditGRPOTrainer.save_model

    def full(self, folder, _internal_call=False):
        if not _internal_call:
            raise OSError("No space left on device")
        save(self, folder, _internal_call)

    monkeypatch.setattr(CreditGRPOTrainer, "save_model", full)
    with pytest.raises(WorkFailed, match="at update 4: No space left on device"):
        train(config)
    monkeypatch.undo()
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    (tmp_path / "run" / "manifest.json").write_text(json.dumps({name: value for name, value in manifest.items() if name != "restarts"}))
    checkpoint = tmp_path / "run" / "checkpoint-4" / "trainer_state.json"
    written = checkpoint.stat().st_mtime_ns
    folder = train(config)
    assert checkpoint.stat().st_mtime_ns == written
    before, found, expected = (load_model(str(of))[0].state_dict() for of in (random_model, folder / "model", whole / "model"))
    assert all(found[name].equal(expected[name]) and not found[name].equal(before[name]) for name in expected)
    measured = ["step", "loss", "reward", "eval_reward", "num_tokens"]
    assert read_metrics(folder)[measured].equals(read_metrics(whole)[measured])
    counts = [Counter(event["event"] for event in read_events(run / "metrics.jsonl")) for run in (folder, whole)]
    assert counts[0] == {**counts[1], "started": 2}
    assert len(json.loads((folder / "manifest.json").read_text())["restarts"]) == 1, "earlier source noted none"


@pytest.mark.parametrize("learning_rate", [1e-3, 0.5])
def test_what_another_start_did_while_the_model_was_loaded(random_model, tmp_path, monkeypatch, learning_rate):
    config = config_of(random_model, tmp_path / "run", steps=1, validation_problems=0)

    def overtaken(*arguments):
        trainer = make(*arguments)
        monkeypatch.undo()
        train(replace(config, learning_rate=learning_rate))
        return trainer

    make = run._trainer
    monkeypatch.setattr(run, "_trainer", overtaken)
    if learning_rate == config.learning_rate:
        train(config)
    else:
        with pytest.raises(Refused, match="another configuration: learning_rate"):
            train(config)
    assert [event["event"] for event in read_events(tmp_path / "run" / "metrics.jsonl")] == ["started", "update"]


def test_a_model_that_does_not_say_where_a_completion_ends(random_model, tmp_path, monkeypatch):
    """The token of the tokenizer, and those that prompts end at, do; without the former TRL cannot train."""
    model = tmp_path / "model"
    shutil.copytree(random_model, model)
    for name in ("config.json", "generation_config.json"):
        settings = json.loads((model / name).read_text())
        (model / name).write_text(json.dumps({**settings, "eos_token_id": None}))
    monkeypatch.setattr(run, "stop_tokens", lambda *_: [5])
    folder = train(config_of(model, tmp_path / "run", steps=1, validation_problems=0))
    assert json.loads((folder / "model" / "generation_config.json").read_text())["eos_token_id"] == [1, 5]

    settings = json.loads((model / "tokenizer_config.json").read_text())
    (model / "tokenizer_config.json").write_text(json.dumps({**settings, "eos_token": None}))
    with pytest.raises(Refused, match="names no end-of-sequence token"):
        train(config_of(model, tmp_path / "other"))
    assert not (tmp_path / "other").exists()


def _interrupt_in_step(step):
    def on_step_end(self, args, state, control, **_):
        if state.global_step == step:
            raise KeyboardInterrupt

    return on_step_end


@pytest.mark.slow
def test_a_killed_run_goes_on(random_model, tmp_path):
    folder, log, steps = tmp_path / "run", tmp_path / "log", 20
    config = config_of(random_model, folder, steps=steps)
    process = start(train, config, log=log)
    deadline = time.monotonic() + 120
    while not list(folder.glob("checkpoint-*/complete")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.join()
    assert list(folder.glob("checkpoint-*/complete")), log.read_text()
    assert json.loads((folder / "manifest.json").read_text())["status"] == "running", log.read_text()
    assert exit_code(start(train, config, log=log)) == 0, log.read_text()
    started = [event["step"] for event in read_events(folder / "metrics.jsonl") if event["event"] == "started"]
    assert started[0] == 0 and started[1] >= 2
    assert read_metrics(folder).step.tolist() == list(range(steps + 1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"limit": 10}, "draws 4 prompts, and arithmetic-steps leaves 2"),
        ({"micro_batch": 3}, "micro_batch 3 x 1 processes"),
        ({"trl": {"no_such": 1}}, "TRL refuses the configuration"),
        ({"estimator": "hista"}, "allow_biased=True"),
        ({"estimator": "hista-loo", "estimator_settings": {"neighbors": 3}}, "estimator_settings do not fit hista-loo"),
        ({"preset": "cispo", "overlong_penalty": True}, "the preset cispo has none"),
        ({"critic": {"clip": 0.1}}, "the preset dapo has none"),
        ({"preset": "ppo", "critic": {"clop": 0.1}}, "the critic has no setting 'clop'"),
        ({"preset": "ppo", "critic": {"whiten": "no"}}, "whiten must be of type bool, not 'no'"),
        ({"preset": "ppo", "critic": {"clip": "0.1"}}, "clip must be of type .*, not '0.1'"),
        ({"hidden_align": {"form": "dot"}}, "form must be 'cosine' or 'l2'"),
        ({"hidden_align": {"markers": "####"}}, "markers must be of type .*, not '####'"),
        ({"damping": "position"}, "damping is set, and the run has no estimator"),
        ({"estimator": "none", "preset": "rloo", "gae_lambda": 0.9}, "gae_lambda is set, and the run has no estimator"),
        ({"node_spacing": 3}, "node_spacing is set, and the run has no estimator"),
        ({"preset": "ppo", "estimator_settings": {"neighbours": 3}}, "estimator_settings is set, and the run has no estimator"),
        ({"advantage_scale": "loo"}, "advantage_scale is set, and the run has no estimator"),
        ({"estimator": "loo-mean", "damping": "own-weight", "damping_estimator": "probe"}, "choose another damping_estimator"),
    ],
)
def test_refusals_come_before_anything_is_written(random_model, tmp_path, settings, message):
    with pytest.raises(Refused, match=message):
        train(config_of(random_model, tmp_path / "run", **settings))
    assert not (tmp_path / "run").exists()


def test_another_run_is_not_overwritten(random_model, tmp_path):
    folder = train(config_of(random_model, tmp_path / "run", steps=1, validation_problems=0))
    with pytest.raises(Refused, match=r"learning_rate \(there 0.001, asked 0.5\)"):
        train(config_of(random_model, folder, steps=1, validation_problems=0, learning_rate=0.5))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    with pytest.raises(Refused, match="does not hold a training run"):
        train(config_of(random_model, tmp_path / "other"))


def test_a_run_made_elsewhere_is_the_record_of_its_settings(random_model, tmp_path, monkeypatch):
    problems = tmp_path / "problems.jsonl"
    rows = [asdict(problem) for problem in load_problems("arithmetic-steps", limit=100)]
    problems.write_text("\n".join(map(json.dumps, rows)))
    settings = {**SMALL, "model": str(random_model), "problems": str(problems), "steps": 1, "validation_problems": 0}
    folder = train(TrainConfig.from_dict({**settings, "out": str(tmp_path / "elsewhere")}))
    adopted = adopt(folder, tmp_path / "records")
    monkeypatch.setattr("hista_repro.training.run._trainer", lambda *_: pytest.fail("something was trained"))
    assert record(settings, tmp_path / "records") == adopted
    assert read_metrics(adopted).equals(read_metrics(folder))

    manifest = json.loads((folder / "manifest.json").read_text())
    noted = {name: value for name, value in manifest.items() if not name.endswith("_sha256")}
    for changed, message in [
        ({**manifest, "model_sha256": "another"}, "another configuration: model_sha256"),
        ({**manifest, "status": "running"}, "not finished"),
        (noted, "lacks model_sha256"),
    ]:
        (folder / "manifest.json").write_text(json.dumps(changed))
        with pytest.raises(Refused, match=message):
            adopt(folder, tmp_path / "others")
    assert train(TrainConfig.from_dict({**settings, "out": str(folder)})) == folder, "a run of earlier source is still known"

    (folder / "manifest.json").write_text(json.dumps(manifest))
    problems.write_text("\n".join(map(json.dumps, rows[::-1])))
    with pytest.raises(Refused, match="another configuration: problems_sha256"):
        adopt(folder, tmp_path / "others")
    with pytest.raises(Refused, match="holds no training run"):
        adopt(tmp_path / "nothing", tmp_path / "others")
    assert not (tmp_path / "others").exists()


def test_the_log_survives_a_torn_line(tmp_path):
    path = tmp_path / "metrics.jsonl"
    append_event(path, {"event": "update", "step": 1, "time": 0.0, "reward": 0.1})
    path.write_bytes(path.read_bytes() + b'{"event": "upd')
    append_event(path, {"event": "update", "step": 1, "time": 1.0, "reward": 0.2})
    assert len(read_events(path)) == 2
    assert read_metrics(tmp_path).reward.tolist() == [0.2]


def test_a_step_that_was_done_twice_shows_the_second_time_alone(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert read_metrics(tmp_path).empty
    append_event(path, {"event": "started", "step": 0, "time": 0.0})
    assert read_metrics(tmp_path).step.tolist() == []
    append_event(path, {"event": "validation", "step": 1, "time": 0.0, "eval_reward": 0.5})
    for reward, power in ((0.1, 1.0), (0.2, None)):
        append_event(path, {"event": "update", "step": 1, "time": 0.0, "reward": reward, "power": power})
    (row,) = read_metrics(tmp_path).to_dict("records")
    assert row == pytest.approx({"step": 1, "eval_reward": 0.5, "reward": 0.2, "power": math.nan}, nan_ok=True)


def test_a_scale_that_is_trl_s_own_needs_no_estimator(random_model, tmp_path):
    trainer = run._trainer(
        config_of(random_model, tmp_path / "run", advantage_scale="group"), load_problems("arithmetic-steps", limit=40), tmp_path
    )
    assert (trainer.estimator, trainer.args.scale_rewards) == (None, "group")
