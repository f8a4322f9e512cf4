from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from app.main import create_app
from app.settings import from_environment
from memory_store import MemoryStore

CALLS = [("GET", "/api/v1/wishlist"), ("PUT", "/api/v1/wishlist/ukulele"), ("DELETE", "/api/v1/wishlist/ukulele")]


@pytest.mark.parametrize(("method", "path"), CALLS)
@pytest.mark.parametrize(
    "header",
    [None, "Bearer", "Bearer wrong", "Bearer a-token-for-test", "Basic YS10b2tlbi1mb3ItdGVzdHM=", "a-token-for-tests"],
)
def test_refuses_a_call_without_the_token(client, method, path, header):
    response = client.request(method, path, headers={"Authorization": header} if header else {})
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_refuses_a_token_of_other_letters(client):
    assert client.get("/api/v1/wishlist", headers={"Authorization": "Bearer ключ".encode()}).status_code == 401


def test_accepts_the_token(authorized):
    assert authorized.get("/api/v1/wishlist").status_code == 200


@pytest.mark.parametrize("environment", [{}, {"API_TOKEN": ""}])
@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer "}, {"Authorization": "Bearer None"}])
def test_no_token_on_the_server_opens_nothing(settings, environment, header):
    settings = replace(settings, api_token=from_environment(environment).api_token)
    with TestClient(create_app(settings, MemoryStore())) as client:
        response = client.get("/api/v1/wishlist", headers=header)
    assert response.status_code == 503
    assert "API_TOKEN" in response.json()["detail"]


def test_public_routes_ask_for_no_token(client):
    for path in ("/health", "/api/v1/gifts", "/api/v1/counter"):
        assert client.get(path).status_code == 200
