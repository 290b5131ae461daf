"""The environment for GPU nodes, held against what the package declares and what the installed TRL supports; nothing is fetched."""

import tomllib
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from hista_repro.yaml12 import load_yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
DEPENDENCIES = load_yaml((ROOT / "environment.yml").read_text())["dependencies"]
ITSELF, *OTHERS = next(entry["pip"] for entry in DEPENDENCIES if isinstance(entry, dict))
REQUIREMENTS = {requirement.name: requirement for requirement in map(Requirement, OTHERS)}
DECLARED = [Requirement(text) for text in (*PROJECT["dependencies"], *(text for extra in EXTRAS.values() for text in extra))]
CONSTRAINTS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)


def is_within(given: Requirement, allowed: Requirement) -> bool:
    """Whether every version that `given` takes is one that `allowed` takes, tried at the ends of both ranges, beyond, and far off."""
    ends = [Version(bound.version) for bound in (*given.specifier, *allowed.specifier)]
    tried = ["0", "9999", *map(str, ends), *(f"{end.base_version}.1" for end in ends)]
    return all(allowed.specifier.contains(number) for number in tried if given.specifier.contains(number))


@pytest.mark.parametrize(
    ("given", "within"),
    [("x>=2,<=3", True), ("x==2.5", True), ("x>=2", False), ("x>=2,<4", False), ("x<=3", False), ("x>=1.9,<3", False), ("x", False)],
)
def test_a_range_is_within_another_only_with_both_ends(given, within):
    assert is_within(Requirement(given), Requirement("x>=2.0,<=3.0")) is within


def test_the_package_itself_is_installed_with_extras_that_it_has():
    assert ITSELF.startswith("-e ")
    extras = Requirement(f"hista-repro{ITSELF.removeprefix('-e .')}").extras
    assert {"ray", "train"} <= extras <= EXTRAS.keys()


def test_its_python_is_one_that_the_package_takes():
    [python] = [entry for entry in DEPENDENCIES if isinstance(entry, str) and entry.startswith("python=")]
    assert Version(python.removeprefix("python=")) in Requirement(f"python{PROJECT['requires-python']}").specifier


def test_its_ranges_lie_within_those_of_the_package():
    both = [(REQUIREMENTS[declared.name], declared) for declared in DECLARED if declared.name in REQUIREMENTS]
    assert {"trl", "vllm", "accelerate", "datasets"} <= {given.name for given, _ in both}
    for given, declared in both:
        assert is_within(given, declared), f"{given} is not within {declared}"


def test_its_ranges_hold_the_versions_that_a_laptop_is_tested_with():
    tested = {name: CONSTRAINTS[name] for name in REQUIREMENTS.keys() & CONSTRAINTS.keys()}
    assert {"trl", "accelerate", "datasets", "papermill"} <= tested.keys()
    for name, number in tested.items():
        assert REQUIREMENTS[name].specifier.contains(number), f"{REQUIREMENTS[name]} leaves {number} out"


@pytest.mark.parametrize("name", ["vllm", "deepspeed"])
def test_ranges_of_what_trl_drives_lie_within_those_that_trl_supports(name):
    if version("trl") not in REQUIREMENTS["trl"].specifier:
        pytest.skip(f"trl {version('trl')} is installed, and the environment has {REQUIREMENTS['trl']}")
    [supported] = [
        requirement
        for requirement in map(Requirement, requires("trl"))
        if requirement.name == name and requirement.marker is not None and requirement.marker.evaluate({"extra": name})
    ]
    assert is_within(REQUIREMENTS[name], supported), f"{REQUIREMENTS[name]} is not within {supported}"
