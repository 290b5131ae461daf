"""An estimator is one file: it is then known to the benchmark, to its tables and to training, with nothing else changed."""

import json
import os
import pickle
import sys

import pytest

from hista_repro.artifacts.kept_tables import _source_of
from hista_repro.book.catalogue import estimators_table
from hista_repro.cli import main
from hista_repro.errors import Refused
from hista_repro.estimators import Information, available_estimators, get_estimator
from hista_repro.estimators import registry as registry_module

PLUGIN = '''
"""The leave-one-out mean, drawn towards one half as if `weight` more rollouts had ended either way."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from hista_repro.estimators import Estimator, Information


@dataclass(frozen=True)
class ShrunkenMean(Estimator):
    name = "shrunken-mean"
    information = Information.SIBLINGS
    weight: float = 2.0

    def values(self, group, positions):
        others_G = group.rewards_G.sum() - group.rewards_G
        values_G = (others_G + self.weight / 2) / (group.size - 1 + self.weight)
        return [torch.full((len(tokens),), float(value)) for value, tokens in zip(values_G, positions, strict=True)]


ESTIMATORS = [ShrunkenMean()]
'''


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "shrunken_mean.py").write_text(PLUGIN)
    monkeypatch.setenv("HISTA_REPRO_PLUGINS", str(folder))
    registry_module._estimators.cache_clear()
    yield folder
    registry_module._estimators.cache_clear()


def test_a_file_in_a_folder_is_an_estimator(plugin):
    assert available_estimators()["shrunken-mean"] is Information.SIBLINGS
    assert get_estimator("shrunken-mean", weight=1.0).weight == 1.0


def test_its_module_is_found_like_any_other(plugin):
    estimator = get_estimator("shrunken-mean", weight=1.0)
    assert pickle.loads(pickle.dumps(estimator)) == estimator
    assert plugin / "shrunken_mean.py" in _source_of({type(estimator).__module__})
    assert "`loo-mean`" in estimators_table() and "shrunken-mean" not in estimators_table()


def test_files_of_one_name_in_two_folders_are_two_modules(plugin, tmp_path, monkeypatch):
    other = tmp_path / "others"
    other.mkdir()
    (other / "shrunken_mean.py").write_text(PLUGIN.replace("shrunken-mean", "other-mean"))
    monkeypatch.setenv("HISTA_REPRO_PLUGINS", os.pathsep.join(map(str, (plugin, other))))
    for name in ("shrunken-mean", "other-mean"):
        assert pickle.loads(pickle.dumps(get_estimator(name))).name == name


def test_a_file_whose_name_begins_with_an_underscore_is_none(plugin):
    (plugin / "_check.py").write_text("raise AssertionError")
    assert "shrunken-mean" in available_estimators()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\nimport no_such_module\n", "broken-one.py, line 2 cannot be imported: ModuleNotFoundError: No module named 'no_such_module'"),
        ("def f(:\n", "broken-one.py cannot be imported: SyntaxError"),
        ("raise KeyError('first\\nsecond')", "broken-one.py, line 1 cannot be imported: KeyError"),
        (PLUGIN.partition("ESTIMATORS")[0], "broken-one.py has no list ESTIMATORS"),
        (PLUGIN.replace("[ShrunkenMean()]", "[ShrunkenMean]"), "broken-one.py holds <class '.*ShrunkenMean'>, which is no object"),
    ],
)
def test_a_file_that_is_no_plugin_is_refused_in_one_line(plugin, text, message):
    (plugin / "shrunken_mean.py").rename(plugin / "broken-one.py")
    (plugin / "broken-one.py").write_text(text)
    with pytest.raises(Refused, match=message) as refusal:
        available_estimators()
    assert "\n" not in str(refusal.value)
    left = [name for name in sys.modules if name.startswith("hista_repro_plugin_broken_one")]
    assert bool(left) == ("holds" in message)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of others whose entry point names the module `their_estimators`, which it does not have yet."""
    package = tmp_path / "elsewhere"
    info = package / "theirs-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[hista_repro.estimators]\ntheirs = their_estimators\n")
    monkeypatch.syspath_prepend(package)
    registry_module._estimators.cache_clear()
    yield package
    sys.modules.pop("their_estimators", None)
    registry_module._estimators.cache_clear()


def test_a_module_of_another_package_is_an_estimator(package):
    (package / "their_estimators.py").write_text(PLUGIN)
    assert "shrunken-mean" in available_estimators()


def test_an_entry_point_to_no_module_is_refused(package):
    missing = "the entry point theirs = their_estimators cannot be imported: ModuleNotFoundError: No module named 'their_estimators'"
    with pytest.raises(Refused, match=missing):
        available_estimators()


def test_an_entry_point_to_a_module_without_estimators_is_refused(package):
    (package / "their_estimators.py").write_text(PLUGIN.partition("ESTIMATORS")[0])
    with pytest.raises(Refused, match="the entry point theirs = their_estimators has no list ESTIMATORS"):
        available_estimators()


def test_the_benchmark_scores_it_and_training_takes_it(plugin, random_model, tmp_path, capsys):
    source = ["--model", "tiny", "--problems", "arithmetic-steps", "--limit", "4", "--temperature", "1.0", "--max-tokens", "96"]
    sizes = ["--group-size", "4", "--states", "2", "--references", "2", "--draws", "0"]
    assert main(["sveb", "build", *source, *sizes, "--out", str(tmp_path / "b")]) == 0
    capsys.readouterr()
    assert main(["sveb", "score", str(tmp_path / "b"), "--json"]) == 0
    rows = {row["estimator"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["shrunken-mean"]["information"] == "siblings" and rows["shrunken-mean"]["n_states"] > 0

    config = tmp_path / "run.yaml"
    config.write_text(
        f"{{model: {random_model}, problems: arithmetic-steps, out: {tmp_path / 'run'}, estimator: shrunken-mean, limit: 20, prompts: 2, "
        "group_size: 2, oversampling: 1, micro_batch: 4, max_tokens: 8, steps: 1, temperature: 1.0, trl: {use_cpu: true}}"
    )
    assert main(["train", str(config)]) == 0


def test_a_name_that_is_taken_is_refused(plugin):
    (plugin / "again.py").write_text(PLUGIN)
    registry_module._estimators.cache_clear()
    with pytest.raises(Refused, match="two estimators are called 'shrunken-mean'"):
        available_estimators()


def test_a_folder_that_is_none_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("HISTA_REPRO_PLUGINS", str(tmp_path / "nowhere"))
    with pytest.raises(Refused, match="nowhere, which is no folder"):
        available_estimators()
