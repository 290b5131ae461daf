"""What a folder must hold to be gone on with, whoever made it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hista_repro.benchmarks import EvaluationConfig
from hista_repro.errors import Refused
from hista_repro.manifests import manifest_of_same
from hista_repro.sveb import BuildConfig
from hista_repro.training.config import TrainConfig

IDENTITY = {"config": {"model": "tiny", "seed": 0, "keep": True}, "problems_sha256": "p", "model_sha256": "m"}


@pytest.fixture
def begun(tmp_path):
    """A function that writes a manifest, and gives what is found for `asked`."""

    def find(there, asked=IDENTITY, **how):
        (tmp_path / "manifest.json").write_text(json.dumps({**there, "status": "running"}))
        return manifest_of_same(tmp_path, asked, "a build", **how)

    return find


def with_settings(**settings):
    return {**IDENTITY, "config": {**IDENTITY["config"], **settings}}


def test_nothing_was_begun_in_an_empty_folder_or_one_that_is_not_there(tmp_path):
    (tmp_path / ".lock").touch()
    for folder in (tmp_path, tmp_path / "missing"):
        assert manifest_of_same(folder, IDENTITY, "a build") is None


def test_the_same_is_gone_on_with(begun):
    assert begun(IDENTITY)["status"] == "running"
    assert begun(with_settings(keep=False), apart_from={"keep"})["config"]["keep"] is False


def test_earlier_source_had_fewer_settings_and_noted_less(begun):
    earlier = {"config": {"model": "tiny", "keep": True}, "model_sha256": "m"}
    assert begun(earlier, complete=lambda settings: {"seed": 0, **settings}) is not None
    with pytest.raises(Refused, match=r"configuration: seed \(there None, asked 0\)"):
        begun(earlier)


def test_what_differs_is_named_and_what_follows_from_it_only_where_it_is_alone(begun):
    other = {**with_settings(seed=1), "problems_sha256": "others"}
    with pytest.raises(Refused, match=r"holds a build with another configuration: seed \(there 1, asked 0\); choose another folder"):
        begun(other, follow={"problems_sha256"})
    with pytest.raises(Refused, match=r"configuration: problems_sha256 \(there 'others', asked 'p'\);"):
        begun({**IDENTITY, "problems_sha256": "others"}, follow={"problems_sha256"})
    with pytest.raises(Refused, match=r"problems_sha256 .*, seed "):
        begun(other)


def test_a_folder_with_something_else_is_refused(tmp_path):
    (tmp_path / ".manifest.json.4711.tmp").touch()
    assert manifest_of_same(tmp_path, IDENTITY, "a build") is None, "what a kill leaves while the first file is written"
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(Refused, match="is not empty and does not hold a build"):
        manifest_of_same(tmp_path, IDENTITY, "a build")


CONFIGS = {
    "a build": BuildConfig("tiny", "arithmetic-steps"),
    "a training run": TrainConfig("tiny", "arithmetic-steps", "out"),
    "an evaluation": EvaluationConfig("tiny", ["tiny-held-out"]),
}


@pytest.mark.parametrize("there", CONFIGS)
@pytest.mark.parametrize("asked", CONFIGS)
def test_a_folder_of_another_kind_is_named_as_such(tmp_path, there, asked):
    held, config = ({"config": CONFIGS[kind].to_dict(), "model_sha256": "m"} for kind in (there, asked))
    (tmp_path / "manifest.json").write_text(json.dumps({**held, "status": "done"}))
    find = {"complete": lambda settings: type(CONFIGS[asked]).from_dict(settings).to_dict()} if asked != "an evaluation" else {}
    if there == asked:
        assert manifest_of_same(tmp_path, config, asked, **find)["status"] == "done"
    else:
        with pytest.raises(Refused, match=f"^{tmp_path} does not hold {asked}, which has no setting '.*'; choose another folder$"):
            manifest_of_same(tmp_path, config, asked, **find)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)
LIKE_MANIFESTS = st.fixed_dictionaries(
    {}, optional={"name": VALUES, "status": VALUES, "config": VALUES | st.dictionaries(st.sampled_from(["model", "seed", "name"]), VALUES)}
)


@given((VALUES | LIKE_MANIFESTS).map(lambda document: json.dumps(document).encode()) | st.binary())
def test_whatever_else_is_called_manifest_is_refused(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("other")
    (folder / "manifest.json").write_bytes(content)
    for kind in ("a build", "an evaluation"):
        config = CONFIGS[kind]
        find = {"complete": lambda settings: BuildConfig.from_dict(settings).to_dict()} if kind == "a build" else {}
        with pytest.raises(Refused, match=f"^{folder} .*; choose another folder$"):
            manifest_of_same(folder, {"config": config.to_dict()}, kind, **find)
