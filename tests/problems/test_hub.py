import json
from importlib.resources import files

import pytest
import yaml

from hista_repro.errors import Refused
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
    "openai/gsm8k": [{"question": "How many?", "answer": "It is 1,000 + 1 = <<1000+1=1001>>1001\n#### 1,001"}],
    "TIGER-Lab/MMLU-STEM": [{"question": "Which?", "choices": ["x", "y"], "answer": 1, "subject": "astronomy"}],
    "TIGER-Lab/MMLU-Pro": [
        {"question": "Which?", "options": ["x", "y", "z"], "answer": "C", "category": "law"},
        {"question": "What?", "options": ["x", "y", "z"], "answer": "C", "category": "physics"},
    ],
    "google-research-datasets/mbpp": [
        {"text": "Write a function f.", "test_list": ["assert f(1) == 1", "assert f(2) == 2"], "test_setup_code": "", "task_id": 601},
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
    "openai/gsm8k": ("number", "How many?", "math", "1001"),
    "TIGER-Lab/MMLU-STEM": ("science", "Which?", "choice", "B"),
    "TIGER-Lab/MMLU-Pro": ("general", "Which?", "choice", "C"),
    "google-research-datasets/mbpp": (
        "programming",
        "Write a function f.\nYour code should pass these tests:\nassert f(1) == 1\nassert f(2) == 2",
        "code",
        None,
    ),
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
    if problem.verifier == "code" and "cases" in problem.tests:
        assert problem.tests["cases"] == [{"input": f"{i}\n", "output": f"{i}\n"} for i in range(6)]


LOCAL = {name: source for name, source in HUB_SOURCES.items() if source.local}


@pytest.mark.parametrize("name", LOCAL)
def test_a_folder_stands_in_for_the_hub(name, tmp_path, monkeypatch, capsys):
    domain, asked, verifier, answer = MADE[name]
    row = {"id": "a", "domain": "math", "problem": asked, "answer": answer, "verifier": verifier, "meta": {"category": "law"}}
    row |= {"choices": ["x", "y", "z"]} if verifier == "choice" else {}
    row |= {"tests": {"kind": "assert", "asserts": ["assert f(1) == 1"]}} if verifier == "code" else {}
    other = {**row, "id": "b", "meta": {"category": "physics"}}
    path = tmp_path / "anywhere" / f"{LOCAL[name].local}.jsonl"
    path.parent.mkdir()
    path.write_text(f"{json.dumps(row)}\n{json.dumps(other)}\n")
    monkeypatch.setenv("HISTA_REPRO_DATA", str(tmp_path))
    found = load_problems(name, limit=5)
    assert {problem.domain for problem in found} == {domain} and found[0].answer == answer
    assert len(found) == (1 if name == "TIGER-Lab/MMLU-Pro" else 2)
    assert str(path) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("files_there", "said"),
    [
        ([], "there is no gsm8k_train.jsonl below .*; put the problems of openai/gsm8k there, or unset HISTA_REPRO_DATA"),
        (["a", "b"], "2 files"),
    ],
)
def test_a_folder_without_the_file_is_refused(tmp_path, monkeypatch, files_there, said):
    for folder in files_there:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "gsm8k_train.jsonl").write_text("{}")
    monkeypatch.setenv("HISTA_REPRO_DATA", str(tmp_path))
    with pytest.raises(Refused, match=said):
        load_problems("openai/gsm8k")


def test_a_folder_that_is_not_there_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("HISTA_REPRO_DATA", str(tmp_path / "data"))
    with pytest.raises(Refused, match=r"HISTA_REPRO_DATA names .*data, which is no folder"):
        load_problems("openai/gsm8k")


def test_sets_that_a_folder_may_stand_in_for_are_pinned():
    assert all(len(source.revision) == 40 for source in LOCAL.values())


def test_tests_may_be_written_as_python():
    row = {"prompt": "Echo.", "verification_info": str(info(6))}
    (problem,) = HUB_SOURCES["PrimeIntellect/verifiable-coding-problems"].read([row])
    assert len(problem.tests["cases"]) == 6


@pytest.mark.parametrize("profile", PROFILES)
def test_profiles_ask_only_for_sources_that_are_known(profile):
    builds = yaml.safe_load(files("hista_repro.profiles").joinpath(f"{profile}.yaml").read_text())["builds"]
    for build in builds.values():
        source = HUB_SOURCES.get(build["problems"])
        assert build["problems"] in BUILT_IN if source is None else build.get("domain", source.domain) == source.domain


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
