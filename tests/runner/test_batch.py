import json
import sys
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import nbformat
import pytest

from hista_repro.errors import Refused
from hista_repro.runner import batch, overview, summary
from hista_repro.runner.execution import Execution
from hista_repro.runner.executors import Executor
from runner_checkout import Checkout


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path / "checkout")


@pytest.fixture
def pretend(monkeypatch):
    """An executor without kernels, for what is decided around an execution: it leaves a notebook that ran, and a result."""
    state = SimpleNamespace(executed=[], end="ended", error=None, figure=True)

    def execute(job, stop):
        state.executed.append(job.id)
        job.out.mkdir(parents=True)
        notebook = nbformat.read(job.notebook, as_version=4)
        for count, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), start=1):
            cell.execution_count = count
        nbformat.write(notebook, job.executed)
        (job.out / "results").mkdir()
        (job.out / "results" / f"{job.id}.json").write_text(json.dumps([len(state.executed), job.parameters]))
        if state.figure:
            (job.out / "figures").mkdir()
            (job.out / "figures" / f"{job.id}.svg").write_text("<svg/>")
        return Execution(state.end, 61.0, state.error)

    monkeypatch.setattr(batch, "open_executor", lambda name, gpus: nullcontext(Executor(execute)))
    return state


def test_a_notebook_runs_with_its_parameters_in_this_python(checkout, capfd):
    where = "import sys, os\nprint(sys.executable, len(sys.argv) > 0, os.environ['HISTA_REPRO_OUT'], os.environ['HISTA_REPRO_RECORDS'])"
    checkout.add("table-01", where, parameters="builds: list = []", sizes={"value": 1e-5, "builds": [{"limit": None, "model": "tiny"}]})
    assert checkout.states() == {"table-01": "done"}
    assert json.loads(checkout.results()["results/table-01.json"]) == {"name": "table-01", "value": 1e-5}

    notebook = nbformat.read(checkout.out / "notebooks" / "table-01.ipynb", as_version=4)
    assert notebook.cells[2].source == '# Parameters\nvalue = 1e-05\nbuilds = [{"limit": None, "model": "tiny"}]\n'
    python = sys.executable.replace(sys.prefix, "$VIRTUAL_ENV")
    assert notebook.cells[-1].outputs[0].text == f"{python} True $HISTA_REPRO_OUT $HISTA_REPRO_RECORDS\n"
    assert str(checkout.root) not in json.dumps(notebook)

    stamp = checkout.stamp("table-01")
    assert (stamp["status"], stamp["attempts"], stamp["error"]) == ("done", 1, None)
    assert stamp["outputs"] == ["notebooks/table-01.ipynb", "results/table-01.json"]
    assert stamp["parameters"] == {"name": "table-01", "value": 1e-5, "builds": [{"model": "tiny", "limit": None}]}
    assert {"commit", "dirty", "versions", "hardware", "platform", "started", "finished", "seconds"} <= stamp.keys()
    assert [json.loads(line)["status"] for line in (checkout.out / "log.jsonl").read_text().splitlines()] == ["running", "done"]

    said = capfd.readouterr()
    assert said.out == ""
    assert "table-01: started" in said.err and "table-01: done after" in said.err and "(0 to go)" in said.err


@pytest.mark.slow
def test_the_same_run_twice_leaves_the_same_files_with_progress_shown_outside_the_notebook(checkout):
    count = "for _ in progress.progress(range(2), 'counting'): pass"
    checkout.add("table-01", f"from hista_repro import progress\nprogress.SECONDS_BETWEEN_LINES = 0\n{count}")
    checkout.add("table-02", "import sys\nfrom tqdm import tqdm\nprint('a warning', file=sys.stderr)\n_ = list(tqdm(range(3)))")
    out, said = checkout.start().communicate()
    assert set(json.loads(out).values()) == {"done"}
    first = checkout.results()
    assert set(checkout.states(jobs=2, force=True).values()) == {"done"}
    assert checkout.results() == first

    counted, warned = (json.loads(first[f"notebooks/table-0{number}.ipynb"])["cells"][-1]["outputs"] for number in (1, 2))
    assert counted == [] and [output["text"] for output in warned] == [["a warning\n"]]
    assert "  table-01: counting: 2 of 2 steps (100%)" in said and "a warning" in said


