def gift_ids(response):
    return [gift["id"] for gift in response.json()["gifts"]]


def test_keeps_gifts_in_the_order_of_adding(authorized):
    for gift_id in ("ukulele", "chess-set", "bread-book"):
        assert authorized.put(f"/api/v1/wishlist/{gift_id}").status_code == 201
    assert gift_ids(authorized.get("/api/v1/wishlist")) == ["ukulele", "chess-set", "bread-book"]


def test_adding_twice_changes_nothing(authorized):
    assert authorized.put("/api/v1/wishlist/ukulele").status_code == 201
    assert authorized.put("/api/v1/wishlist/ukulele").status_code == 200
    assert gift_ids(authorized.get("/api/v1/wishlist")) == ["ukulele"]


def test_removes_once(authorized):
    authorized.put("/api/v1/wishlist/ukulele")
    assert authorized.delete("/api/v1/wishlist/ukulele").status_code == 204
    assert authorized.delete("/api/v1/wishlist/ukulele").status_code == 404
    assert gift_ids(authorized.get("/api/v1/wishlist")) == []


def test_each_person_has_a_list(authorized):
    authorized.put("/api/v1/wishlist/ukulele", params={"person": "anna"})
    assert gift_ids(authorized.get("/api/v1/wishlist", params={"person": "anna"})) == ["ukulele"]
    assert gift_ids(authorized.get("/api/v1/wishlist", params={"person": "boris"})) == []


def test_refuses_a_gift_that_does_not_exist(authorized):
    assert authorized.put("/api/v1/wishlist/yacht").status_code == 404
    assert gift_ids(authorized.get("/api/v1/wishlist")) == []


def test_refuses_a_strange_name_of_a_person(authorized):
    for person in ("", "a b", "a\nb", "a" * 65):
        assert authorized.get("/api/v1/wishlist", params={"person": person}).status_code == 422


async def add_gift_of_another_release(store):
    await store.add_to_wishlist("me", "gift-of-tomorrow", added_at=1)


def test_leaves_out_what_only_another_release_knows(authorized, store):
    authorized.portal.call(add_gift_of_another_release, store)
    authorized.put("/api/v1/wishlist/ukulele")
    assert gift_ids(authorized.get("/api/v1/wishlist")) == ["ukulele"]
