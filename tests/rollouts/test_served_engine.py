"""The served engine against a stub that answers well and badly, as servers do; and against vLLM's server, where installed."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec

import pytest
from scipy.stats import chisquare, fisher_exact

from hista_repro.errors import Refused, WorkFailed
from hista_repro.models import resolve_model
from hista_repro.problems.grading import Outcome, grade
from hista_repro.problems.prompting import render
from hista_repro.problems.sources import load_problems
from hista_repro.rollouts import served_engine
from hista_repro.rollouts.engine import Request
from hista_repro.rollouts.served_engine import ServedEngine
from hista_repro.rollouts.transformers_engine import TransformersEngine
from hista_repro.sveb import BuildConfig, build, score
from small_build import SMALL, tables


class Stub(BaseHTTPRequestHandler):
    """A server of the tiny model. `server.kind` says what it does with token ids; `server.faults` are what the next requests meet."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._give({"data": self.server.models})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            server.asked.append(asked)
            fault = server.faults.pop(0) if server.faults and asked["max_tokens"] > 1 else None
            match fault:
                case None:
                    self._complete(asked)
                case "hang up":
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                case "half":
                    self._give_text('{"choices": [{"te')
                case "empty":
                    self._give({"choices": []})
                case status:
                    self._give({"error": {"message": "no"}}, status)

    def _complete(self, asked):
        engine, prompt = self.server.engine, asked["prompt"]
        if self.server.kind == "text" and not isinstance(prompt, str):
            self._give({"error": {"message": "prompt must be a string"}}, 400)
            return
        ids = tuple(prompt) if isinstance(prompt, list) else engine.encode(prompt)
        request = Request(ids, asked["max_tokens"])
        (completion,) = engine.sample([request], temperature=asked["temperature"], stop=asked.get("stop", ()), seed=asked.get("seed", 0))
        choice = {"text": completion.text, "finish_reason": completion.finish_reason}
        if self.server.kind == "vllm" and asked.get("return_token_ids"):
            choice["token_ids"] = [*completion.token_ids]
        if self.server.kind == "llama.cpp" and asked.get("logprobs"):
            choice["logprobs"] = {"content": [{"id": token, "logprob": -1.0} for token in completion.token_ids]}
        self._give({"choices": [choice], "usage": {"prompt_tokens": len(ids)}})

    def _give(self, document, status=200):
        self._give_text(json.dumps(document), status)

    def _give_text(self, text, status=200):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def local():
    return TransformersEngine("tiny")


@pytest.fixture
def server(local, monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), Stub) as stub:
        stub.engine, stub.kind, stub.models = local, "vllm", [{"id": "tiny", "max_model_len": 300}]
        stub.asked, stub.faults, stub.lock = [], [], threading.Lock()
        monkeypatch.setenv(served_engine.ENDPOINT, f"http://127.0.0.1:{stub.server_port}/v1")
        threading.Thread(target=stub.serve_forever, daemon=True).start()
        yield stub
        stub.shutdown()


@pytest.fixture
def prompts(local):
    return [local.encode(render(problem, local.tokenizer).text) for problem in load_problems("arithmetic-steps", limit=4)]


@pytest.mark.parametrize(
    ("kind", "takes", "gives"), [("vllm", True, True), ("llama.cpp", True, True), ("ids in", True, False), ("text", False, False)]
)
def test_what_a_server_offers_is_used(server, prompts, local, kind, takes, gives):
    server.kind = kind
    engine = ServedEngine("tiny")
    assert (engine.takes_ids, engine.gives_ids, engine.context, engine.served_as) == (takes, gives, 300, "tiny")
    written = local.sample([Request(prompts[0], 20)], temperature=1.0, stop=(), seed=0)[0].token_ids[:5]
    requests = [Request(prompt, 90) for prompt in prompts] + [Request(prompts[0], 90, written), Request(prompts[0], 5, written)]
    told = []
    engine.report = lambda tokens, completions: told.append((tokens, completions))
    found = engine.sample(requests, temperature=0, stop=(), seed=0)
    assert found == local.sample(requests, temperature=0, stop=(), seed=0)
    assert found == engine.sample(requests, temperature=0, stop=(), seed=0)
    assert sum(tokens for tokens, _ in told) == 2 * sum(len(c.token_ids) - len(r.written) for c, r in zip(found, requests, strict=True))
    assert sum(completions for _, completions in told) == 2 * len(requests)


