"""The store for tests of routes. It has to keep the same contract as the one in Redis: see store_contract.py."""

from app.store import StoreUnavailable


class MemoryStore:
    def __init__(self) -> None:
        self.away = False
        self._count = 0
        self._wishlists: dict[str, dict[str, float]] = {}

    async def counter(self) -> int:
        self._answer()
        return self._count

    async def increment_counter(self) -> int:
        self._answer()
        self._count += 1
        return self._count

    async def wishlist(self, person: str) -> list[str]:
        self._answer()
        added = self._wishlists.get(person, {})
        return sorted(added, key=lambda gift_id: (added[gift_id], gift_id))

    async def add_to_wishlist(self, person: str, gift_id: str, added_at: float) -> bool:
        self._answer()
        wishlist = self._wishlists.setdefault(person, {})
        if gift_id in wishlist:
            return False
        wishlist[gift_id] = added_at
        return True

    async def remove_from_wishlist(self, person: str, gift_id: str) -> bool:
        self._answer()
        return self._wishlists.get(person, {}).pop(gift_id, None) is not None

    async def close(self) -> None:
        pass

    def _answer(self) -> None:
        if self.away:
            raise StoreUnavailable("Connection refused by redis.internal:6379")
