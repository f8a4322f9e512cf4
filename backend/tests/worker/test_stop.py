import signal
import time

import pytest

from processes import Answer, HealthServer

NO_REDIS = "redis://127.0.0.1:1/0"


@pytest.mark.parametrize("stop_signal", [signal.SIGTERM, signal.SIGINT])
def test_finishes_the_running_call_and_says_what_it_could_not_count(backend, stop_signal):
    with HealthServer(Answer(delay=0.4)) as server:
        worker = backend.start("worker.py", API_URL=server.url, REDIS_URL=NO_REDIS)
        assert server.started.wait(5)
        worker.send_signal(stop_signal)
        stopped = time.monotonic()
        log, _ = worker.communicate(timeout=5)
        assert time.monotonic() - stopped < 1
        assert server.finished == 1
    assert worker.returncode == 1
    assert "1 calls are kept for later" in log
    assert log.rstrip().endswith("stopped")
