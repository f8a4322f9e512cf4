"""Calls the API the way Gifty's bots do: all the time, over the compose network, a new connection for each call.

What it saw is counted in Redis, so that anybody can tell afterwards whether a single call failed during a deploy.
"""

import http.client
import json
import logging
import os
import signal
import sys
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, TimeoutError
from redis.retry import Retry

from app.settings import Settings, from_environment

SECONDS_BETWEEN_CALLS = 0.1
CALL_TIMEOUT_SECONDS = 5
# Short, because the process must be gone within a second of SIGTERM, also where Redis does not answer.
REDIS_TIMEOUT_SECONDS = 0.3
STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}

log = logging.getLogger("worker")


@dataclass(frozen=True)
class Call:
    """`error` is None where the API answered that it is well; `release` is the one that answered, if it said so."""

    error: str | None
    release: str | None = None


@dataclass
class Tally:
    """Calls that Redis does not know of yet; they stay here while it is away."""

    ok: int = 0
    failed: int = 0
    facts: dict[str, str] = field(default_factory=dict)

    def add(self, call: Call) -> None:
        if call.error is None:
            self.ok += 1
            self.facts["worker:api_release"] = call.release or ""
        else:
            self.failed += 1
            self.facts["worker:last_error"] = call.error

    def save(self, redis: Redis) -> None:
        transaction = redis.pipeline(transaction=True)
        transaction.incrby("worker:ok", self.ok)
        transaction.incrby("worker:failed", self.failed)
        if self.facts:
            transaction.mset(self.facts)
        transaction.execute()
        self.ok = self.failed = 0
        self.facts.clear()


def call_health(api_url: str, timeout: float = CALL_TIMEOUT_SECONDS) -> Call:
    url = urlsplit(api_url)
    connection = http.client.HTTPConnection(url.hostname, url.port or 80, timeout=timeout)
    try:
        connection.request("GET", "/health", headers={"Connection": "close"})
        response = connection.getresponse()
        return judge(response.status, response.read())
    except (OSError, http.client.HTTPException) as error:
        return Call(error=f"{type(error).__name__}: {error}")
    finally:
        connection.close()


def judge(status: int, body: bytes) -> Call:
    if status != 200:
        return Call(error=f"status {status}: {body[:200].decode(errors='replace')}")
    try:
        answer = json.loads(body)
    except ValueError:
        return Call(error=f"not JSON: {body[:200].decode(errors='replace')}")
    if not isinstance(answer, dict) or answer.get("status") != "ok":
        return Call(error=f"not ok: {body[:200].decode(errors='replace')}")
    return Call(error=None, release=answer.get("release"))


def save(tally: Tally, redis: Redis) -> bool:
    try:
        tally.save(redis)
    except (ConnectionError, TimeoutError, OSError) as error:
        log.warning("Redis did not answer, %d calls are kept for later: %s", tally.ok + tally.failed, error)
        return False
    return True


def run(settings: Settings, redis: Redis) -> int:
    """Returns the exit code, after a stop signal: 0, or 1 where calls could not be counted."""
    tally = Tally(facts={"worker:release": settings.release or ""})
    error = None
    # Blocked, so that a signal waits for the end of the running call and then ends the pause between two.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    log.info("calling %s, release %s", settings.api_url, settings.release_header)
    while signal.sigtimedwait(STOP_SIGNALS, SECONDS_BETWEEN_CALLS) is None:
        call = call_health(settings.api_url)
        if call.error != error:
            log.info("the API answers") if call.error is None else log.warning("call failed: %s", call.error)
            error = call.error
        tally.add(call)
        save(tally, redis)
    saved = save(tally, redis)
    log.info("stopped")
    return 0 if saved else 1


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s worker %(levelname)s %(message)s")
    settings = from_environment(os.environ)
    redis = Redis.from_url(
        settings.redis_url,
        socket_timeout=REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
        # The tally keeps what could not be saved, and the next save is the retry.
        retry=Retry(NoBackoff(), 0),
    )
    return run(settings, redis)


if __name__ == "__main__":
    sys.exit(main())
