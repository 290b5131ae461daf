r"""The paper's data sets on the Hugging Face hub, and how their rows become problems.

Section 6.1 and App. H name the sets. The authors' data preparation reads three of them from derived sets: DAPO-Math-17k-Processed,
Mixture-of-Thoughts for the science questions of Llama-Nemotron, and verifiable-coding-problems-python. Both forms are known here.

Smaller models find few of those problems within reach; GSM8K, MATH, MMLU-STEM, MMLU-Pro and MBPP stand in for them, at pinned revisions.
Where the environment variable `HISTA_REPRO_DATA` names a folder of .jsonl files, these sets are read from it and not from the hub.

A row without a question or an answer that can be checked, such as a proof, is left out. Where answers must be cut out of a worked
solution, the last \boxed{} is read with nested braces; the release cuts at the first closing brace.
"""

import ast
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from hista_repro.problems.grading import last_boxed
from hista_repro.problems.hub_rows import load_rows
from hista_repro.problems.local_files import data_folder, file_below
from hista_repro.problems.problem import Problem, read_jsonl
from hista_repro.progress import announce

Row = Mapping[str, Any]
Fields = dict[str, Any]
"""Those fields of `Problem` that a row decides."""


@dataclass(frozen=True)
class HubSource:
    """One data set of the hub."""

    name: str
    config: str
    split: str
    domain: str
    fields: Callable[[Row], Fields | None]
    """What a row says, or None where it makes no problem."""
    revision: str | None = None
    """The commit of the data set; None for the newest."""
    local: str | None = None
    """The file LOCAL.jsonl below `HISTA_REPRO_DATA` that holds the set's problems; None for a set that only the hub has."""
    wanted: Callable[[Problem], bool] = lambda problem: True
    """Which of the set's problems are taken, wherever they were read."""

    @property
    def is_local(self) -> bool:
        """Whether the problems are read from the folder that `HISTA_REPRO_DATA` names."""
        return self.local is not None and data_folder() is not None

    def problems(self) -> list[Problem]:
        """All problems, in the order of the set; of equal questions the first. Raises `Refused` where the set cannot be had."""
        if self.is_local:
            path = file_below(data_folder(), self.local, f"the problems of {self.name}", "unset HISTA_REPRO_DATA to ask the hub")
            announce(f"{self.name}: {path}")
            return [replace(problem, domain=self.domain) for problem in read_jsonl(path) if self.wanted(problem)]
        rows = load_rows(self.name, self.config, self.split, self.revision)
        problems = [problem for problem in self.read(rows) if self.wanted(problem)]
        announce(f"{self.name}: {len(rows)} rows, of which {len(problems)} make a problem that is not there already")
        return problems

    def read(self, rows: Iterable[Row]) -> Iterator[Problem]:
        seen = set()
        for row in rows:
            fields = self.fields(row)
            if fields is None or not fields["problem"] or fields["problem"] in seen:
                continue
            seen.add(fields["problem"])
            digest = sha256(fields["problem"].encode()).hexdigest()[:12]
            yield Problem(id=f"{self.name.rpartition('/')[2]}-{digest}", domain=self.domain, source=self.name, split=self.split, **fields)


def _math(problem: str | None, answer: str | None) -> Fields | None:
    answer = (answer or "").strip()
    return {"problem": problem, "answer": answer, "verifier": "math"} if answer else None


def _dapo(row: Row) -> Fields | None:
    return _math(row["prompt"], row["solution"])


_DAPO_FRAME = re.compile(r"\ASolve the following math problem.*?\n\n|\n\nRemember to put your answer[^\n]*\Z")


def _dapo_original(row: Row) -> Fields | None:
    """The question without the frame that asks for the form of the answer; the set repeats each question a hundred times."""
    return _math(_DAPO_FRAME.sub("", row["prompt"][0]["content"]), row["reward_model"]["ground_truth"])


def _math_lighteval(row: Row) -> Fields | None:
    return _math(row["problem"], last_boxed(row["solution"]))


def _openr1(row: Row) -> Fields | None:
    return _math(row["problem"], row["answer"]) if row["question_type"] == "math-word-problem" else None


def _science(row: Row) -> Fields | None:
    return _boxed(_question(row["messages"]), row["messages"][-1]["content"])


def _nemotron(row: Row) -> Fields | None:
    asked = row["input"]
    return _boxed(asked if isinstance(asked, str) else _question(asked), row["output"])


def _question(messages: Iterable[Row]) -> str:
    return next(message["content"] for message in messages if message["role"] == "user")


def _boxed(question: str, solution: str) -> Fields | None:
    """Llama-Nemotron's questions carry their choices in the text, and a gold letter is graded as a letter."""
    answer = last_boxed(solution)
    if answer is None:
        return None
    letter = answer.replace(r"\text", "").strip("{}().$ ")
    if len(letter) == 1 and letter.isalpha():
        return {"problem": question, "answer": letter.upper(), "verifier": "exact"}
    return _math(question, answer)


