"""These tests talk to a real Redis: REDIS_URL names an empty database of it, which is emptied again after each test."""

import os
from collections.abc import Iterator

import pytest
from redis import Redis


@pytest.fixture
def redis_url() -> str:
    url = os.environ.get("REDIS_URL")
    if not url:
        pytest.fail("set REDIS_URL to an empty database of a running Redis, such as redis://127.0.0.1:6379/15")
    return url


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        # Checked, because the data of somebody's application may be in there.
        if redis.dbsize():
            pytest.fail("the database that REDIS_URL names holds data; these tests need an empty one")
        yield redis
        redis.flushdb()
