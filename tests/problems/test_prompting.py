from dataclasses import dataclass, field
from typing import Any

from jinja2.exceptions import TemplateError

from hista_repro.problems import Problem, load_problems, render


@dataclass
class FakeTokenizer:
    """Renders messages as "role: content" lines; `roles` are those that its template knows."""

    chat_template: str | None = "a template"
    roles: tuple[str, ...] = ("system", "user")
    calls: list[Any] = field(default_factory=list)

    def apply_chat_template(self, messages, *, tokenize, add_generation_prompt):
        assert not tokenize and add_generation_prompt
        for message in messages:
            if message["role"] not in self.roles:
                raise TemplateError(f"no role {message['role']}")
        return "".join(f"{message['role']}: {message['content']}\n" for message in messages) + "assistant:"


def problem(**fields):
    return Problem(**{"id": "p", "domain": "math", "problem": "How many?", "answer": "5", "verifier": "math", **fields})


def test_the_style_of_tiny_is_the_bare_problem():
    prompt = render(problem(problem="2-9-3+25?", verifier="exact", meta={"style": "steps"}), FakeTokenizer())
    assert (prompt.text, prompt.stop) == ("2-9-3+25?", ())


def test_worked_examples_come_before_the_question():
    asked = load_problems("arithmetic-worked", limit=1)[0]
    prompt = render(asked, FakeTokenizer())
    assert prompt.text.startswith("Q: What is 9 + 2 + 3?\nA: 9 + 2 = 11. 11 + 3 = 14. The answer is 14.\n\nQ: ")
    assert prompt.text.endswith(f"\n\nQ: {asked.problem}\nA:")
    assert prompt.text.count("Q: ") == 9
    assert prompt.stop == ("\n",)


def test_a_problem_may_bring_its_own_examples():
    asked = problem(problem="3?", meta={"style": "worked", "examples": [["1?", "One."], ["2?", "First\nsecond."]]})
    assert render(asked, FakeTokenizer()).text == "Q: 1?\nA: One.\n\nQ: 2?\nA:\nFirst\nsecond.\n\nQ: 3?\nA:"


def test_a_worked_program_ends_with_an_empty_line():
    prompt = render(load_problems("functions-worked", limit=1)[0], FakeTokenizer())
    assert prompt.text.count("\nA:\n```python\ndef f(a):\n") == 8
    assert prompt.stop == ("\n\n",)


def test_a_chat_template_is_used_where_there_is_one():
    prompt = render(problem(), FakeTokenizer())
    system, user, end = prompt.text.split("\n")
    assert system.startswith("system: ") and r"\boxed{}" in system
    assert (user, end, prompt.stop) == ("user: How many?", "assistant:", ())


def test_a_template_without_a_system_role_gets_everything_from_the_user():
    prompt = render(problem(), FakeTokenizer(roles=("user",)))
    assert prompt.text.startswith("user: ") and r"\boxed{}" in prompt.text and "How many?" in prompt.text


def test_a_model_without_a_template_is_asked_plainly():
    prompt = render(problem(), FakeTokenizer(chat_template=None))
    assert prompt.text.endswith("\n\nQuestion: How many?\nAnswer:")
    assert prompt.stop == ("\nQuestion:",)


def test_choices_are_lettered_lines_and_a_letter_is_asked_for():
    prompt = render(problem(verifier="choice", answer="B", choices=("four", "five")), FakeTokenizer())
    assert "user: How many?\nA. four\nB. five\n" in prompt.text
    assert "letter" in prompt.text


def test_programs_are_asked_for_in_a_code_block():
    tests = {"kind": "assert", "setup": "", "asserts": ["assert True"]}
    prompt = render(problem(verifier="code", answer=None, tests=tests, domain="programming"), FakeTokenizer())
    assert "```python" in prompt.text and "boxed" not in prompt.text
