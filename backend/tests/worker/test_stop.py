import signal
import threading

import pytest

from processes import Answer, HealthServer

NO_REDIS = "redis://127.0.0.1:1/0"
# Nothing is awaited that long on a machine that works, however busy it is.
LIMIT_SECONDS = 60


@pytest.mark.parametrize("stop_signal", [signal.SIGTERM, signal.SIGINT])
def test_finishes_the_running_call_and_says_what_it_could_not_count(backend, stop_signal):
    release = threading.Event()
    with HealthServer(Answer(release=release)) as server:
        worker = backend.start("worker.py", API_URL=server.url, REDIS_URL=NO_REDIS)
        assert server.started.wait(LIMIT_SECONDS)
        # The signal comes while the call is running, which ends only then.
        worker.send_signal(stop_signal)
        release.set()
        log, _ = worker.communicate(timeout=LIMIT_SECONDS)
        assert server.finished == 1, "another call was begun after the signal"
    assert worker.returncode == 1
    assert "1 calls are kept for later" in log
    assert log.rstrip().endswith("stopped")
