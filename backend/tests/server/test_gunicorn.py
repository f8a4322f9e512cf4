"""The API as production runs it: gunicorn, its configuration file, and its way to stop."""

import http.client
import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor

from websockets.sync.client import connect


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    response = connection.getresponse()
    with response:
        return response.status, response.headers["X-Release"], json.load(response)


def test_requests_in_flight_finish_after_the_stop_signal(backend):
    server, port = backend.serve(RELEASE_ID="r7")
    with ThreadPoolExecutor(4) as pool:
        slow = [pool.submit(get, port, "/slow?s=0.8") for _ in range(4)]
        time.sleep(0.3)
        server.send_signal(signal.SIGTERM)
        answers = [request.result() for request in slow]
    assert answers == [(200, "r7", {"slept": 0.8, "release": "r7"})] * 4
    log, _ = server.communicate(timeout=5)
    assert server.returncode == 0
    assert "GET /slow" not in log


def test_open_connections_do_not_delay_the_stop(backend):
    server, port = backend.serve(ACCESS_LOG="true")
    idle = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    idle.request("GET", "/health")
    assert idle.getresponse().read() == b'{"status":"ok","release":null}'
    with connect(f"ws://127.0.0.1:{port}/ws/echo", proxy=None) as websocket:
        assert json.loads(websocket.recv(timeout=5)) == {"release": None}
        websocket.send("hello")
        assert websocket.recv(timeout=5) == "hello"
        server.send_signal(signal.SIGTERM)
        stopped = time.monotonic()
        log, _ = server.communicate(timeout=5)
    assert time.monotonic() - stopped < 2
    assert server.returncode == 0
    assert log.count("GET /health") == 1
    idle.close()
