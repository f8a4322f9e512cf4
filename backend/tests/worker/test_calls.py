import socket

import pytest

from processes import Answer, HealthServer
from worker import Call, Tally, call_health


def test_a_call_that_went_well_names_the_release_that_answered():
    with HealthServer(Answer()) as server:
        assert call_health(server.url) == Call(error=None, release="r1")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(status=500, body=b"broken"), "status 500: broken"),
        (Answer(status=302, headers={"Location": "/health"}, body=b""), "status 302: "),
        (Answer(body=b"<html>"), "not JSON: <html>"),
        (Answer(body=b'{"status":"starting"}'), 'not ok: {"status":"starting"}'),
        (Answer(body=b'["ok"]'), 'not ok: ["ok"]'),
    ],
)
def test_any_other_answer_is_a_failure(answer, error):
    with HealthServer(answer) as server:
        assert call_health(server.url) == Call(error=error)


def test_nobody_listening_is_a_failure():
    with socket.socket() as bound_but_not_listening:
        bound_but_not_listening.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound_but_not_listening.getsockname()[1]}"
        assert call_health(url).error.startswith("ConnectionRefusedError")


def test_a_slow_answer_is_a_failure():
    with HealthServer(Answer(delay=0.5)) as server:
        assert call_health(server.url, timeout=0.1) == Call(error="TimeoutError: timed out")


def test_each_call_opens_a_connection():
    with HealthServer(Answer()) as server:
        for _ in range(3):
            call_health(server.url)
        assert len(server.connections) == 3


def test_the_tally_keeps_numbers_and_the_last_of_each_fact():
    tally = Tally()
    for call in (Call(None, "r1"), Call("first"), Call("second"), Call(None, "r2"), Call(None, None)):
        tally.add(call)
    assert (tally.ok, tally.failed) == (3, 2)
    assert tally.facts == {"worker:api_release": "", "worker:last_error": "second"}
