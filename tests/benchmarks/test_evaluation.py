import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from hista_repro import files
from hista_repro.benchmarks import Evaluation, EvaluationConfig, asking, evaluate, evaluation, record
from hista_repro.benchmarks.samples import read_questions, samples_path
from hista_repro.errors import Refused
from hista_repro.problems.prompting import Prompt

SCRIPT = """
import sys
from pathlib import Path

from guessing_engine import GuessingEngine
from hista_repro.benchmarks import EvaluationConfig, evaluate, evaluation

evaluation.make_engine = lambda *_, **__: GuessingEngine(seconds=0.05)
evaluate(EvaluationConfig.from_dict({settings!r}), Path({folder!r}))
"""


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.jsonl"))}


@pytest.fixture
def undisturbed(engine, config, tmp_path):
    evaluate(config, tmp_path / "undisturbed")
    return contents(tmp_path / "undisturbed")


def test_every_question_is_asked_as_often_as_its_benchmark_says(engine, config, tmp_path):
    manifest = evaluate(config, tmp_path / "out")
    assert manifest["status"] == "done" and manifest["questions"]["tiny-sampled"]["samples"] == 16
    samples = Evaluation.read(tmp_path / "out").samples
    for name, count in (("tiny-held-out", 1), ("tiny-sampled", 16)):
        asked = samples[samples["benchmark"] == name]
        assert set(asked["problem_id"]) == set(read_questions(tmp_path / "out", name))
        assert asked.groupby("problem_id")["sample"].agg(sorted).map(len).eq(count).all()
    right = samples["text"].str.startswith("…A:")
    assert (samples["outcome"] == "correct").equals(right)
    assert set(samples["outcome"]) == {"correct", "wrong", "unparsed"}
    assert samples.loc[samples["text"] == "12-3=", "finish_reason"].eq("length").all()


def test_a_finished_evaluation_is_taken_as_it_is(engine, config, tmp_path):
    evaluate(config, tmp_path / "out")
    batches = engine.batches
    assert evaluate(config, tmp_path / "out")["restarts"] == []
    assert engine.batches == batches


def test_an_evaluation_stopped_after_any_batch_ends_with_the_same_answers(engine, config, tmp_path, undisturbed, monkeypatch):
    sample, stops = engine.sample, 0

    def stopping(*arguments, **options):
        nonlocal stops
        if stops % 2:
            stops += 1
            raise KeyboardInterrupt
        stops += 1
        return sample(*arguments, **options)

    monkeypatch.setattr(engine, "sample", stopping)
    folder = tmp_path / "stopped"
    while not (folder / "manifest.json").exists() or json.loads((folder / "manifest.json").read_text())["status"] != "done":
        try:
            evaluate(config, folder)
        except KeyboardInterrupt:
            continue
    assert stops > 10
    assert contents(folder) == undisturbed


@pytest.mark.parametrize("cut", [1, 40, 200, 900])
def test_torn_lines_are_dropped_and_answered_again(engine, config, tmp_path, undisturbed, cut):
    folder = tmp_path / "torn"
    evaluate(config, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "status": "running"}))
    path = samples_path(folder, "tiny-sampled")
    path.write_bytes(path.read_bytes()[:-cut])
    assert len(evaluate(config, folder)["restarts"]) == 1
    assert contents(folder) == undisturbed


def test_a_killed_evaluation_goes_on_and_ends_with_the_same_answers(engine, config, tmp_path, undisturbed):
    folder = tmp_path / "killed"
    settings = {**config.to_dict(), "model": config.model}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(settings=settings, folder=str(folder))],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        stderr=subprocess.DEVNULL,
    )
    path = samples_path(folder, "tiny-sampled")
    while process.poll() is None and not (path.exists() and path.stat().st_size > 2000):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert json.loads((folder / "manifest.json").read_text())["status"] == "running"
    assert len(path.read_bytes()) < len(undisturbed["samples/tiny-sampled.jsonl"])
    evaluate(config, folder)
    assert contents(folder) == undisturbed


def test_a_full_disk_keeps_what_was_answered(engine, config, tmp_path, undisturbed, monkeypatch):
    fsync, left = os.fsync, 20

    def full(handle):
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(handle)

    folder = tmp_path / "full"
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            evaluate(config, folder)
    assert contents(folder) and not list(folder.rglob("*.tmp"))
    evaluate(config, folder)
    assert contents(folder) == undisturbed


def test_a_second_process_is_refused(engine, config, tmp_path):
    folder = tmp_path / "out"
    with files.claim_folder(folder), pytest.raises(Refused, match="another process is writing to"):
        evaluate(config, folder)
    assert [path.name for path in folder.iterdir()] == [".lock"]


@pytest.fixture
def meanwhile(engine, config, tmp_path, monkeypatch):
    """A function that evaluates `config` in a folder where, while the model is loaded, another start leaves `theirs` with `status`."""

    def load(*_, **__):
        shutil.copytree(tmp_path / "theirs", tmp_path / "out")
        return engine

    def start(theirs, status):
        manifest = evaluate(theirs, tmp_path / "theirs")
        (tmp_path / "theirs" / "manifest.json").write_text(json.dumps({**manifest, "status": status}))
        monkeypatch.setattr(evaluation, "make_engine", load)
        batches = engine.batches
        return evaluate(config, tmp_path / "out"), engine.batches - batches

    return start


