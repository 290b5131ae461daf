import json
from importlib.resources import files

import pytest
import yaml

from hista_repro.problems import load_problems
from hista_repro.problems.hub import HUB_SOURCES
from hista_repro.problems.sources import BUILT_IN
from hista_repro.profiles import PROFILES

datasets = pytest.importorskip("datasets")


def asked(question):
    frame = "Solve the following math problem step by step. The last line is the answer.\n\n{}\n\nRemember to put your answer on a line."
    return [{"role": "user", "content": frame.format(question)}]


def cases(count, kind="stdin_stdout"):
    return [{"fn_name": None, "type": kind, "input": f"{i}\n", "output": f"{i}\n"} for i in range(count)]


def info(count, language="python", kind="stdin_stdout"):
    return {"language": language, "test_cases": cases(count, kind)}


LETTER = [{"role": "user", "content": "Which?\nA: x\nB: y"}, {"role": "assistant", "content": r"So \boxed{\text{B}}"}]
# one usable row for each data set, and rows that make no problem
ROWS = {
    "BytedTsinghua-SIA/DAPO-Math-17k": [
        {"prompt": asked("What is\n\n1+1?"), "reward_model": {"ground_truth": "2", "style": "rule"}},
        {"prompt": asked("What is\n\n1+1?"), "reward_model": {"ground_truth": "2", "style": "rule"}},
    ],
    "open-r1/DAPO-Math-17k-Processed": [
        {"prompt": "What is\n\n1+1?", "solution": "2"},
        {"prompt": "What is\n\n1+1?", "solution": "2"},
        {"prompt": "", "solution": "2"},
    ],
    "DigitalLearningGmbH/MATH-lighteval": [
        {"problem": "Half?", "solution": r"It is $\boxed{\frac{1}{2}}$.", "level": "Level 1", "type": "Algebra"},
        {"problem": "Prove it.", "solution": "Clear.", "level": "Level 1", "type": "Algebra"},
    ],
    "open-r1/OpenR1-Math-220k": [
        {"problem": "Half?", "answer": "1/2", "question_type": "math-word-problem"},
        {"problem": "Prove it.", "answer": "proof", "question_type": "proof"},
    ],
    "nvidia/Llama-Nemotron-Post-Training-Dataset": [
        {"input": LETTER[:1], "output": LETTER[1]["content"], "category": "science"},
        {"input": [{"role": "user", "content": "Why?"}], "output": "Because.", "category": "science"},
    ],
    "open-r1/Mixture-of-Thoughts": [
        {"messages": LETTER},
        {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}]},
    ],
    "TIGER-Lab/WebInstruct-verified": [
        {"question": "Is it?", "answer": "Yes", "answer_type": "Boolean", "category": "Physics", "difficulty": "University"},
        {"question": "1+1?", "answer": "2", "answer_type": "Integer", "category": "Mathematics", "difficulty": "University"},
        {"question": "2+1?", "answer": "3", "answer_type": "Integer", "category": "Physics", "difficulty": "Junior High School"},
    ],
    "PrimeIntellect/verifiable-coding-problems": [
        {"prompt": "Echo.", "verification_info": json.dumps(info(6))},
        {"prompt": "Echo in C.", "verification_info": json.dumps(info(6, "cpp"))},
        {"prompt": "Few.", "verification_info": str(info(5))},
        {"prompt": "Add.", "verification_info": json.dumps({**info(6), "test_cases": [{**case, "input": [1]} for case in cases(6)]})},
        {"prompt": "Call.", "verification_info": str(info(6, kind="function_call"))},
    ],
    "open-r1/verifiable-coding-problems-python": [
        {"problem_statement": "Echo.", "verification_info": info(6)},
        {"problem_statement": "Few.", "verification_info": info(5)},
        {"problem_statement": "Call.", "verification_info": info(6, kind="function_call")},
    ],
}
MADE = {
    "BytedTsinghua-SIA/DAPO-Math-17k": ("number", "What is\n\n1+1?", "math", "2"),
    "open-r1/DAPO-Math-17k-Processed": ("number", "What is\n\n1+1?", "math", "2"),
    "DigitalLearningGmbH/MATH-lighteval": ("math", "Half?", "math", r"\frac{1}{2}"),
    "open-r1/OpenR1-Math-220k": ("math", "Half?", "math", "1/2"),
    "nvidia/Llama-Nemotron-Post-Training-Dataset": ("science", LETTER[0]["content"], "exact", "B"),
    "open-r1/Mixture-of-Thoughts": ("science", LETTER[0]["content"], "exact", "B"),
    "TIGER-Lab/WebInstruct-verified": ("general", "Is it?", "exact", "Yes"),
    "PrimeIntellect/verifiable-coding-problems": ("programming", "Echo.", "code", None),
    "open-r1/verifiable-coding-problems-python": ("programming", "Echo.", "code", None),
}


@pytest.fixture
def local_hub(tmp_path, monkeypatch):
    """Folders that `datasets` takes for the sets of the hub: rows, and the card that names configuration and split."""
    for name, rows in ROWS.items():
        source = HUB_SOURCES[name]
        folder = tmp_path / "hub" / name
        folder.mkdir(parents=True)
        (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
        card = {"configs": [{"config_name": source.config, "data_files": [{"split": source.split, "path": "rows.jsonl"}]}]}
        (folder / "README.md").write_text(f"---\n{yaml.safe_dump(card)}---\n")
    monkeypatch.chdir(tmp_path / "hub")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.mark.parametrize("name", HUB_SOURCES)
def test_data_sets_become_problems(name, local_hub):
    (problem,) = load_problems(name, limit=5)
    assert (problem.domain, problem.problem, problem.verifier, problem.answer) == MADE[name]
    assert problem.source == name and "/" not in problem.id
    if problem.verifier == "code":
        assert problem.tests["cases"] == [{"input": f"{i}\n", "output": f"{i}\n"} for i in range(6)]


def test_tests_may_be_written_as_python():
    row = {"prompt": "Echo.", "verification_info": str(info(6))}
    (problem,) = HUB_SOURCES["PrimeIntellect/verifiable-coding-problems"].read([row])
    assert len(problem.tests["cases"]) == 6


@pytest.mark.parametrize("profile", PROFILES)
def test_profiles_ask_only_for_sources_that_are_known(profile):
    builds = yaml.safe_load(files("hista_repro.profiles").joinpath(f"{profile}.yaml").read_text())["builds"]
    for build in builds.values():
        source = HUB_SOURCES.get(build["problems"])
        assert build["problems"] in BUILT_IN if source is None else build.get("domain") == source.domain


def test_the_rows_that_make_no_problem_are_counted(monkeypatch, capsys):
    source = HUB_SOURCES["DigitalLearningGmbH/MATH-lighteval"]
    rows = [
        {"problem": "1+1", "solution": r"\boxed{2}"},
        {"problem": "1+1", "solution": r"\boxed{2}"},
        {"problem": "prove", "solution": "so"},
    ]
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: rows)
    assert [problem.answer for problem in source.problems()] == ["2"]
    said = "DigitalLearningGmbH/MATH-lighteval: 3 rows, of which 1 make a problem that is not there already\n"
    assert capsys.readouterr().err == said
