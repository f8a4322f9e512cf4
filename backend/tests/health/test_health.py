from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from app.main import create_app
from app.settings import from_environment
from memory_store import MemoryStore


def test_says_that_it_is_well_and_which_release_it_is(client):
    response = client.get("/health")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "release": "20260131-174502-1a2b3c4"}


def test_is_well_while_the_store_is_away(client, store):
    store.away = True
    assert client.get("/health").json()["status"] == "ok"


@pytest.mark.parametrize("environment", [{}, {"RELEASE_ID": ""}])
def test_release_is_null_where_none_was_given(settings, environment):
    settings = replace(settings, release=from_environment(environment).release)
    with TestClient(create_app(settings, MemoryStore())) as client:
        response = client.get("/health")
    assert response.json() == {"status": "ok", "release": None}
    assert response.headers["X-Release"] == "unknown"


def test_every_answer_names_the_release(client):
    for path, status in [("/health", 200), ("/api/v1/gifts", 200), ("/nowhere", 404), ("/slow?s=-1", 422)]:
        response = client.get(path)
        assert (response.status_code, response.headers["X-Release"]) == (status, "20260131-174502-1a2b3c4")


def test_an_answer_to_an_unhandled_error_names_the_release_too(settings):
    class BrokenStore(MemoryStore):
        async def counter(self) -> int:
            raise RuntimeError("a mistake in the code")

    with TestClient(create_app(settings, BrokenStore()), raise_server_exceptions=False) as client:
        response = client.get("/api/v1/counter")
    assert response.status_code == 500
    assert response.headers["X-Release"] == "20260131-174502-1a2b3c4"
    assert "mistake" not in response.text
