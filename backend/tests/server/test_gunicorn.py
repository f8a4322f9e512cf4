"""The API as production runs it: gunicorn, its configuration file, and its way to stop."""

import http.client
import json
import signal
import time

from websockets.sync.client import connect


def ask(port, path):
    """Sends a request, and does not wait for its answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    return connection


def answer_of(connection):
    with connection.getresponse() as response:
        return response.status, response.headers["X-Release"], json.load(response)


def test_requests_in_flight_finish_after_the_stop_signal(backend):
    server, port = backend.serve(RELEASE_ID="r7", WEB_CONCURRENCY="1")
    slow = [ask(port, "/slow?s=0.8") for _ in range(4)]
    # One process takes connections in their order: when this one is answered, the others are at work.
    assert answer_of(ask(port, "/health"))[0] == 200
    server.send_signal(signal.SIGTERM)
    answers = [answer_of(request) for request in slow]
    assert answers == [(200, "r7", {"slept": 0.8, "release": "r7"})] * 4
    log, _ = server.communicate(timeout=60)
    assert server.returncode == 0
    assert "GET /slow" not in log


def test_open_connections_do_not_delay_the_stop(backend):
    server, port = backend.serve(ACCESS_LOG="true")
    idle = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    idle.request("GET", "/health")
    assert idle.getresponse().read() == b'{"status":"ok","release":null}'
    with connect(f"ws://127.0.0.1:{port}/ws/echo", proxy=None) as websocket:
        assert json.loads(websocket.recv(timeout=60)) == {"release": None}
        websocket.send("hello")
        assert websocket.recv(timeout=60) == "hello"
        server.send_signal(signal.SIGTERM)
        stopped = time.monotonic()
        log, _ = server.communicate(timeout=60)
    # Gunicorn would wait 35 s for them.
    assert time.monotonic() - stopped < 30
    assert server.returncode == 0
    assert log.count("GET /health") == 1
    idle.close()
