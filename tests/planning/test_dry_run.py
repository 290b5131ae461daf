import json

import pytest

from hista_repro.book.scale_page import scale_page
from hista_repro.cli import main
from hista_repro.errors import Refused
from hista_repro.planning import cost_of_build, plan, readable_plan
from hista_repro.profiles import PROFILES
from hista_repro.sveb import BuildConfig, build
from hista_repro.sveb.records import read_table
from runner_checkout import Checkout

BUILD = {"model": "tiny", "problems": "arithmetic-steps", "limit": 10, "max_tokens": 64}


TRAINING = {"limit": 16, "prompts": 4, "group_size": 4, "steps": 2, "validation_problems": 8, "validate_every": 2}
ARMS = {"arms": {"DAPO": "none", "DAPO + Hista": "hista"}, "seeds": [0, 1], "settings": TRAINING}
ROWS = {"rows": [{"row": "before training", "model": "tiny"}, {"row": "DAPO", "run": "none"}], "training": {**TRAINING, "seed": 0}}


@pytest.fixture
def checkout(tmp_path):
    checkout = Checkout(tmp_path / "checkout")
    declared = 'model: str = ""\nbuilds: list = []'
    checkout.add("table-01", parameters=declared, sizes={"builds": [BUILD]})
    checkout.add("table-02", parameters=declared, sizes={"builds": [BUILD, {**BUILD, "seed": 1}]})
    checkout.add("table-03", parameters=f"{declared}\nrollouts: int = 4\nepochs: int = 2", sizes={"builds": [BUILD]})
    return checkout


def test_what_artifacts_share_is_counted_once(checkout):
    one = cost_of_build(BuildConfig.from_dict(BUILD))
    rows = {row["id"]: row for row in plan(**checkout.request)}
    assert list(rows) == ["table-01", "table-02", "table-03", "all"]
    assert [row["tokens"] for row in rows.values()] == [one.tokens, 2 * one.tokens, one.tokens, 2 * one.tokens]
    assert rows["table-01"]["models"] == "tiny" and rows["table-01"]["problems"] == "arithmetic-steps"
    assert rows["table-01"]["gpu_hours"] < rows["table-03"]["gpu_hours"], "critics are trained"
    assert rows["table-01"]["command"] == f"hista-repro run table-01 --profile {checkout.profile} --executor local"
    json.dumps(list(rows.values()), allow_nan=False)
    assert not checkout.out.parent.exists()


@pytest.fixture
def training(checkout):
    arms = 'config: str = "tiny.yaml"\narms: dict = {}\nseeds: list = []\nsettings: dict = {}'
    rows = 'config: str = "tiny.yaml"\nmodel: str = ""\nrows: list = []\nbenchmarks: list = []\nsettings: dict = {}\ntraining: dict = {}'
    checkout.add("figure-01", parameters=arms, sizes=ARMS)
    checkout.add("table-14", parameters=arms, sizes=ARMS)
    checkout.add("table-05", parameters=rows, sizes={**ROWS, "benchmarks": ["tiny-held-out", "scieval"]})
    return checkout


def test_training_and_evaluations_are_counted(training):
    figure, table, asking, everything = plan(["figure-01", "table-14", "table-05"], **training.request)
    run = 2 * 4 * 4 + 2 * 8  # steps, prompts, rollouts; validated before and after
    assert (figure["training_runs"], figure["rollouts"], figure["tokens"]) == (4, 4 * run, 4 * run * 104)
    assert {**table, "id": "", "command": ""} == {**figure, "id": "", "command": ""}
    assert (asking["training_runs"], asking["evaluations"], asking["rollouts"]) == (1, 2, run + 2 * 300)
    assert asking["unknown"] == ["answers to SciEval, whose number of questions is not known"]
    assert (everything["training_runs"], everything["evaluations"], everything["rollouts"]) == (4, 2, 4 * run + 2 * 300)
    assert everything["gpu_hours"] < figure["gpu_hours"] + asking["gpu_hours"]
    text = readable_plan([asking])
    assert "makes      training runs: 1, evaluations: 2\n" in text and "unknown    answers to SciEval" in text


def test_what_is_trained_beforehand_is_shown_as_commands(training):
    training.sizes["figure-01"] = {**ARMS, "arms": {"DAPO": "runs/arms/none-{seed}"}}
    training.write()
    [row, everything] = plan(["figure-01"], **training.request)
    commands = [f"hista-repro train tiny.yaml run=none seed={seed} out=runs/arms/none-{seed}" for seed in (0, 1)]
    assert row["before"] == everything["before"] == commands
    assert f"  before     {commands[0]}\n             {commands[1]}\n  command " in readable_plan([row])


