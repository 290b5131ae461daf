"""Rows of the hub, and a hub that gives none."""

import sys

import pytest

from hista_repro.errors import Refused
from hista_repro.problems.hub_rows import load_rows

datasets = pytest.importorskip("datasets")


def test_the_hub_is_asked_for_one_split_of_one_revision(monkeypatch):
    monkeypatch.setattr(datasets, "load_dataset", lambda *asked, **options: [asked, options])
    assert load_rows("a/set", "main", "test", "abc") == [("a/set", "main"), {"split": "test", "revision": "abc"}]


@pytest.mark.parametrize(
    ("revision", "error", "message"),
    [
        (None, ConnectionError("no route to host\nand a long story"), r"^the hub did not give the data set a/set: no route to host$"),
        ("abc", ValueError("no such split"), r"^the hub did not give the data set a/set at abc: no such split$"),
        (None, KeyError(), r"^the hub did not give the data set a/set: KeyError$"),
    ],
)
def test_a_hub_that_gives_nothing_is_one_sentence(monkeypatch, revision, error, message):
    def unreachable(*_, **__):
        raise error

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(Refused, match=message):
        load_rows("a/set", None, "train", revision)


def test_without_the_package_datasets_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(Refused, match=r"^a/set is read by the package datasets: pip install datasets$"):
        load_rows("a/set", None, "train")
