from dataclasses import replace

import pytest

from hista_repro.errors import Refused
from hista_repro.sveb import build
from hista_repro.sveb.records import read_manifest, read_table
from hista_repro.sveb.sampler import Sampler
from small_build import SMALL, tables

TWO_STAGES = replace(SMALL, limit=12, screen=8, screen_first=3, states=1, references=2, draws=0)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("screened") / "build"
    build(TWO_STAGES, folder)
    return folder


def test_the_rest_is_sampled_where_some_are_right_and_some_wrong(built):
    problems, screening = (read_table(built, name) for name in ("problems", "screening"))
    sizes = set()
    for problem in problems.itertuples():
        rewards = screening[screening.problem_id == problem.problem_id]
        first = rewards.reward[rewards["sample"] < 3]
        assert list(rewards["sample"]) == list(range(8 if 0 < first.mean() < 1 else 3))
        assert (problem.screened, problem.correct) == (len(rewards), rewards.reward.sum())
        assert not problem.kept or problem.screened == 8
        sizes.add(problem.screened)
    assert sizes == {3, 8} and problems.kept.any()
    assert list(screening.problem_id.drop_duplicates()) == list(problems.problem_id)


def test_the_stages_draw_other_rollouts(built):
    screening = read_table(built, "screening")
    whole = screening.groupby("problem_id").text.transform("size") == 8
    texts = screening[whole].assign(stage=screening["sample"] >= 3).groupby(["problem_id", "stage"]).text.agg(tuple).unstack()
    assert not any(first == rest[: len(first)] for first, rest in texts.itertuples(index=False))


@pytest.mark.parametrize("units", [1, 4, 7])
def test_a_kill_in_either_stage_leaves_the_same_files(built, tmp_path, monkeypatch, units):
    roll_out, left = Sampler.roll_out, iter(range(units))

    def until_stopped(self, *unit):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return roll_out(self, *unit)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Sampler, "roll_out", until_stopped)
        build(TWO_STAGES, tmp_path / "stopped")
    build(TWO_STAGES, tmp_path / "stopped")
    assert tables(tmp_path / "stopped") == tables(built)
    assert sorted(path.name for path in (tmp_path / "stopped").iterdir()) == sorted(path.name for path in built.iterdir())


@pytest.mark.parametrize("screen_first", [None, 3])
def test_problems_that_are_cut_off_too_often_are_dropped(tmp_path, screen_first):
    config = replace(TWO_STAGES, max_tokens=60, max_truncated=0.25, min_accuracy=0.0, screen_first=screen_first)
    counts = build(config, tmp_path / "build")["counts"]
    problems = read_table(tmp_path / "build", "problems")
    long = problems.truncated > 0.25 * problems.screened
    assert 0 < long.sum() < len(problems) and not problems.kept[long].any()
    assert counts["dropped_truncated"] == (long & (problems.correct <= 0.8 * problems.screened)).sum()
    dropped = sum(counts[name] for name in counts if name.startswith("dropped"))
    assert dropped + counts["kept"] == counts["problems"] == 12


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"screen_first": 8}, "screen-first must be below screen, not 8 of 8"),
        ({"screen_first": 0}, "screen-first must be an integer of at least 1"),
        ({"max_truncated": 1.5}, "max-truncated must lie between 0 and 1, not 1.5"),
    ],
)
def test_settings_without_a_meaning_are_refused(change, said):
    with pytest.raises(Refused, match=said):
        replace(TWO_STAGES, **change)


def test_the_size_of_a_batch_stands_in_the_manifest_and_stays(tmp_path, monkeypatch):
    config = replace(TWO_STAGES, limit=2, batch_tokens=None, min_accuracy=0.0, max_accuracy=1.0)
    build(config, tmp_path / "build")
    manifest = read_manifest(tmp_path / "build")
    assert manifest["config"]["batch_tokens"] is None and manifest["batch_tokens"] == 1 << 16
    monkeypatch.setattr("hista_repro.sveb.units.parameters_of", lambda config: pytest.fail("another machine would choose another size"))
    build(replace(config, keep_hidden=True), tmp_path / "build")
    assert read_manifest(tmp_path / "build")["batch_tokens"] == 1 << 16 and list((tmp_path / "build" / "hidden").rglob("*.npy"))