def test_overrides_are_planned_with_and_named_in_the_command(checkout):
    [row, _] = plan(["table-02"], **checkout.request, overrides={"model": "smollm2-135m"})
    assert row["models"] == "smollm2-135m" and "-p model=smollm2-135m" in row["command"]


def test_every_artifact_is_shown_with_what_is_assumed(checkout):
    text = readable_plan(plan(**checkout.request))
    assert all(f"{name}\n  models     tiny\n" in text for name in ("table-01", "table-02", "table-03", "all"))
    assert "assumed" in text and "bounds" in text


@pytest.mark.parametrize(
    ("build", "message"),
    [
        ({"model": "tiny", "problems": "arithmetic-steps"}, "give it the field 'limit'"),
        ({"problems": "arithmetic-steps", "limit": 5}, "a build needs the setting 'model'"),
        ({**BUILD, "model": "no/such-model"}, "no plan can be made for the model 'no/such-model'"),
    ],
)
def test_a_profile_from_which_no_plan_follows_is_refused(checkout, build, message):
    checkout.sizes["table-01"] = {"builds": [build]}
    checkout.write()
    with pytest.raises(Refused, match=message):
        plan(["table-01"], **checkout.request)


def test_hours_here_follow_from_a_measured_rate(checkout):
    one, two, three, everything = plan(**checkout.request, here=True)
    assert one["hours_here"] == three["hours_here"] == two["hours_here"] / 2 == everything["hours_here"] / 2 > 0
    assert one["expected_hours_here"] is None
    assert f"  here       sampling the builds takes {one['hours_here']:,.2f} hours at most\n" in readable_plan([one])
    rate = one["tokens"] / 3600 / one["hours_here"]
    assert 1 < rate < 1e7


def test_recorded_builds_say_how_much_of_the_bound_is_used(checkout):
    folder = checkout.root / "results" / "some" / "builds" / "tiny"
    counts = build(BuildConfig.from_dict(BUILD), folder)["counts"]
    one, two, _, _ = plan(**checkout.request, here=True)
    written = counts["continuation_tokens"] + sum(read_table(folder, name).token_ids.map(len).sum() for name in ("screening", "rollouts"))
    assert one["expected_hours_here"] / one["hours_here"] == pytest.approx(written / one["tokens"])
    assert two["expected_hours_here"] is None, "one of its builds is not recorded"
    assert "hours at most, about" in readable_plan([one])


def test_a_model_that_is_not_here_has_no_hours(checkout):
    checkout.sizes["table-01"] = {"builds": [{**BUILD, "model": "Qwen/Qwen2.5-0.5B"}]}
    checkout.write()
    row, _ = plan(["table-01"], **checkout.request, here=True)
    assert row["hours_here"] is None
    assert "not known: a model of its builds is not on this machine" in readable_plan([row])


@pytest.mark.parametrize("profile", PROFILES)
def test_the_profiles_that_come_with_the_package_can_be_planned(profile, capsys, monkeypatch):
    monkeypatch.setattr("hista_repro.planning.here.rate_here", lambda build: 200.0 if build.model == "tiny" else None)
    assert main(["run", "--profile", profile, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "\nall\n" in shown and " 0 rollouts" not in shown


def test_the_page_on_scale_says_what_the_functions_give():
    parts = scale_page()
    assert "| Completion tokens, at most | 2.23 billion | 22.28 billion |" in parts["scale"]
    assert all(len({line.count("|") for line in parts[name].splitlines()}) == 1 for name in ("scale", "settings", "pages_at_scale"))


def test_the_page_on_scale_has_what_each_page_takes():
    lines = scale_page()["pages_at_scale"].splitlines()
    rows = {cells[1].strip(): [cell.strip() for cell in cells[2:-1]] for cells in (line.split("|") for line in lines)}
    one = {profile: plan(["table-07"], profile=profile)[0] for profile in ("gpu", "paper")}
    assert one["paper"]["unknown"] and not one["gpu"]["unknown"]
    on_gpu, _, on_paper, _ = rows["{doc}`Table 7 </notebooks/table_07>`"]
    assert (on_gpu, on_paper) == (f"{one['gpu']['gpu_hours']:.0f}", f"{one['paper']['gpu_hours']:.0f} + ?")
    assert "all, and what pages share once" in rows
    assert not any("extra_costs" in page for page in rows), "it measures with no model"
