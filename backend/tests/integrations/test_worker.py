import signal
import time

from processes import Answer, HealthServer


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_counts_what_it_saw_and_stops_cleanly(backend, redis, redis_url):
    with HealthServer(Answer()) as server:
        worker = backend.start("worker.py", API_URL=server.url, REDIS_URL=redis_url, RELEASE_ID="r5")
        wait_for(lambda: int(redis.get("worker:ok") or 0) >= 2)
        assert (redis.get("worker:failed"), redis.get("worker:last_error")) == ("0", None)
        server.answer = Answer(status=502, body=b"bad gateway")
        wait_for(lambda: int(redis.get("worker:failed")) >= 1)
        worker.send_signal(signal.SIGTERM)
        log, _ = worker.communicate(timeout=60)
        assert worker.returncode == 0, log
        assert int(redis.get("worker:ok")) + int(redis.get("worker:failed")) == server.finished
    assert redis.get("worker:last_error") == "status 502: bad gateway"
    assert (redis.get("worker:release"), redis.get("worker:api_release")) == ("r5", "r1")
