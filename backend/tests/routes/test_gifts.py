import pytest

from app.catalogue import Catalogue, load


def test_lists_by_price_in_pages(client):
    first = client.get("/api/v1/gifts", params={"limit": 3}).json()
    second = client.get("/api/v1/gifts", params={"limit": 3, "offset": 3}).json()
    assert first["total"] == second["total"] == len(load())
    prices = [gift["price"] for gift in first["gifts"] + second["gifts"]]
    assert len(prices) == 6
    assert prices == sorted(prices)


def test_filters_by_interest_and_price(client):
    answer = client.get("/api/v1/gifts", params={"interest": "Coffee", "max_price": 3400}).json()
    assert [gift["id"] for gift in answer["gifts"]] == ["enamel-mug", "moka-pot"]
    assert answer["total"] == 2


def test_reads_one_gift(client):
    gift = client.get("/api/v1/gifts/ukulele").json()
    assert (gift["title"], gift["price"], gift["interests"]) == ("Soprano ukulele", 4800, ["music"])


def test_names_the_gift_that_it_does_not_have(client):
    response = client.get("/api/v1/gifts/yacht")
    assert response.status_code == 404
    assert "'yacht'" in response.json()["detail"]


def test_lists_all_interests_once(client):
    interests = client.get("/api/v1/interests").json()
    assert interests == sorted(set(interests))
    assert {"chess", "coffee", "travel"} <= set(interests)


def test_refuses_a_catalogue_with_an_id_twice():
    gifts = list(load())
    with pytest.raises(ValueError, match=gifts[0].id):
        Catalogue([*gifts, gifts[0]])


def test_every_gift_of_the_catalogue_suits_somebody():
    assert [gift.id for gift in load() if gift.age_from > gift.age_to] == []
