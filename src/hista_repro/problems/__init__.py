"""What is asked, and how an answer is graded."""

from hista_repro.problems.grading import Outcome, extract_answer, grade, grade_all
from hista_repro.problems.problem import Problem, read_jsonl
from hista_repro.problems.prompting import Prompt, render
from hista_repro.problems.sources import load_problems

__all__ = ["Outcome", "Problem", "Prompt", "extract_answer", "grade", "grade_all", "load_problems", "read_jsonl", "render"]
