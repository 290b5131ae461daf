import shutil
from collections import namedtuple
from dataclasses import replace

import numpy as np
import pytest
import torch

from hista_repro.errors import Refused, WorkFailed
from hista_repro.files import write_json
from hista_repro.rollouts.group import HiddenStates
from hista_repro.sveb import adopt, build, hidden_store, record, score
from hista_repro.sveb.benchmark import Benchmark
from hista_repro.sveb.hidden_store import most_bytes, read_hidden, to_rows, write_hidden
from hista_repro.sveb.records import read_manifest
from hista_repro.sveb.sampler import HiddenReader, Sampler
from small_build import KEEPS_EVERY_PROBLEM

BUILD = replace(KEEPS_EVERY_PROBLEM, limit=3, references=2, draws=0, screen=2, max_tokens=72, independent_pool=True, keep_hidden=True)

NAMES = ["hista-loo", "probe-loo", "last-token-knn-loo"]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hidden") / "kept"
    build(BUILD, folder)
    return folder


def test_rows_come_back_as_they_were_to_half_precision(tmp_path):
    hidden = HiddenStates(torch.randn(3, 5), (torch.randn(4, 5), torch.zeros(0, 5), torch.randn(1, 5)))
    paths = [tmp_path / "first.npy", tmp_path / "rest.npy"]
    write_hidden(paths[0], to_rows([hidden.prompt_T_D, *hidden.completions[:2]]))
    write_hidden(paths[1], to_rows(hidden.completions[2:]))
    found = read_hidden(paths, 3, [4, 0, 1])
    for ours, theirs in zip((found.prompt_T_D, *found.completions), (hidden.prompt_T_D, *hidden.completions), strict=True):
        assert ours.dtype == torch.float32 and ours.equal(theirs.half().float())
    with pytest.raises(Refused, match="hold 8 rows for 9 tokens"):
        read_hidden(paths, 3, [4, 1, 1])


def test_ordinary_bfloat16_values_are_kept_exactly():
    values = torch.randn(100, 8).bfloat16().float()
    values = values[(values.abs() > 1e-4).all(dim=1)]
    assert torch.from_numpy(to_rows([values])).float().equal(values)


def test_values_beyond_half_precision_stop_the_build():
    with pytest.raises(WorkFailed, match="exceed half precision"):
        to_rows([torch.full((1, 2), 1e6)])


def test_the_last_layer_comes_from_disk_and_others_from_the_model(kept):
    benchmark = Benchmark(kept)
    for group in benchmark.groups.values():
        for layer in (-1, 1):
            expected = benchmark.reader.hidden_states(group.prompt_token_ids, group.token_ids, layer)
            for ours, theirs in zip(group.hidden(layer).completions, expected.completions, strict=True):
                # the last layer was kept in the pass that sampled, in half precision
                torch.testing.assert_close(ours, theirs, atol=0.005 if layer == -1 else 0, rtol=0)


def test_scores_need_no_model_and_are_the_same(kept, tmp_path, monkeypatch):
    plain = tmp_path / "plain"
    build(replace(BUILD, keep_hidden=False), plain)
    expected = score(plain, NAMES)
    monkeypatch.setattr("hista_repro.sveb.benchmark.make_reader", lambda *_, **__: pytest.fail("the model was loaded"))
    found = score(kept, NAMES)
    assert found.state_id.equals(expected.state_id)
    assert found.estimate.to_numpy() == pytest.approx(expected.estimate.to_numpy(), abs=0.02)


@pytest.mark.parametrize(("worker", "method"), [(Sampler, "roll_out"), (HiddenReader, "hidden_rows")])
def test_a_build_that_was_stopped_keeps_what_it_has_read(tmp_path, monkeypatch, worker, method):
    """In the pass that samples, and where a finished build is given hidden states that it lacks."""
    small = replace(BUILD, batch_tokens=90 * BUILD.group_size)
    made, left = getattr(worker, method), iter(range(2 if method == "hidden_rows" else 5))
    build(small, tmp_path / "kept")
    if method == "hidden_rows":
        build(replace(small, keep_hidden=False), tmp_path / "stopped")

    def until_stopped(self, *unit):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return made(self, *unit)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(worker, method, until_stopped)
        build(small, tmp_path / "stopped")
    first = sorted((tmp_path / "stopped" / "hidden").rglob("*.npy"))
    written = [path.stat().st_mtime_ns for path in first]
    build(small, tmp_path / "stopped")
    assert len(first) == 2 and [path.stat().st_mtime_ns for path in first] == written
    for path in (tmp_path / "kept" / "hidden").rglob("*.npy"):
        ours, theirs = np.load(path), np.load(tmp_path / "stopped" / path.relative_to(tmp_path / "kept"))
        assert np.array_equal(ours, theirs) if method == "roll_out" else np.allclose(ours, theirs, atol=0.005)