def test_nothing_but_a_temperature_is_asked_for(server, prompts):
    ServedEngine("tiny").sample([Request(prompts[0], 9)] * 3, temperature=0.7, stop=("\n",), seed=5)
    asked = server.asked[-3:]
    plain = {"temperature": 0.7, "top_p": 1.0, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, "max_tokens": 9, "stop": ["\n"]}
    assert all(plain.items() <= request.items() for request in asked)
    assert len({request["seed"] for request in asked}) == 3 and all(0 <= request["seed"] < 2**31 for request in asked)


@pytest.mark.parametrize("stop", [(), (";",)])
def test_completions_end_as_those_of_the_local_engine(server, prompts, local, stop):
    for kind in ("vllm", "text"):
        server.kind = kind
        requests = [Request(prompt, 40) for prompt in prompts]
        assert (
            ServedEngine("tiny").sample(requests, temperature=0, stop=stop, seed=0)
            == local.sample(requests, temperature=0, stop=stop, seed=0)
            or kind == "text"
        )  # where a stop string is cut from the text, so is the token that holds it


@pytest.mark.parametrize("fault", [503, 429, "hang up", "half", "empty"])
def test_a_passing_fault_is_waited_out(server, prompts, local, fault):
    engine = ServedEngine("tiny", attempts=4, first_pause_seconds=0.01)
    server.faults = [fault] * 3
    requests = [Request(prompt, 30) for prompt in prompts]
    assert engine.sample(requests, temperature=0, stop=(), seed=0) == local.sample(requests, temperature=0, stop=(), seed=0)


def test_a_server_that_goes_down_stops_the_work(server, prompts):
    engine = ServedEngine("tiny", attempts=2, first_pause_seconds=0.01)
    server.faults = [503] * 99
    with pytest.raises(
        WorkFailed, match=r"the model at http.*/completions did not answer in 2 attempts \(status 503.*what was finished is kept"
    ):
        engine.sample([Request(prompt, 30) for prompt in prompts], temperature=0, stop=(), seed=0)


def test_a_request_that_is_refused_is_not_repeated(server, prompts):
    engine = ServedEngine("tiny")
    server.faults, before = [400], len(server.asked)
    with pytest.raises(WorkFailed, match=r"refused a request \(status 400"):
        engine.sample([Request(prompts[0], 30)], temperature=0, stop=(), seed=0)
    assert len(server.asked) == before + 1


