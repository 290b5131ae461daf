"""Requests to OpenAI-compatible endpoints, repeated where an error may pass."""

import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from hista_repro.errors import WorkFailed

Answer = TypeVar("Answer")
_PASSING_ERRORS = (408, 409, 425, 429, 500, 502, 503, 504)
"""HTTP statuses after which the same request may succeed."""


@dataclass(frozen=True)
class Endpoint:
    """An endpoint, asked from one thread or several."""

    what: str
    """What is served there, for messages."""
    variable: str
    """The environment variable that says where: a URL that ends in /v1."""
    key: str
    """The environment variable with the endpoint's key, where it asks for one."""
    timeout_seconds: float
    attempts: int = 6
    first_pause_seconds: float = 1
    """Pauses between attempts double from this."""
    default: str = "http://localhost:8000/v1"

    @property
    def url(self) -> str:
        return os.environ.get(self.variable, self.default).rstrip("/")

    def ask(self, path: str, document: dict[str, Any] | None, take: Callable[[Any], Answer]) -> Answer:
        """What `take` takes from the JSON that `path` gives, to which `document` is posted where there is one.

        JSON in which `take` does not find what it looks for (a `LookupError`, `TypeError` or `ValueError`) is no answer.

        Raises:
            WorkFailed: where the endpoint refuses the request, or does not answer it in any attempt.
        """
        url = f"{self.url}/{path}"
        for attempt in range(self.attempts):
            if attempt:
                time.sleep(self.first_pause_seconds * 2 ** (attempt - 1))
            try:
                return take(self._once(url, document))
            except urllib.error.HTTPError as error:
                reason = f"status {error.code}: {error.read(200).decode(errors='replace')}"
                if error.code not in _PASSING_ERRORS:
                    raise WorkFailed(f"{self.what} at {url} refused a request ({reason}); what was finished is kept") from None
            except (OSError, ValueError, LookupError, TypeError, http.client.HTTPException) as error:
                reason = str(error) or type(error).__name__
        raise WorkFailed(
            f"{self.what} at {url} did not answer in {self.attempts} attempts ({reason}); start it, or set {self.variable}, and run the "
            "same command again: what was finished is kept"
        )

    def _once(self, url: str, document: dict[str, Any] | None) -> Any:
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(self.key):
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(url, None if document is None else json.dumps(document).encode(), headers)
        with urllib.request.urlopen(request, timeout=self.timeout_seconds) as response:
            return json.load(response)


def text_of(answer: Any) -> str:
    """The text of the first choice of an answer to a completions request."""
    return str(answer["choices"][0]["text"])