_WORDED = ("Multiple Choice", "Boolean", "String")


def _webinstruct(row: Row) -> Fields | None:
    """Without mathematics and junior high school, as in the release."""
    answer = (row["answer"] or "").strip()
    if not answer or row["category"] == "Mathematics" or row["difficulty"] == "Junior High School":
        return None
    return {"problem": row["question"], "answer": answer, "verifier": "exact" if row["answer_type"] in _WORDED else "math"}


def _programs(row: Row) -> Fields | None:
    return _stdio(row["problem_statement"], row["verification_info"]["test_cases"])


def _programs_original(row: Row) -> Fields | None:
    """The Python problems; their tests are kept as text, as JSON or as a Python literal."""
    text = row["verification_info"]
    try:
        info = json.loads(text)
    except ValueError:
        info = ast.literal_eval(text)
    return _stdio(row["prompt"], info["test_cases"]) if info.get("language") == "python" else None


def _stdio(problem: str, cases: Sequence[Row]) -> Fields | None:
    """Problems that read text on standard input and have six tests or more, as in the release."""
    if len(cases) < 6 or any(case["type"] != "stdin_stdout" or {type(case["input"]), type(case["output"])} != {str} for case in cases):
        return None
    tests = {"kind": "stdio", "cases": [{"input": case["input"], "output": case["output"]} for case in cases]}
    return {"problem": problem, "answer": None, "verifier": "code", "tests": tests}


def _gsm8k(row: Row) -> Fields | None:
    """The answer follows the marker "####", with thousands separated by commas."""
    return _math(row["question"], row["answer"].rpartition("####")[2].replace(",", ""))


def _mmlu_stem(row: Row) -> Fields:
    letter = chr(ord("A") + row["answer"])
    return {"problem": row["question"], "choices": tuple(row["choices"]), "answer": letter, "verifier": "choice"}


def _mmlu_pro(row: Row) -> Fields:
    asked = {"problem": row["question"], "choices": tuple(row["options"]), "answer": row["answer"], "verifier": "choice"}
    return {**asked, "meta": {"category": row["category"]}}


_OTHER_DOMAINS = frozenset({"math", "physics", "chemistry", "engineering", "biology", "computer science"})


def _is_general(problem: Problem) -> bool:
    """MMLU-Pro without its categories of mathematics and science."""
    return problem.meta["category"] not in _OTHER_DOMAINS


def _mbpp(row: Row) -> Fields:
    shown = "\n".join(["Your code should pass these tests:", *row["test_list"]])
    tests = {"kind": "assert", "setup": row["test_setup_code"] or "", "asserts": list(row["test_list"])}
    return {"problem": f"{row['text'].strip()}\n{shown}", "answer": None, "verifier": "code", "tests": tests}


_GSM8K, _MATH = "740312add88f781978c0658806c59bc2815b9866", "0530c78699ea5e8eb5530600900e1f328b48acad"
_MMLU_STEM, _MMLU_PRO = "78a4b40757f31688d00426d1372dbbc6070d33a8", "b189ec765aa7ed75c8acfea42df31fdae71f97be"
_MBPP = "4bb6404fdc6cacfda99d4ac4205087b89d32030c"

HUB_SOURCES = {
    source.name: source
    for source in (
        HubSource("BytedTsinghua-SIA/DAPO-Math-17k", "default", "train", "number", _dapo_original),
        HubSource("open-r1/DAPO-Math-17k-Processed", "en", "train", "number", _dapo),
        HubSource("openai/gsm8k", "main", "train", "number", _gsm8k, _GSM8K, "gsm8k_train"),
        HubSource("DigitalLearningGmbH/MATH-lighteval", "default", "train", "math", _math_lighteval, _MATH, "math_train"),
        HubSource("open-r1/OpenR1-Math-220k", "default", "train", "math", _openr1),
        HubSource("nvidia/Llama-Nemotron-Post-Training-Dataset", "SFT", "science", "science", _nemotron),
        HubSource("open-r1/Mixture-of-Thoughts", "science", "train", "science", _science),
        HubSource("TIGER-Lab/WebInstruct-verified", "default", "train", "general", _webinstruct),
        HubSource("PrimeIntellect/verifiable-coding-problems", "default", "train", "programming", _programs_original),
        HubSource("open-r1/verifiable-coding-problems-python", "default", "train", "programming", _programs),
        HubSource("TIGER-Lab/MMLU-STEM", "default", "test", "science", _mmlu_stem, _MMLU_STEM, "mmlu_stem_train"),
        HubSource("TIGER-Lab/MMLU-Pro", "default", "test", "general", _mmlu_pro, _MMLU_PRO, "mmlu_pro_test", _is_general),
        HubSource("google-research-datasets/mbpp", "full", "train", "programming", _mbpp, _MBPP, "mbpp_train"),
    )
}