def test_no_server_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv(served_engine.ENDPOINT, "http://127.0.0.1:9/v1")
    with pytest.raises(Refused, match=r"--engine served needs a server at http://127.0.0.1:9/v1; start one, or set HISTA_REPRO_SERVER_URL"):
        build(replace(SMALL, engine="served"), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_model_is_found_among_those_that_are_served(server):
    server.models = [{"id": "other"}, {"id": "tiny"}]
    assert ServedEngine("tiny").served_as == "tiny"
    server.models = [{"id": "only"}]
    assert ServedEngine("tiny").served_as == "only"
    server.models = [{"id": "one"}, {"id": "two"}]
    with pytest.raises(Refused, match="has one, two, and no model called tiny; serve it under that name"):
        ServedEngine("tiny")


@pytest.mark.parametrize("given", ["0", "many"])
def test_concurrency_is_a_number(server, monkeypatch, given):
    monkeypatch.setenv(served_engine.CONCURRENCY, given)
    with pytest.raises(Refused, match=f"must be an integer of at least 1, not '{given}'"):
        ServedEngine("tiny")


def test_a_build_goes_on_after_the_server_went_down(server, tmp_path, monkeypatch):
    monkeypatch.setattr("hista_repro.endpoints.time.sleep", lambda seconds: None)
    config = replace(SMALL, engine="served", limit=3, min_accuracy=0.0, max_accuracy=1.0)
    build(config, tmp_path / "whole")
    server.faults = [None] * 15 + [503] * 500
    with pytest.raises(WorkFailed, match="did not answer"):
        build(config, tmp_path / "stopped")
    server.faults = []
    build(config, tmp_path / "stopped")
    assert tables(tmp_path / "stopped") == tables(tmp_path / "whole")
    assert set(score(tmp_path / "whole", ["hista-loo"]).estimator) == {"hista-loo"}


@contextmanager
def vllm_server(model, name):
    """vLLM's own server of `model`, in a process of its own; its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model), "--served-model-name", name]
    command += ["--port", str(port), "--dtype", "float32", "--max-model-len", "512", "--enforce-eager"]
    environment = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        for _ in range(300):
            assert process.poll() is None, "the server ended"
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
                break
            except OSError:
                time.sleep(1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.killpg(process.pid, 15)
        process.wait()


@pytest.fixture(scope="module")
def served():
    patch = pytest.MonkeyPatch()
    with vllm_server(resolve_model("tiny"), "tiny") as url:
        patch.setenv(served_engine.ENDPOINT, url)
        yield ServedEngine("tiny")
    patch.undo()


def with_vllm(test):
    for mark in (pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed"), pytest.mark.slow, pytest.mark.timeout(900)):
        test = mark(test)
    return test


@with_vllm
def test_vllm_takes_and_gives_token_ids(served, local, prompts):
    assert served.takes_ids and served.gives_ids and served.context == 512
    requests = [Request(prompt, 90) for prompt in prompts]
    assert served.sample(requests, temperature=0, stop=(), seed=0) == local.sample(requests, temperature=0, stop=(), seed=0)


@with_vllm
@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_vllm_draws_tokens_with_the_model_s_probabilities(served, local, prompts, temperature):
    prompt = prompts[0]
    written = local.sample([Request(prompt, 6)], temperature=0, stop=(), seed=0)[0].token_ids[:5]
    drawn = served.sample([Request(prompt, 6, written)] * 2000, temperature=temperature, stop=(), seed=1)
    counts = {}
    for completion in drawn:
        token = completion.token_ids[5] if len(completion.token_ids) > 5 else "end"
        counts[token] = counts.get(token, 0) + 1
    likely = {token: p for token, p in next_tokens(local, [*prompt, *written], temperature).items() if 2000 * p >= 5}
    inside = [counts.get(token, 0) for token in likely]
    expected = [2000 * p for p in likely.values()]
    rest = max(1e-9, 2000 - sum(expected))
    assert chisquare([*inside, 2000 - sum(inside)], [*expected, rest]).pvalue > 0.001


def next_tokens(local, ids, temperature):
    import torch

    with torch.inference_mode():
        shares_V = (local.model(torch.tensor([ids])).logits[0, -1] / temperature).softmax(-1)
    ends = set(local._eos)
    found = {token: float(share) for token, share in enumerate(shares_V) if token not in ends}
    return {**found, "end": float(sum(shares_V[token] for token in ends))}


@with_vllm
def test_vllm_s_accuracy_is_that_of_the_local_engine(served, local):
    problems = load_problems("arithmetic-steps", limit=8)
    right = []
    for engine in (served, local):
        requests = [Request(local.encode(render(problem, local.tokenizer).text), 96) for problem in problems for _ in range(40)]
        texts = [completion.text for completion in engine.sample(requests, temperature=1.0, stop=(), seed=3)]
        right.append(sum(grade(problems[i // 40], text) is Outcome.CORRECT for i, text in enumerate(texts)))
    assert fisher_exact([[count, 320 - count] for count in right]).pvalue > 0.001


@with_vllm
def test_a_build_on_vllm_s_server(served, tmp_path):
    config = BuildConfig(**{**SMALL.to_dict(), "engine": "served", "keep_hidden": True, "min_accuracy": 0.0, "max_accuracy": 1.0})
    assert build(config, tmp_path / "build")["counts"]["kept"] == SMALL.limit
    assert set(score(tmp_path / "build", ["hista-loo"]).estimator) == {"hista-loo"}