def test_what_has_not_changed_is_fresh(checkout, pretend):
    checkout.add("table-01")
    checkout.add("table-02")
    assert checkout.states(jobs=2) == {"table-01": "done", "table-02": "done"}
    before = checkout.results()
    assert checkout.states() == {"table-01": "fresh", "table-02": "fresh"}
    assert checkout.states("table-02", force=True) == {"table-02": "done"}
    assert sorted(pretend.executed) == ["table-01", "table-02", "table-02"]
    assert before.keys() == checkout.results().keys()


@pytest.mark.parametrize("change", ["parameters", "notebook", "source", "outputs", "profile"])
def test_what_has_changed_runs_again_and_is_called_stale(checkout, pretend, change):
    checkout.add("table-01")
    checkout.add("table-02")
    checkout.run()
    assert checkout.reported() == ["done", "done"]
    expected, overrides = change, {}
    if change == "parameters":
        overrides = {"value": "0.25"}
    elif change == "profile":
        expected, checkout.sizes["table-01"] = "parameters", {"value": 0.25}
        checkout.write()
    elif change == "notebook":
        checkout.add("table-01", "1 + 1")
    elif change == "source":
        checkout.source = "another"
    else:
        (checkout.out / "figures" / "table-01.svg").unlink()
    if not overrides:  # an override is part of the earlier request
        row = checkout.status(out=checkout.out)[0]
        assert (row["state"], row["changed"]) == ("stale", [expected])
    assert checkout.states("table-01", overrides=overrides) == {"table-01": "done"}
    assert checkout.states("table-01", overrides=overrides) == {"table-01": "fresh"}


def test_a_failure_does_not_stop_the_others_and_keeps_the_last_good_outputs(checkout, pretend):
    for name in ("table-01", "table-02", "table-03"):
        checkout.add(name)
    checkout.run()
    good = checkout.results()
    checkout.add("table-02", "2")
    pretend.end, pretend.error = "failed", "it took too long"
    outcomes = checkout.run()
    assert [outcome.state for outcome in outcomes.values()] == ["fresh", "failed", "fresh"]
    assert outcomes["table-02"].notebook == checkout.out / "failed" / "table-02.ipynb"
    assert {name: text for name, text in checkout.results().items() if not name.startswith("failed/")} == good
    stamp = checkout.stamp("table-02")
    assert (stamp["status"], stamp["error"], stamp["last_done"]["seconds"]) == ("failed", "it took too long", 61.0)
    assert checkout.states("table-02") == {"table-02": "failed"}
    assert checkout.stamp("table-02")["attempts"] == 2
    pretend.end, pretend.error = "ended", None
    assert checkout.states() == {"table-01": "fresh", "table-02": "done", "table-03": "fresh"}
    assert checkout.stamp("table-02")["attempts"] == 3 and checkout.stamp("table-02")["last_done"] is None
    assert not any(name.startswith("failed/") for name in checkout.results())
    assert checkout.states("table-02", force=True) == {"table-02": "done"} and checkout.stamp("table-02")["attempts"] == 1


def test_a_notebook_that_papermill_calls_complete_but_did_not_run_fails(checkout, monkeypatch):
    def execute(job, stop):
        job.out.mkdir(parents=True)
        nbformat.write(nbformat.read(job.notebook, as_version=4), job.executed)
        return Execution("ended", 1.0)

    monkeypatch.setattr(batch, "open_executor", lambda name, gpus: nullcontext(Executor(execute)))
    checkout.add("table-01")
    assert checkout.run()["table-01"].error == "In [1] did not run"