def test_a_finished_build_is_given_the_hidden_states_that_it_lacks(kept, tmp_path):
    shutil.copytree(kept, tmp_path / "sent", ignore=shutil.ignore_patterns("hidden"))
    manifest = read_manifest(tmp_path / "sent")
    earlier = {**manifest, "config": {**manifest["config"], "keep_hidden": False}, "most_hidden_bytes": 0, "restarts": 2}
    del earlier["batch_tokens"]  # which earlier source wrote among the settings, asked for or not
    write_json(tmp_path / "sent" / "manifest.json", {**earlier, "isolation": "none"})  # of another machine; no program is left to run
    adopted = adopt(tmp_path / "sent", tmp_path / "records")
    assert record({**BUILD.to_dict(), "keep_hidden": False}, home=tmp_path / "records") == adopted and not (adopted / "hidden").exists()
    assert record({**BUILD.to_dict(), "batch_tokens": None}, home=tmp_path / "records") == adopted
    for path in (kept / "hidden").rglob("*.npy"):
        assert np.allclose(np.load(path), np.load(adopted / path.relative_to(kept)), atol=0.005)
    found = read_manifest(adopted)
    asked = {**manifest["config"], "batch_tokens": None}
    size = sum(path.stat().st_size for path in (kept / "hidden").rglob("*.npy"))
    assert 0.9 * size < found["most_hidden_bytes"] < size, "the rows without the headers of their files"
    apart = {"isolation": "none", "restarts": found["restarts"], "most_hidden_bytes": found["most_hidden_bytes"]}
    assert found == {**manifest, "config": asked, **apart} and found["restarts"][:2] == [{}, {}]
    assert len(found["restarts"]) == 3
    record(BUILD.to_dict(), home=tmp_path / "records")
    assert read_manifest(adopted) == found


def test_a_finished_build_needs_no_problems_of_the_hub(kept, tmp_path, monkeypatch):
    shutil.copytree(kept, tmp_path / "sent", ignore=shutil.ignore_patterns("hidden"))
    manifest = read_manifest(tmp_path / "sent")
    write_json(tmp_path / "sent" / "manifest.json", {**manifest, "config": {**manifest["config"], "problems": "openai/gsm8k"}})
    monkeypatch.delenv("HISTA_REPRO_DATA", raising=False)
    monkeypatch.setattr("hista_repro.problems.hub.load_rows", lambda *_: pytest.fail("the hub was asked"))
    asked = {**BUILD.to_dict(), "problems": "openai/gsm8k"}
    adopted = adopt(tmp_path / "sent", tmp_path / "records")
    assert record(asked, home=tmp_path / "records") == adopted and len(list(adopted.rglob("*.npy"))) == len(list(kept.rglob("*.npy")))
    assert set(score(adopted, ["hista-loo"]).estimator) == {"hista-loo"}


def test_the_size_is_a_bound_and_stands_in_the_manifest(kept):
    manifest = read_manifest(kept)
    size = sum(path.stat().st_size for path in (kept / "hidden").rglob("*.npy"))
    assert 0 < size < manifest["most_hidden_bytes"]
    assert most_bytes([10, 20], group_size=3, max_tokens=5, depth=7) == 2 * 7 * (10 + 20 + 2 * 3 * 5)


def test_a_disk_without_room_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(hidden_store.shutil, "disk_usage", lambda path: usage(10**6, 10**6 - 100_000, 100_000))
    with pytest.raises(Refused, match=r"hidden states may take 0.000\d+ GB and .* has room for 0.0001 GB; lower limit"):
        build(BUILD, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    build(replace(BUILD, keep_hidden=False), tmp_path / "new")
