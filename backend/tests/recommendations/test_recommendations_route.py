import pytest


def ask(client, **query):
    response = client.get("/api/v1/recommendations", params=query)
    assert response.status_code == 200, response.text
    return response.json()


def test_recommends_from_the_catalogue(client):
    answer = ask(client, budget=5000, interests="Chess, board games", age=30)
    first = answer["recommendations"][0]
    assert first["gift"]["id"] == "chess-set"
    assert first["matched_interests"] == ["board games", "chess"]
    assert all(entry["gift"]["price"] <= 5000 for entry in answer["recommendations"])


def test_budget_alone_is_enough(client):
    answer = ask(client, budget=1000)
    assert [entry["gift"]["id"] for entry in answer["recommendations"]] == ["dominoes", "enamel-mug"]


def test_five_unless_asked_otherwise(client):
    assert len(ask(client, budget=20000)["recommendations"]) == 5
    assert len(ask(client, budget=20000, limit=7)["recommendations"]) == 7


def test_names_the_interests_that_it_does_not_know(client):
    answer = ask(client, budget=9000, interests="coffee,juggling")
    assert answer["unknown_interests"] == ["juggling"]
    assert {"moka-pot", "hand-grinder"} <= {entry["gift"]["id"] for entry in answer["recommendations"]}


def test_only_unknown_interests_do_not_match_everything(client):
    assert ask(client, budget=9000, interests="juggling") == {"recommendations": [], "unknown_interests": ["juggling"]}


@pytest.mark.parametrize(
    "query", [{}, {"budget": 0}, {"budget": "much"}, {"budget": 1, "age": 121}, {"budget": 1, "limit": 51}]
)
def test_refuses_what_makes_no_sense(client, query):
    assert client.get("/api/v1/recommendations", params=query).status_code == 422
