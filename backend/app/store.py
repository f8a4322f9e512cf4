"""What outlives a release: the wish lists and the counter, in Redis.

Two releases share this data while traffic moves, so keys and their types may be added to, never changed in place.
"""

from collections.abc import Awaitable
from typing import Any, Protocol

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, TimeoutError

COUNTER_KEY = "counter"
PEOPLE_KEY = "wishlist-people"
WISHLIST_PREFIX = "wishlist:"
TIMEOUT_SECONDS = 2


class StoreUnavailable(Exception):
    """The data store did not answer; the request may be sent again later."""


class Store(Protocol):
    async def counter(self) -> int: ...

    async def increment_counter(self) -> int: ...

    async def wishlist(self, person: str) -> list[str]:
        """Gift ids, in the order in which they were added."""

    async def add_to_wishlist(self, person: str, gift_id: str, added_at: float) -> bool:
        """False where the gift was on the list before; its place is kept."""

    async def remove_from_wishlist(self, person: str, gift_id: str) -> bool:
        """False where the gift was not on the list."""

    async def close(self) -> None: ...


class RedisStore:
    def __init__(self, client: Redis) -> None:
        self._client = client

    @classmethod
    def connect(cls, url: str) -> "RedisStore":
        """Opens no connection yet: the API starts, and answers /health, without Redis."""
        return cls(
            Redis.from_url(
                url,
                decode_responses=True,
                socket_timeout=TIMEOUT_SECONDS,
                socket_connect_timeout=TIMEOUT_SECONDS,
                # One more try, for a pooled connection that Redis had closed.
                retry=Retry(NoBackoff(), 1),
            )
        )

    async def counter(self) -> int:
        return int(await self._answer(self._client.get(COUNTER_KEY)) or 0)

    async def increment_counter(self) -> int:
        return await self._answer(self._client.incr(COUNTER_KEY))

    async def wishlist(self, person: str) -> list[str]:
        return await self._answer(self._client.zrange(WISHLIST_PREFIX + person, 0, -1))

    async def add_to_wishlist(self, person: str, gift_id: str, added_at: float) -> bool:
        transaction = self._client.pipeline(transaction=True)
        transaction.zadd(WISHLIST_PREFIX + person, {gift_id: added_at}, nx=True)
        transaction.sadd(PEOPLE_KEY, person)
        added, _ = await self._answer(transaction.execute())
        return bool(added)

    async def remove_from_wishlist(self, person: str, gift_id: str) -> bool:
        return bool(await self._answer(self._client.zrem(WISHLIST_PREFIX + person, gift_id)))

    async def close(self) -> None:
        await self._client.aclose()

    async def _answer(self, command: Awaitable[Any]) -> Any:
        try:
            return await command
        except (ConnectionError, TimeoutError, OSError) as error:
            raise StoreUnavailable(str(error)) from error
