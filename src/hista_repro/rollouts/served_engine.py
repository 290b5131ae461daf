"""The served engine: samples from a model behind an OpenAI-compatible completions endpoint (vLLM, SGLang, llama.cpp's server).

`HISTA_REPRO_SERVER_URL` says where it is. The tokenizer is that of `model`, which should be the model that is served: hidden states, where
they are asked for, are read by it. Whether the server takes token ids and gives them is tried out once. Where it does not, text goes in and
out, and what comes out is cut into tokens anew, which may differ from what the model wrote.

Every request carries a seed and asks for plain sampling: servers by themselves take top-p, penalties and more from the model's generation
configuration. What else a server's random numbers depend on, such as what it is asked at the same time, is its own.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from transformers import AutoConfig, AutoTokenizer

from hista_repro.endpoints import Endpoint
from hista_repro.errors import Refused, WorkFailed
from hista_repro.models import resolve_model
from hista_repro.progress import Report, unheard
from hista_repro.rollouts.decoding import Decoder, encode_prompt, ends_of_sequence, generation_config
from hista_repro.rollouts.engine import Completion, Request
from hista_repro.seeding import derive_seed

ENDPOINT = "HISTA_REPRO_SERVER_URL"
"""The environment variable that says where the model is served: a URL that ends in /v1."""
KEY = "HISTA_REPRO_SERVER_KEY"
"""The environment variable with the endpoint's key, where it asks for one."""
CONCURRENCY = "HISTA_REPRO_SERVER_CONCURRENCY"
"""The environment variable that says how many requests are under way at once, `DEFAULT_CONCURRENCY` without it."""
DEFAULT_CONCURRENCY = 64
_LONGEST_WAIT_SECONDS = 3600
_PLAIN = {
    **{"top_p": 1.0, "top_k": -1, "min_p": 0.0},
    **{"repetition_penalty": 1.0, "repeat_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0},
}
"""Sampling with nothing but a temperature, in the words of all three servers; they pass over those of the others."""
_ASK_FOR_IDS = {"return_token_ids": True, "logprobs": 1}
"""vLLM gives ids by the first, llama.cpp with the second."""


@dataclass(frozen=True)
class _Answer:
    text: str
    ids: list[int] | None
    finished: bool


class ServedEngine:
    """An `Engine` over a completions endpoint.

    Raises:
        Refused: where no server answers, and where it serves several models of which none is called `model`.
    """

    def __init__(self, model: str, *, attempts: int = 6, first_pause_seconds: float = 1) -> None:
        folder = resolve_model(model)
        waiting = {"attempts": attempts, "first_pause_seconds": first_pause_seconds}
        self._endpoint = Endpoint("the model", ENDPOINT, KEY, _LONGEST_WAIT_SECONDS, **waiting)
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._eos = ends_of_sequence(generation_config(folder), self.tokenizer)
        self._decoder = Decoder(self.tokenizer, self._eos)
        self._concurrency = _concurrency()
        self.report: Report = unheard
        served = self._served(model)
        self.served_as: str = served["id"]
        """What the server calls its model."""
        limit = getattr(AutoConfig.from_pretrained(folder, local_files_only=True), "max_position_embeddings", None)
        self.context: int | None = served.get("max_model_len") or limit
        self.takes_ids, self.gives_ids = self._try_out()

    def encode(self, text: str) -> tuple[int, ...]:
        """See `Engine.encode`."""
        return encode_prompt(self.tokenizer, text)

    def sample(
        self, requests: Sequence[Request], *, temperature: float, stop: Sequence[str], seed: int, keep_hidden: bool = False
    ) -> list[Completion]:
        """See `Engine.sample`; no hidden states are kept, and the same seed gives the same completions as far as the server's does.

        Raises:
            WorkFailed: where the server refuses a request, or is down for longer than `Endpoint` waits.
        """

        def complete(number: int) -> Completion:
            completion = self._complete(requests[number], temperature, stop, derive_seed(seed, "served", number) >> 32)
            self.report(len(completion.token_ids) - len(requests[number].written), 1)
            return completion

        with ThreadPoolExecutor(self._concurrency) as pool:
            begun = [pool.submit(complete, number) for number in range(len(requests))]
            try:
                return [future.result() for future in begun]
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _complete(self, request: Request, temperature: float, stop: Sequence[str], seed: int) -> Completion:
        most = request.max_tokens - len(request.written)
        if most <= 0:
            return self._decoder.completion(request.written, stop)
        asked = {"max_tokens": most, "temperature": temperature, "seed": seed, **_PLAIN, **(_ASK_FOR_IDS if self.gives_ids else {})}
        if stop:
            asked["stop"] = list(stop)
        if self.gives_ids:
            asked["stop_token_ids"] = self._eos
        answer = self._ask(request.read if self.takes_ids else self._text(request.read), asked)
        ids = self._ids(answer.text) if answer.ids is None else answer.ids
        completion = self._decoder.completion([*request.written, *ids[:most]], stop)
        return replace(completion, finish_reason="stop") if answer.finished else completion

    def _ask(self, prompt: str | Sequence[int], asked: dict[str, Any]) -> _Answer:
        given = prompt if isinstance(prompt, str) else list(prompt)
        return self._endpoint.ask("completions", {"model": self.served_as, "prompt": given, **asked}, _read)

    def _served(self, model: str) -> dict[str, Any]:
        """What the server says of the model that is called `model`, or of the only one it has."""
        once = replace(self._endpoint, attempts=1, timeout_seconds=30)
        try:
            models = once.ask("models", None, lambda answer: [dict(served) for served in answer["data"] if served["id"]])
        except WorkFailed as failure:
            raise Refused(f"--engine served needs a server at {self._endpoint.url}; start one, or set {ENDPOINT} ({failure})") from None
        named = [served for served in models if served["id"] == model] or models
        if len(named) != 1:
            names = ", ".join(served["id"] for served in models) or "none"
            raise Refused(f"the server at {self._endpoint.url} has {names}, and no model called {model}; serve it under that name")
        return named[0]

    def _try_out(self) -> tuple[bool, bool]:
        """Whether the server takes token ids and understands them as this tokenizer does, and whether it gives them."""
        prompt = self.encode("1 2 3 4 5 6 7 8 9")
        asked = {"max_tokens": 1, "temperature": 0, **_PLAIN, **_ASK_FOR_IDS}
        once = replace(self._endpoint, attempts=2)

        def read(answer: Any) -> tuple[int, bool]:
            return answer["usage"]["prompt_tokens"], _read(answer).ids is not None

        try:
            read_tokens, gives = once.ask("completions", {"model": self.served_as, "prompt": list(prompt), **asked}, read)
            if read_tokens == len(prompt):
                return True, gives
        except WorkFailed:  # it knows no token ids
            pass
        return False, False

    def _text(self, ids: Sequence[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]


def _read(answer: Any) -> _Answer:
    choice = answer["choices"][0]
    return _Answer(str(choice["text"]), _token_ids(choice), choice["finish_reason"] == "stop")


def _token_ids(choice: dict[str, Any]) -> list[int] | None:
    """The ids of what was written, as vLLM or llama.cpp give them; None where the server gives none."""
    if isinstance(ids := choice.get("token_ids"), list):
        return [int(token) for token in ids]
    content = (choice.get("logprobs") or {}).get("content")
    if isinstance(content, list) and all("id" in token for token in content):
        return [int(token["id"]) for token in content]
    return None


def _concurrency() -> int:
    given = os.environ.get(CONCURRENCY, str(DEFAULT_CONCURRENCY))
    if not given.isdigit() or int(given) < 1:
        raise Refused(f"{CONCURRENCY} must be an integer of at least 1, not {given!r}")
    return int(given)
