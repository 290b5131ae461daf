import json
import os
import shutil
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock

from forked import exit_code, start
from hista_repro.distributed import hire_here
from hista_repro.errors import Refused, WorkFailed
from hista_repro.sveb import BuildConfig, adopt, build, record
from hista_repro.sveb.records import read_manifest, read_table
from small_build import SMALL, TABLES, tables


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sveb") / "undisturbed"
    build(SMALL, folder)
    return folder


def test_the_tables_fit_together(built):
    screening, problems, rollouts, states, references = (read_table(built, name) for name in TABLES)
    assert (screening.groupby("problem_id", sort=False).reward.sum().to_numpy() == problems.correct).all()
    kept = problems[problems.kept]
    assert (kept.correct / kept.screened).between(0.1, 0.8).all()
    assert sorted(rollouts.problem_id.unique()) == sorted(kept.problem_id)
    assert (rollouts.groupby("problem_id").size() == SMALL.group_size).all()
    assert (states.groupby("problem_id").size() == SMALL.states).all()
    assert list(references.state_id) == list(states.state_id)
    lengths = rollouts.set_index(["problem_id", "sample"]).token_ids.map(len)
    own = pd.Series([lengths[row.problem_id, row.sample] for row in states.itertuples()])
    assert ((states.token_index >= 1) & (states.token_index < own)).all()
    assert references.rewards.map(len).eq(SMALL.references).all() and references.draws.map(len).eq(SMALL.draws).all()
    assert references.rewards.map(sum).eq(references.successes).all()
    assert set(rollouts.reward) <= {0.0, 1.0}
    assert (rollouts.reward == 1).equals(rollouts.outcome == "correct")


def test_the_manifest_says_what_was_asked_and_what_came_out(built):
    manifest = json.loads((built / "manifest.json").read_text())
    assert manifest["status"] == "done"
    assert manifest["config"] == SMALL.to_dict()
    counts = manifest["counts"]
    assert counts["problems"] == 6 == counts["kept"] + counts["dropped_too_hard"] + counts["dropped_too_easy"]
    assert counts["references"] == counts["states"] * SMALL.references
    assert not list(built.rglob("*.tmp")) and not (built / "parts").exists()


def test_a_build_stopped_at_any_part_ends_with_the_same_files(built, tmp_path, monkeypatch):
    import hista_repro.sveb.records as records

    write_table, stops = records.write_table, 0

    def stopping(path, rows, name):
        nonlocal stops
        write_table(path, rows, name)
        stops += 1
        raise KeyboardInterrupt

    monkeypatch.setattr(records, "write_table", stopping)
    folder = tmp_path / "stopped"
    while not (folder / "manifest.json").exists() or json.loads((folder / "manifest.json").read_text())["status"] != "done":
        try:
            build(SMALL, folder)
        except KeyboardInterrupt:
            continue
    assert stops >= 5
    assert tables(folder) == tables(built)


def test_a_full_disk_keeps_what_was_computed(built, tmp_path, monkeypatch):
    import hista_repro.files as files

    replace, left = os.replace, 4

    def full(source, target):
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(28, "No space left on device")
        replace(source, target)

    folder = tmp_path / "full"
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", full)
        with pytest.raises(OSError, match="No space left"):
            build(SMALL, folder)
    assert list(folder.rglob("*.parquet"))
    assert not list(folder.rglob("*.tmp"))
    build(SMALL, folder)
    assert tables(folder) == tables(built)


def test_another_configuration_is_refused_and_the_difference_named(built):
    before = tables(built)
    with pytest.raises(Refused, match=r"group_size \(there 4, asked 5\), seed \(there 0, asked 1\)"):
        build(BuildConfig(**{**SMALL.to_dict(), "group_size": 5, "seed": 1}), built)
    assert tables(built) == before


def test_a_finished_build_is_not_made_again(built):
    before = (built / "manifest.json").stat().st_mtime_ns
    build(SMALL, built)
    assert (built / "manifest.json").stat().st_mtime_ns == before


def test_a_build_that_came_first_while_workers_were_hired_is_left_alone(built, tmp_path):
    @contextmanager
    def hire(make, units):
        shutil.copytree(built, folder)
        with hire_here(make, units) as workers:
            yield workers

    for folder, seed in [(tmp_path / "same", 0), (tmp_path / "other", 1)]:
        with nullcontext() if seed == SMALL.seed else pytest.raises(Refused, match=r"seed \(there 0, asked 1\)"):
            build(replace(SMALL, seed=seed), folder, hire)
        assert tables(folder) == tables(built)
        assert (folder / "manifest.json").read_bytes() == (built / "manifest.json").read_bytes()