@pytest.mark.parametrize("status", ["running", "done"])
def test_another_evaluation_that_came_first_is_left_alone(meanwhile, config, tmp_path, status):
    with pytest.raises(Refused, match=r"seed \(there 1, asked 0\)"):
        meanwhile(replace(config, seed=1), status)
    assert contents(tmp_path / "out") == contents(tmp_path / "theirs")
    assert (tmp_path / "out" / "manifest.json").read_bytes() == (tmp_path / "theirs" / "manifest.json").read_bytes()


def test_what_a_start_that_came_first_finished_is_taken_as_it_is(meanwhile, config, tmp_path):
    manifest, asked = meanwhile(config, "done")
    assert (manifest["restarts"], asked) == ([], 0)
    made, found = ((tmp_path / folder / "manifest.json").stat().st_mtime_ns for folder in ("theirs", "out"))
    assert made == found


def test_a_start_that_came_first_and_was_stopped_is_gone_on_with(meanwhile, config):
    manifest, asked = meanwhile(config, "running")
    assert (manifest["status"], len(manifest["restarts"]), asked) == ("done", 1, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 1}, r"seed \(there 0, asked 1\)"),
        ({"limit": 8}, r"limit \(there 9, asked 8\)"),
        ({"benchmarks": ["tiny-held-out"]}, r"benchmarks \(there \['tiny-held-out', 'tiny-sampled'\], asked \['tiny-held-out'\]\)"),
        ({"max_tokens": 50, "dtype": "bfloat16"}, r"dtype .* max_tokens \(there None, asked 50\)"),
    ],
)
def test_other_settings_are_refused_and_the_difference_named(engine, config, tmp_path, changes, message):
    evaluate(config, tmp_path / "out")
    before = contents(tmp_path / "out")
    with pytest.raises(Refused, match=message):
        evaluate(replace(config, **changes), tmp_path / "out")
    assert contents(tmp_path / "out") == before


def test_other_weights_are_refused(engine, config, tmp_path, random_model):
    evaluate(config, tmp_path / "out")
    with pytest.raises(Refused, match="model_sha256"):
        evaluate(replace(config, model=str(random_model)), tmp_path / "out")


def test_a_folder_with_something_else_is_refused(engine, config, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(Refused, match="is not empty and does not hold an evaluation"):
        evaluate(config, tmp_path)
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_a_prompt_that_leaves_too_little_room_is_refused_before_anything_is_written(engine, config, tmp_path):
    with pytest.raises(Refused, match=r"max-tokens 500 and the longest prompt of tiny-held-out \(\d+ tokens\) exceed"):
        evaluate(replace(config, max_tokens=500), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"limit": 0}, "limit must be at least 1, not 0"),
        ({"engine": "magic"}, "engine must be one of transformers, vllm"),
        ({"temperature": -1.0}, "temperature must not be negative"),
        ({"benchmarks": []}, "no benchmark is named"),
        ({"benchmarks": ["gsm8k", "gsm8k"]}, "the benchmark 'gsm8k' is named twice"),
        ({"benchmarks": ["gms8k"]}, "did you mean 'gsm8k'"),
        ({"benchmarks": ["gsm8k"], "samples": 4}, "gsm8k is asked at temperature 0, where 4 samples are all the same"),
        ({"samples": "4"}, "samples must be of type"),
        ({"shots": 5}, "an evaluation has no setting 'shots'"),
    ],
)
def test_settings_that_cannot_be(changes, message):
    with pytest.raises(Refused, match=message):
        EvaluationConfig.from_dict({"model": "tiny", "benchmarks": ["tiny-held-out"], **changes})


def test_a_missing_setting_is_named():
    with pytest.raises(Refused, match="an evaluation needs the setting 'benchmarks'"):
        EvaluationConfig.from_dict({"model": "tiny"})


def test_any_number_of_samples_at_a_temperature(engine, tmp_path):
    evaluate(EvaluationConfig("tiny", ["tiny-held-out"], limit=3, samples=5, temperature=0.7), tmp_path / "out")
    assert Evaluation.read(tmp_path / "out").correct["tiny-held-out"].shape == (3, 5)


def test_who_asks_for_the_same_shares_one_record(engine, tmp_path):
    settings = {"model": "tiny", "benchmarks": ["tiny-held-out"], "limit": 5}
    folder = record(settings, tmp_path)
    batches = engine.batches
    assert record(settings, tmp_path) == folder and engine.batches == batches
    assert record({**settings, "limit": 6}, tmp_path) != folder


def test_prompts_that_end_differently_are_refused_before_anything_is_written(engine, tmp_path, monkeypatch):
    stops = iter([("\n",), ("\n\n",), ("\n",)])
    monkeypatch.setattr(asking, "render", lambda question, tokenizer: Prompt(question.problem, stop=next(stops, ())))
    with pytest.raises(Refused, match="tiny-held-out mixes questions whose prompts end differently"):
        evaluate(EvaluationConfig("tiny", ["tiny-held-out"], limit=2), tmp_path / "out")
    assert not (tmp_path / "out").exists()
