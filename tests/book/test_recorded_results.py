"""What was measured at one size, held against what is recorded at another: the same differences, within their intervals."""

import re
from pathlib import Path

import pytest

from hista_repro.artifacts.registry import ARTIFACTS
from hista_repro.files import read_json
from hista_repro.runner import PROFILES, load_profile

ROOT = Path(__file__).parents[2]
CPU = [folder for folder in (ROOT / "runs" / "cpu", ROOT / "results" / "cpu") if (folder / "results").is_dir()]
RECORDED = [folder for profile in PROFILES[PROFILES.index("cpu") :] if (folder := ROOT / "results" / profile).is_dir()]
MEASURED = {folder: {path.name for path in (folder / "results").glob("*.json")} for folder in (*CPU, *RECORDED)}
PAIRS = [(small, large) for small in CPU for large in RECORDED if small != large and MEASURED[small] & MEASURED[large]]
NUMBER = r"([+−]?\d+\.\d+)"
CRITIC = re.compile(r"\bppo-", re.IGNORECASE)


def intervals_in(folder: Path) -> dict[tuple[str, str, str], tuple[float, float]]:
    """The intervals of the findings of a run folder, by artifact, claim and setting."""
    found = {}
    for artifact in ARTIFACTS:
        path = folder / "results" / f"{artifact}.json"
        for finding in read_json(path)["verdict"]["findings"] if path.exists() else ():
            if interval := re.search(rf"\[{NUMBER}, {NUMBER}\]", finding["ours"]):
                low, high = (float(text.replace("−", "-")) for text in interval.groups())
                found[artifact, finding["claim"], finding["setting"]] = (low, high)
    return found


@pytest.mark.skipif(not PAIRS, reason="there are no two runs of the same artifact to compare: make reproduce")
@pytest.mark.parametrize(("small", "large"), PAIRS, ids=lambda folder: "-".join(folder.parts[-2:]))
def test_intervals_of_two_sizes_overlap(small, large):
    """But for claims about a critic: of another size it is trained on other data, and is another one; intervals are over problems."""
    ours, theirs = intervals_in(small), intervals_in(large)
    both = {key for key in ours.keys() & theirs.keys() if small.name == large.name or not CRITIC.search(key[1])}
    assert both
    apart = [key for key in sorted(both) if ours[key][1] < theirs[key][0] or theirs[key][1] < ours[key][0]]
    lines = [
        f"{artifact}, {claim} ({setting}): {ours[artifact, claim, setting]}, {theirs[artifact, claim, setting]}"
        for artifact, claim, setting in apart
    ]
    assert not apart, "\n".join([f"of {len(both)} pairs of intervals {len(apart)} lie apart:", *lines])


def test_two_sizes_measure_the_same():
    """Errors depend on the size of the group, which settings do not name."""
    found = [
        (build["model"], build["problems"], build["group_size"])
        for name in ("cpu", "night")
        for build in load_profile(name).builds.values()
    ]
    assert len(set(found)) == len({each[:2] for each in found}), found


@pytest.mark.skipif(not RECORDED, reason="nothing is recorded")
@pytest.mark.parametrize("folder", RECORDED, ids=lambda folder: folder.name)
def test_records_come_from_a_commit(folder):
    for path in sorted((folder / "status").glob("*.json")):
        stamp = read_json(path)
        assert stamp["status"] == "done" and stamp["commit"] and not stamp["dirty"], path.name


@pytest.mark.skipif(not (ROOT / "results" / "cpu").is_dir(), reason="nothing is recorded")
def test_the_cpu_profile_measures_enough_states():
    measured = read_json(ROOT / "results" / "cpu" / "results" / "table-04.json")["measured"]
    states = {entry["build"]["model"]: max(row.get("n_states", 0) for row in entry["errors"]) for entry in measured}
    references = {entry["build"]["model"]: entry["build"]["references"] for entry in measured}
    assert states["tiny"] >= 400 and references["tiny"] >= 100
    assert states["smollm2-135m"] >= 100 and references["smollm2-135m"] >= 20