def test_a_folder_with_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(Refused, match="does not hold a build"):
        build(SMALL, tmp_path)
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_too_long_completions_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(Refused, match="exceed the model's context"):
        build(BuildConfig(**{**SMALL.to_dict(), "max_tokens": 1 << 20, "batch_tokens": 1 << 20}), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_problems_that_all_fail_stop_the_build_and_keep_the_screening(tmp_path):
    rows = [{"id": f"p{i}", "domain": "number", "problem": "1+1?", "answer": "999", "verifier": "exact"} for i in range(3)]
    source = tmp_path / "impossible.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = BuildConfig(**{**SMALL.to_dict(), "problems": str(source)})
    with pytest.raises(WorkFailed, match="none of 3 problems has an accuracy between"):
        build(config, tmp_path / "out")
    assert (tmp_path / "out" / "problems.parquet").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"group_size": 1}, "group-size must be an integer of at least 2, not 1"),
        ({"references": 1}, "references must be an integer of at least 2"),
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"engine": "magic"}, "engine must be one of"),
        ({"min_accuracy": 0.9}, "0 <= min <= max <= 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(Refused, match=message):
        BuildConfig(**{**SMALL.to_dict(), **settings})


def test_settings_of_another_type_are_refused():
    with pytest.raises(Refused, match=r"^temperature must be of type float, not '1'$"):
        record({**SMALL.to_dict(), "temperature": "1"})


def test_a_record_is_made_once_for_all_who_ask(tmp_path):
    settings = {**SMALL.to_dict(), "limit": 3}
    asked = [start(partial(record, settings, home=tmp_path)) for _ in range(2)]
    assert [exit_code(process) for process in asked] == [0, 0]
    assert [entry for entry in tmp_path.iterdir() if entry.is_dir()] == [record(settings, home=tmp_path)]
    assert json.loads((record(settings, home=tmp_path) / "manifest.json").read_text())["restarts"] == []


@pytest.mark.slow
def test_a_build_killed_at_random_moments_ends_with_the_same_files(built, tmp_path):
    folder = tmp_path / "killed"
    kills = 0
    for delay in np.random.default_rng(0).uniform(0.2, 1.5, 10):
        process = start(build, SMALL, folder)
        process.join(delay)
        if process.is_alive():
            process.kill()
            kills += 1
        process.join()
    build(SMALL, folder)
    assert kills >= 3
    assert tables(folder) == tables(built)


def test_a_build_made_elsewhere_is_the_record_of_its_settings(built, tmp_path):
    adopted = adopt(built, tmp_path)
    assert record(SMALL.to_dict(), lambda *_: pytest.fail("something was sampled"), home=tmp_path) == adopted != built
    assert tables(adopted) == tables(built) and (adopted / "manifest.json").read_bytes() == (built / "manifest.json").read_bytes()


def test_a_finished_record_stays_and_one_that_was_begun_gives_way(built, tmp_path):
    adopted = adopt(built, tmp_path)
    (adopted / "scores.parquet").touch()
    assert adopt(built, tmp_path) == adopted and (adopted / "scores.parquet").exists()
    manifest = json.loads((adopted / "manifest.json").read_text())
    (adopted / "manifest.json").write_text(json.dumps({**manifest, "status": "running"}))
    (tmp_path / f".{adopted.name}.adopted").mkdir()  # what a kill left
    adopt(built, tmp_path)
    assert tables(adopted) == tables(built) and not (adopted / "scores.parquet").exists()
    assert sorted(tmp_path.iterdir()) == [adopted, tmp_path / f"{adopted.name}.lock"]


def test_a_record_that_is_being_made_is_not_replaced(built, tmp_path):
    adopted = adopt(built, tmp_path)
    with FileLock(f"{adopted}.lock"), pytest.raises(Refused, match="another process is making"):
        adopt(built, tmp_path)


def test_data_that_may_not_be_written_can_be_adopted(built, tmp_path):
    given = tmp_path / "given"
    shutil.copytree(built, given)
    for path in (*given.iterdir(), given):
        path.chmod(path.stat().st_mode & ~0o222)
    adopted = adopt(given, tmp_path / "records")
    assert all(path.stat().st_mode & 0o200 for path in (adopted, *adopted.iterdir()))


def test_a_record_that_was_killed_before_its_manifest_gives_way(built, tmp_path):
    killed = adopt(built, tmp_path / "records")
    for path in killed.iterdir():
        path.unlink()
    (killed / "parts").mkdir()
    assert adopt(built, tmp_path / "records") == killed
    assert read_manifest(killed)["status"] == "done" and not (killed / "parts").exists()


def test_a_build_without_a_whole_table_is_not_adopted(built, tmp_path):
    for name, content in [("references", None), ("states", b"version https://git-lfs.github.com/spec/v1")]:
        given = tmp_path / name
        shutil.copytree(built, given)
        (given / f"{name}.parquet").unlink() if content is None else (given / f"{name}.parquet").write_bytes(content)
        with pytest.raises(Refused, match=f"{name}.parquet"):
            adopt(given, tmp_path / "records")


def test_a_manifest_of_something_else_is_no_build(tmp_path):
    (tmp_path / "manifest.json").write_text('{"name": "app"}')
    with pytest.raises(Refused, match="is not that of a build"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_sha256": "another"}, "another configuration: model_sha256"),
        ({"status": "running"}, "is not finished"),
        ({"problems_sha256": "others"}, "another configuration: problems_sha256"),
    ],
)
def test_a_build_of_something_else_is_not_adopted(built, tmp_path, change, message):
    folder = tmp_path / "changed"
    shutil.copytree(built, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, **change}))
    with pytest.raises(Refused, match=message):
        adopt(folder, tmp_path / "records")
    assert not (tmp_path / "records").exists()
