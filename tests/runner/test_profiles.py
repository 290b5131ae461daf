import pytest
import yaml

from hista_repro.artifacts.registry import ARTIFACTS
from hista_repro.errors import Refused
from hista_repro.profiles import PROFILES
from hista_repro.runner.profiles import load_profile
from hista_repro.sveb.config import BuildConfig

GOOD = {"name": "mine", "description": "my own", "timeout_minutes": 5, "gpus": 0, "builds": {}, "artifacts": {"table-04": {}}}


@pytest.fixture
def own(tmp_path):
    def write(text):
        path = tmp_path / "mine.yaml"
        path.write_text(text if isinstance(text, str) else yaml.safe_dump(text))
        return str(path)

    return write


@pytest.mark.parametrize("name", PROFILES)
def test_the_profiles_of_the_package_are_sound(name):
    profile = load_profile(name)
    assert profile.name == name
    assert set(profile.artifacts) <= set(ARTIFACTS)
    builds = {label: BuildConfig.from_dict(settings) for label, settings in profile.builds.items()}
    used = [BuildConfig.from_dict(settings) for sizes in profile.artifacts.values() for settings in sizes.get("builds", [])]
    assert set(map(repr, used)) == set(map(repr, builds.values())), "a build that is named is used, and the other way round"


def test_numbers_are_read_by_yaml_1_2(own):
    path = own("name: mine\ndescription: ''\ntimeout_minutes: 0.5\ngpus: 0\nbuilds: {}\nartifacts: {table-04: {rate: 1e-5}}")
    assert load_profile(path).artifacts == {"table-04": {"rate": 1e-5}}


def test_an_unknown_profile_is_refused():
    with pytest.raises(Refused, match=r"^unknown profile 'smok'; did you mean 'smoke'\?$"):
        load_profile("smok")


@pytest.mark.parametrize("field", GOOD)
def test_a_missing_field_is_refused(own, field):
    with pytest.raises(Refused, match=f"mine.yaml lacks the field '{field}'$"):
        load_profile(own({name: value for name, value in GOOD.items() if name != field}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"artefacts": {}}, "has the unknown field 'artefacts'; did you mean 'artifacts'"),
        ({"timeout_minutes": "long"}, "the field 'timeout_minutes' is 'long', which is of the wrong type"),
        ({"timeout_minutes": True}, "which is of the wrong type"),
        ({"timeout_minutes": 0}, "timeout_minutes must be above 0"),
        ({"gpus": -1}, "gpus must not be negative, as -1 is"),
        ({"artifacts": ["table-04"]}, "which is of the wrong type"),
        ({"artifacts": {"table-04": None}}, "artifacts.table-04 must be a mapping, {} for none, not None"),
        ({"builds": {"tiny": 3}}, "builds.tiny must be a mapping"),
        ({"name": "../elsewhere"}, "name must be a plain word"),
    ],
)
def test_a_wrong_field_is_refused(own, change, message):
    with pytest.raises(Refused, match=message):
        load_profile(own(GOOD | change))


def test_files_that_are_no_profile_are_refused(own, tmp_path):
    with pytest.raises(Refused, match=r"is not YAML: .* in line 2"):
        load_profile(own("name: x\nbuilds: ]"))
    with pytest.raises(Refused, match="must be a mapping of fields"):
        load_profile(own("- 1"))
    with pytest.raises(Refused, match=r"cannot read the profile .*: No such file or directory"):
        load_profile(str(tmp_path / "none.yaml"))
