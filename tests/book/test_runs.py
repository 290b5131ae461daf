import json

import pytest

from hista_repro.book.runs import shown_runs


def test_nothing_is_shown_of_a_fresh_checkout(checkout):
    assert set(shown_runs(checkout).values()) == {None}


def test_the_largest_profile_is_shown_wherever_it_lies(checkout, record_run):
    record_run("table-04", "runs/smoke", "smoke")
    record_run("table-04", "results/cpu", "cpu")
    record_run("figure-07", "results/smoke", "smoke")
    runs = shown_runs(checkout)
    assert runs["table-04"].folder == checkout / "results" / "cpu"
    assert runs["figure-07"].stamp["profile"] == "smoke"
    assert runs["figure-08"] is None


def test_a_run_made_here_goes_before_a_recorded_one_of_the_same_size(checkout, record_run):
    record_run("table-04", "results/cpu", "cpu")
    record_run("table-04", "runs/cpu", "cpu")
    assert shown_runs(checkout)["table-04"].folder == checkout / "runs" / "cpu"


def test_a_profile_that_is_asked_for_goes_first(checkout, record_run):
    record_run("table-04", "runs/smoke", "smoke")
    record_run("table-04", "results/cpu", "cpu")
    record_run("figure-07", "results/cpu", "cpu")
    runs = shown_runs(checkout, "smoke")
    assert runs["table-04"].stamp["profile"] == "smoke"
    assert runs["figure-07"].stamp["profile"] == "cpu"


@pytest.mark.parametrize("state", ["failed", "interrupted"])
def test_a_run_that_did_not_end_well_is_not_shown(checkout, record_run, state):
    record_run("table-04", "runs/cpu", "cpu", status=state)
    record_run("table-04", "runs/smoke", "smoke")
    assert shown_runs(checkout)["table-04"].stamp["profile"] == "smoke"


def test_outputs_of_an_earlier_run_outlive_a_failed_one(checkout, record_run):
    earlier = {"profile": "cpu", "overrides": {"model": "mine"}, "finished": "2026-11-20T09:00:00+00:00", "seconds": 5.0}
    record_run("table-04", "runs/cpu", "cpu", status="failed", last_done=earlier)
    run = shown_runs(checkout)["table-04"]
    assert run.stamp == earlier
    assert run.command == "hista-repro run table-04 --profile cpu -p model=mine"


@pytest.mark.parametrize("lost", ["notebooks/table_04.ipynb", "results/table-04.json"])
def test_a_run_that_lost_a_file_is_not_shown(checkout, record_run, lost):
    (record_run("table-04", "runs/cpu", "cpu") / lost).unlink()
    assert shown_runs(checkout)["table-04"] is None


def test_a_run_knows_what_changed_after_it(checkout, record_run):
    record_run("table-04", "runs/cpu", "cpu")
    assert shown_runs(checkout)["table-04"].changed == []
    stale = {"notebook": "other", "parameters": "other", "source": "other", "inputs": "other"}
    record_run("table-04", "runs/cpu", "cpu", key=stale)
    assert shown_runs(checkout)["table-04"].changed == ["notebook", "parameters", "source", "inputs"]


def test_the_seeds_of_training_are_those_of_all_runs_and_of_a_build_its_own(checkout, record_run):
    out = record_run("table-04", "runs/cpu", "cpu")
    assert shown_runs(checkout)["table-04"].seeds == "7"
    path = out / "results" / "table-04.json"
    result = json.loads(path.read_text())
    arms = [{"build": {"model": "tiny", "seed": 0}, "arm": name, "seeds": [0, 1, 2]} for name in ("DAPO", "DAPO + Hista")]
    path.write_text(json.dumps({**result, "measured": [*arms, {"build": {}}]}))
    assert shown_runs(checkout)["table-04"].seeds == "0, 1, 2"
