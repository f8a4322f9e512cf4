"""Brings the data in Redis to the shape this release needs. Run once per deploy, before the new version boots.

The previous release still serves while this runs, and may serve again after a rollback. So a migration only adds, and
may be repeated; a schema newer than this code is left alone.
"""

import logging
import os
import sys
import time
from collections.abc import Callable

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, RedisError, TimeoutError
from redis.retry import Retry

from app.settings import from_environment
from app.store import COUNTER_KEY, PEOPLE_KEY, WISHLIST_PREFIX

VERSION_KEY = "schema:version"
RUNS_KEY = "migrations:runs"
# At the very first deploy Redis has been started a moment ago.
SECONDS_TO_WAIT_FOR_REDIS = 10
REDIS_TIMEOUT_SECONDS = 5

log = logging.getLogger("migrate")


def start_counter(redis: Redis) -> None:
    redis.set(COUNTER_KEY, 0, nx=True)


def index_people(redis: Redis) -> None:
    """Who has a wish list: without the index, that takes a scan of all keys."""
    for key in redis.scan_iter(match=WISHLIST_PREFIX + "*"):
        redis.sadd(PEOPLE_KEY, key.removeprefix(WISHLIST_PREFIX))


# The version of the schema is the number of entries; entries are only ever appended.
MIGRATIONS: list[Callable[[Redis], None]] = [start_counter, index_people]


def migrate(redis: Redis) -> int:
    """Runs what is missing and returns the schema's version afterwards."""
    version = int(redis.get(VERSION_KEY) or 0)
    for number, migration in enumerate(MIGRATIONS, start=1):
        if number <= version:
            continue
        log.info("migration %d: %s", number, migration.__name__)
        migration(redis)
        # After each one, so that a failure leaves a version that is true.
        redis.set(VERSION_KEY, number)
    redis.incr(RUNS_KEY)
    return max(version, len(MIGRATIONS))


def wait_for(redis: Redis, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            redis.ping()
            return
        except (ConnectionError, TimeoutError, OSError) as error:
            if time.monotonic() >= deadline:
                raise
            log.info("waiting for Redis: %s", error)
            time.sleep(0.2)


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s migrate %(levelname)s %(message)s")
    redis = Redis.from_url(
        from_environment(os.environ).redis_url,
        decode_responses=True,
        socket_timeout=REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        wait_for(redis, SECONDS_TO_WAIT_FOR_REDIS)
        log.info("schema version %d", migrate(redis))
    except (RedisError, OSError) as error:
        log.error("the migration failed, nothing after it was run: %s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
