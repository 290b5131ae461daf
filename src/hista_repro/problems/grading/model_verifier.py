"""A language model as the judge of answers that no rule finds right, behind an OpenAI-compatible endpoint such as `vllm serve`.

The paper's verifier for answers in words is TIGER-Lab/general-verifier. Its model card gives the prompt below, which it was trained on.
Where the endpoint is down the release scores 0; here the request is repeated for a while, and then the work stops.
"""

import json
import os
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from hista_repro.errors import WorkFailed
from hista_repro.problems.grading.outcome import Outcome

ENDPOINT = "HISTA_REPRO_VERIFIER_URL"
"""The environment variable that says where the verifier is served."""
DEFAULT_ENDPOINT = "http://localhost:8000/v1"
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
_PASSING_ERRORS = (408, 409, 425, 429, 500, 502, 503, 504)
"""HTTP statuses after which the same request may succeed."""


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
        _, decided, decision = self._complete(request).casefold().rpartition(_DECISION)
        if not decided:
            return Outcome.CRASH
        return Outcome.CORRECT if decision.strip(" *\n").startswith("yes") else Outcome.WRONG

    def _complete(self, request: dict[str, object]) -> str:
        url = f"{os.environ.get(ENDPOINT, DEFAULT_ENDPOINT).rstrip('/')}/completions"
        for attempt in range(self.attempts):
            if attempt:
                time.sleep(self.first_pause_seconds * 2 ** (attempt - 1))
            try:
                return _post(url, request, self.timeout_seconds)
            except urllib.error.HTTPError as error:
                reason = f"status {error.code}: {error.read(200).decode(errors='replace')}"
                if error.code not in _PASSING_ERRORS:
                    raise WorkFailed(f"the verifier at {url} refused a request ({reason}); what was finished is kept") from None
            except (OSError, ValueError, LookupError) as error:
                reason = str(error) or type(error).__name__
        raise WorkFailed(
            f"the verifier at {url} did not answer in {self.attempts} attempts ({reason}); start it, or set {ENDPOINT}, and run the same "
            "command again: what was finished is kept"
        )


def _post(url: str, document: dict[str, object], timeout: float) -> str:
    """The text of the first choice that a completions endpoint gives."""
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get(KEY):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, json.dumps(document).encode(), headers)
    with urllib.request.urlopen(request, timeout=timeout) as response:
        return json.load(response)["choices"][0]["text"]
