import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from hista_repro import endpoints
from hista_repro.errors import WorkFailed
from hista_repro.problems.grading import Outcome, Problem, grade, grade_all, model_verifier
from hista_repro.problems.grading.model_verifier import ModelVerifier

GASES = Problem(id="g", domain="general", problem="Which gas?", answer="carbon dioxide", verifier="exact")


@pytest.fixture
def endpoint(monkeypatch):
    """A stub of a completions endpoint. `replies` are given in turn, the last one for ever: a text, or an HTTP status."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            server = self.server
            server.asked.append((self.path, dict(self.headers), json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            reply = server.replies[min(len(server.asked), len(server.replies)) - 1]
            status, body = (reply, {"error": "busy"}) if isinstance(reply, int) else (200, {"choices": [{"text": reply}]})
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked, server.replies = [], []
        monkeypatch.setenv(model_verifier.ENDPOINT, f"http://127.0.0.1:{server.server_port}/v1/")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def verifier():
    return ModelVerifier("general-verifier", attempts=3, first_pause_seconds=0)


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("They are the same gas.\nFinal Decision: Yes", Outcome.CORRECT),
        ("Final Decision: No", Outcome.WRONG),
        ("Final Decision: No. Wait. Final Decision: **Yes**", Outcome.CORRECT),
        ("I cannot say.", Outcome.CRASH),
    ],
)
def test_decisions(endpoint, verifier, reply, outcome):
    endpoint.replies = [reply]
    assert verifier.judge("Which gas?", "carbon dioxide", "CO2") is outcome


def test_what_is_asked(endpoint, verifier, monkeypatch):
    monkeypatch.setenv(model_verifier.KEY, "open sesame")
    endpoint.replies = ["Final Decision: Yes"]
    assert grade(GASES, r"It is \boxed{\mathrm{CO_2}}.", verifier) is Outcome.CORRECT
    ((path, headers, request),) = endpoint.asked
    assert path == "/v1/completions" and headers["Authorization"] == "Bearer open sesame"
    assert (request["model"], request["temperature"]) == ("general-verifier", 0)
    for part in ("### Question: Which gas?", "### Ground Truth Answer: carbon dioxide", "### Student Answer: CO_2"):
        assert part in request["prompt"]


def test_it_is_asked_only_what_rules_do_not_settle(endpoint, verifier):
    assert grade(GASES, r"\boxed{carbon dioxide}", verifier) is Outcome.CORRECT
    assert grade(GASES, "no answer", verifier) is Outcome.UNPARSED
    choice = Problem(id="c", domain="general", problem="Which?", answer="A", verifier="choice", choices=("x", "y"))
    assert grade(choice, r"\boxed{B}", verifier) is Outcome.WRONG
    assert endpoint.asked == []


def test_a_passing_error_is_waited_out(endpoint, verifier):
    endpoint.replies = [503, 429, "Final Decision: Yes"]
    assert verifier.judge("?", "a", "b") is Outcome.CORRECT
    assert len(endpoint.asked) == 3


def test_an_endpoint_that_stays_down_stops_the_work(endpoint, verifier):
    endpoint.replies = [503]
    with pytest.raises(WorkFailed, match=r"did not answer in 3 attempts .*503.*finished is kept"):
        grade_all([(GASES, r"\boxed{CO2}")], verifier)
    assert len(endpoint.asked) == 3


def test_an_endpoint_that_is_not_there_stops_the_work(verifier, monkeypatch):
    monkeypatch.setenv(model_verifier.ENDPOINT, "http://127.0.0.1:9/v1")
    with pytest.raises(WorkFailed, match=r"127.0.0.1:9/v1.*refused"):
        verifier.judge("?", "a", "b")


def test_a_request_that_can_never_succeed_is_not_repeated(endpoint, verifier):
    endpoint.replies = [404]
    with pytest.raises(WorkFailed, match=r"refused a request .*404"):
        verifier.judge("?", "a", "b")
    assert len(endpoint.asked) == 1


def test_pauses_double(endpoint, monkeypatch):
    pauses = []
    monkeypatch.setattr(endpoints.time, "sleep", pauses.append)
    endpoint.replies = [500, 500, 500, "Final Decision: No"]
    assert ModelVerifier("m", attempts=5, first_pause_seconds=2).judge("?", "a", "b") is Outcome.WRONG
    assert pauses == [2, 4, 8]
