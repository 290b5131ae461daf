import json

import pytest

from hista_repro.checkout import find_checkout, records_home
from hista_repro.errors import Refused
from hista_repro.runner.plan import builds_of, choose, make_task
from hista_repro.runner.profiles import load_profile
from runner_checkout import Checkout


@pytest.fixture
def checkout(tmp_path):
    checkout = Checkout(tmp_path / "checkout")
    checkout.add("table-01", parameters="builds: list = []", sizes={"value": 2})
    checkout.add("figure-01")
    return checkout


def test_the_checkout_is_found_around_the_working_directory(checkout, monkeypatch, tmp_path):
    monkeypatch.delenv("HISTA_REPRO_ROOT", raising=False)
    monkeypatch.chdir(checkout.root / "notebooks")
    assert find_checkout() == checkout.root
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Refused, match="the working directory is not inside a checkout"):
        find_checkout()
    with pytest.raises(Refused, match=f"{tmp_path} holds no checkout"):
        find_checkout(tmp_path)
    monkeypatch.setenv("HISTA_REPRO_ROOT", str(checkout.root))
    assert find_checkout() == checkout.root


def test_artifacts_come_in_the_order_in_which_they_are_named(checkout):
    profile = load_profile(str(checkout.profile))
    assert [artifact.id for artifact in choose([], profile, checkout.artifacts)] == list(profile.artifacts)
    ids = ["figure-01", "table-01", "figure-01"]
    assert [artifact.id for artifact in choose(ids, profile, checkout.artifacts)] == ["figure-01", "table-01"]


def test_without_ids_only_what_the_profile_has_sizes_for(checkout):
    del checkout.sizes["table-01"]
    checkout.write()
    profile = load_profile(str(checkout.profile))
    assert [artifact.id for artifact in choose([], profile, checkout.artifacts)] == ["figure-01"]
    with pytest.raises(Refused, match="profile test has no sizes for table-01"):
        choose(["table-01"], profile, checkout.artifacts)


def test_unknown_ids_are_refused(checkout):
    profile = load_profile(str(checkout.profile))
    with pytest.raises(Refused, match=r"^unknown artifact 'tabel-01'; did you mean 'table-01'\?$"):
        choose(["tabel-01"], profile, checkout.artifacts)
    checkout.sizes["figure-02"] = {}
    checkout.write()
    with pytest.raises(Refused, match=r"^unknown artifact 'figure-02' in profile test; did you mean 'figure-01'\?$"):
        choose([], load_profile(str(checkout.profile)), checkout.artifacts)


def test_overrides_win_over_the_profile_which_wins_over_the_notebook(checkout):
    profile = load_profile(str(checkout.profile))
    artifact = checkout.artifacts["table-01"]
    task = make_task(artifact, profile, {}, checkout.root)
    assert task.parameters == {"name": "table-01", "value": 2.0, "builds": []}
    assert task.changed == {"value": 2.0}
    task = make_task(artifact, profile, {"value": "1e-5", "builds": '[{"model": "tiny"}]'}, checkout.root)
    assert task.changed == {"value": 1e-5, "builds": [{"model": "tiny"}]}


def test_a_value_at_the_default_is_the_default(checkout):
    profile, artifact = load_profile(str(checkout.profile)), checkout.artifacts["figure-01"]
    plain, said = (make_task(artifact, profile, overrides, checkout.root) for overrides in ({}, {"value": "0.5"}))
    assert said.key == plain.key and said.changed == {}


def test_true_is_not_one(checkout):
    checkout.add("figure-02", parameters="flag: bool | int = 1", sizes={"flag": True})
    task = make_task(checkout.artifacts["figure-02"], load_profile(str(checkout.profile)), {}, checkout.root)
    assert task.changed == {"flag": True}


def test_a_missing_notebook_is_refused(checkout):
    (checkout.root / "notebooks" / "table-01.ipynb").unlink()
    with pytest.raises(Refused, match="there is no notebook"):
        make_task(checkout.artifacts["table-01"], load_profile(str(checkout.profile)), {}, checkout.root)


def test_a_page_may_draw_a_build_several_times_and_in_two_designs(checkout):
    checkout.add("extra-draws", parameters="model: str = ''\nbuild: dict = {}\nbuild_seeds: list = []")
    checkout.add("extra-designs", parameters="builds: list = []\ncut_every: int = 8")
    checkout.add("extra-budget", parameters="builds: list = []\nredesign: dict = {}")
    checkout.sizes["extra-draws"] = {"build": {"model": "tiny", "seed": 9}, "build_seeds": [0, 1]}
    checkout.sizes["extra-designs"] = {"builds": [{"model": "tiny", "seed": 0}]}
    checkout.sizes["extra-budget"] = {"builds": [{"model": "tiny", "seed": 0}, {"model": "tiny", "seed": 1}], "redesign": {"states": 9}}
    checkout.write()
    profile = load_profile(str(checkout.profile))
    tasks = [make_task(checkout.artifacts[name], profile, {}, checkout.root) for name in ("extra-draws", "extra-designs", "extra-budget")]
    first, second = ({"model": "tiny", "seed": seed} for seed in (0, 1))
    assert builds_of(tasks) == [first, second, {**first, "cut_every": 8, "independent_pool": True}, {**first, "states": 9}]
    (empty,) = [make_task(checkout.artifacts["extra-budget"], profile, {"builds": "[]"}, checkout.root)]
    assert builds_of([empty]) == []


def test_records_are_shared_by_the_checkout_unless_named(checkout, monkeypatch, tmp_path):
    monkeypatch.delenv("HISTA_REPRO_RECORDS", raising=False)
    assert records_home(checkout.root) == checkout.root / "runs" / "records"
    monkeypatch.setenv("HISTA_REPRO_RECORDS", str(tmp_path))
    assert records_home(checkout.root) == tmp_path


def test_the_helper_writes_profiles_that_json_reads(checkout):
    assert json.loads(checkout.profile.read_text())["artifacts"] == {"table-01": {"value": 2}, "figure-01": {}}
