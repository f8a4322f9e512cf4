import asyncio

import pytest

from app.store import RedisStore, StoreUnavailable
from store_contract import keep_contract


def test_keeps_the_contract(redis, redis_url):
    async def run() -> None:
        store = RedisStore.connect(redis_url)
        await keep_contract(store)
        await store.close()

    asyncio.run(run())
    assert redis.smembers("wishlist-people") == {"anna", "boris"}


def test_survives_a_connection_that_redis_closed(redis, redis_url):
    async def run() -> None:
        store = RedisStore.connect(redis_url)
        assert await store.increment_counter() == 1
        redis.client_kill_filter(_type="normal", skipme=True)
        assert await store.increment_counter() == 2
        await store.close()

    asyncio.run(run())


def test_tells_that_redis_is_away():
    async def run() -> None:
        store = RedisStore.connect("redis://127.0.0.1:1/0")
        with pytest.raises(StoreUnavailable):
            await store.counter()
        await store.close()

    asyncio.run(run())
