"""A language model as the judge of answers that no rule finds right, behind an OpenAI-compatible endpoint such as `vllm serve`.

The paper's verifier for answers in words is TIGER-Lab/general-verifier. Its model card gives the prompt below, which it was trained on.
Where the endpoint is down the release scores 0; here the request is repeated for a while, and then the work stops.
"""

from dataclasses import dataclass
from functools import cached_property

from hista_repro.endpoints import Endpoint, text_of
from hista_repro.problems.grading.outcome import Outcome

ENDPOINT = "HISTA_REPRO_VERIFIER_URL"
"""The environment variable that says where the verifier is served."""
KEY = "HISTA_REPRO_VERIFIER_KEY"
"""The environment variable with the endpoint's key, where it asks for one."""
_PROMPT = """User: ### Question: {question}

### Ground Truth Answer: {gold}

### Student Answer: {answer}

For the above question, please verify if the student's answer is equivalent to the ground truth answer.
Do not solve the question by yourself; just check if the student's answer is equivalent to the ground truth answer.
If the student's answer is correct, output "Final Decision: Yes". If the student's answer is incorrect, output "Final Decision: No". \
Assistant:"""
_DECISION = "final decision:"


@dataclass(frozen=True)
class ModelVerifier:
    """The verifier `model`. May be asked from several threads."""

    model: str
    max_tokens: int = 1024
    timeout_seconds: float = 120
    attempts: int = 6
    first_pause_seconds: float = 1
    """Pauses between attempts double from this."""

    def judge(self, question: str, gold: str, answer: str) -> Outcome:
        """Whether the verifier takes `answer` for `gold`; a crash where it comes to no decision.

        Raises `WorkFailed` where the endpoint refuses the request, or does not answer it in any attempt.
        """
        request = {
            "model": self.model,
            "prompt": _PROMPT.format(question=question, gold=gold, answer=answer),
            "temperature": 0,
            "max_tokens": self.max_tokens,
        }
        _, decided, decision = self._endpoint.ask("completions", request, text_of).casefold().rpartition(_DECISION)
        if not decided:
            return Outcome.CRASH
        return Outcome.CORRECT if decision.strip(" *\n").startswith("yes") else Outcome.WRONG

    @cached_property
    def _endpoint(self) -> Endpoint:
        waiting = {"attempts": self.attempts, "first_pause_seconds": self.first_pause_seconds}
        return Endpoint("the verifier", ENDPOINT, KEY, self.timeout_seconds, **waiting)