def test_an_execution_that_leaves_no_notebook_fails(checkout, monkeypatch):
    monkeypatch.setattr(batch, "open_executor", lambda name, gpus: nullcontext(Executor(lambda job, stop: Execution("ended", 1.0))))
    checkout.add("table-01")
    assert checkout.run()["table-01"].error == "papermill left no notebook"


def test_files_that_are_no_longer_made_go(checkout, pretend):
    checkout.add("table-01")
    checkout.run()
    pretend.figure = False
    checkout.run(force=True)
    assert list(checkout.results()) == ["notebooks/table-01.ipynb", "results/table-01.json"]


def test_a_stop_leaves_the_rest_for_later(checkout, pretend, monkeypatch):
    def execute(job, stop):
        stop.requested = True
        return Execution("interrupted", 1.0)

    for name in ("table-01", "table-02"):
        checkout.add(name)
    monkeypatch.setattr(batch, "open_executor", lambda name, gpus: nullcontext(Executor(execute)))
    outcomes = checkout.run()
    assert [outcome.state for outcome in outcomes.values()] == ["interrupted", "not run"]
    assert "next: the same command again; it makes table-01, table-02" in summary(list(outcomes.values()))
    assert checkout.reported() == ["interrupted", "not run"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jobs": 0}, "jobs must be at least 1, not 0"),
        ({"executor": "slurm"}, "unknown executor 'slurm'"),
        ({"overrides": {"valeu": "1"}}, r"table-01\.ipynb has no parameter 'valeu' .* did you mean 'value'"),
        ({"overrides": {"value": "much"}}, r"table-01\.ipynb: parameter 'value' must be float, not 'much'"),
    ],
)
def test_a_refused_request_writes_nothing(checkout, options, message):
    checkout.add("table-01")
    with pytest.raises(Refused, match=message) as refusal:
        checkout.run(**options)
    assert "\n" not in str(refusal.value) and not checkout.out.parent.exists()


def test_the_overview_gives_the_state_of_the_latest_run(checkout, pretend, monkeypatch, tmp_path):
    checkout.add("table-01")
    checkout.add("table-02")
    checkout.run("table-01")
    monkeypatch.setattr("hista_repro.runner.keys.source_digest", lambda notebook, parameters: checkout.source)
    rows = overview(root=checkout.root, artifacts=checkout.artifacts)
    assert [(row["id"], row["notebook"], row["state"]) for row in rows] == [
        ("table-01", "table-01.ipynb", "done"),
        ("table-02", "table-02.ipynb", "not run"),
    ]
    monkeypatch.chdir(tmp_path)
    assert {row["state"] for row in overview(artifacts=checkout.artifacts)} == {"not run"}


def test_status_without_a_folder_looks_at_all_of_them(checkout, pretend):
    checkout.add("table-01")
    checkout.run()
    checkout.run(out=checkout.root / "runs" / "other")
    rows = checkout.status()
    assert [(row["state"], row["where"]) for row in rows] == [("done", str(checkout.root / "runs" / name)) for name in ("other", "test")]
    assert len(checkout.status(profile=str(checkout.profile))) == 1
    json.dumps(rows, allow_nan=False)


def test_the_summary_says_what_failed_and_what_to_run_next():
    done = batch.Outcome("table-01", "done", 5.0)
    assert summary([done, replace(done, id="table-02", state="fresh")]) == "1 done, 1 fresh\nnext: hista-repro book build"
    failed = batch.Outcome("table-03", "failed", 125.0, "In [2] raised ValueError: no")
    assert summary([done, failed]).splitlines() == [
        "1 done, 1 failed",
        "table-03 failed after 2 min 05 s: In [2] raised ValueError: no",
        "next: the same command again; it makes table-03 and keeps what is done",
    ]


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "0 s"), (59.6, "1 min 00 s"), (3599, "59 min 59 s"), (7800, "2 h 10 min")])
def test_durations_in_words(seconds, words):
    assert batch.duration(seconds) == words
