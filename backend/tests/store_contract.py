"""What the API relies on in a store. Run against Redis and against the tests' own store, so that both behave alike."""

from app.store import Store


async def keep_contract(store: Store) -> None:
    await count(store)
    await list_in_order_of_adding(store)
    await keep_the_place_of_a_gift_added_again(store)
    await tell_whether_a_gift_was_removed(store)
    await keep_people_apart(store)


async def count(store: Store) -> None:
    assert await store.counter() == 0
    assert [await store.increment_counter() for _ in range(3)] == [1, 2, 3]
    assert await store.counter() == 3


async def list_in_order_of_adding(store: Store) -> None:
    assert await store.wishlist("anna") == []
    assert await store.add_to_wishlist("anna", "ukulele", added_at=20.5) is True
    assert await store.add_to_wishlist("anna", "atlas-of-clouds", added_at=30.5) is True
    assert await store.add_to_wishlist("anna", "chess-set", added_at=10.5) is True
    assert await store.wishlist("anna") == ["chess-set", "ukulele", "atlas-of-clouds"]


async def keep_the_place_of_a_gift_added_again(store: Store) -> None:
    assert await store.add_to_wishlist("anna", "chess-set", added_at=99.5) is False
    assert await store.wishlist("anna") == ["chess-set", "ukulele", "atlas-of-clouds"]


async def tell_whether_a_gift_was_removed(store: Store) -> None:
    assert await store.remove_from_wishlist("anna", "ukulele") is True
    assert await store.remove_from_wishlist("anna", "ukulele") is False
    assert await store.wishlist("anna") == ["chess-set", "atlas-of-clouds"]


async def keep_people_apart(store: Store) -> None:
    assert await store.add_to_wishlist("boris", "chess-set", added_at=1.5) is True
    assert await store.remove_from_wishlist("boris", "atlas-of-clouds") is False
    assert await store.wishlist("boris") == ["chess-set"]
    assert await store.wishlist("anna") == ["chess-set", "atlas-of-clouds"]
