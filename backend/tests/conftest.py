"""What every group shares: the API with a store in memory, driven by a client in this process."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

# The helpers' assertions shall explain themselves as those of a test do.
pytest.register_assert_rewrite("store_contract")

from app.main import create_app  # noqa: E402
from app.settings import Settings  # noqa: E402
from memory_store import MemoryStore  # noqa: E402
from processes import Backend  # noqa: E402

RELEASE = "20260131-174502-1a2b3c4"
TOKEN = "a-token-for-tests"
# What the shell that runs the tests may have set; a test says itself what it wants of these.
NOT_INHERITED = {
    "RELEASE_ID",
    "API_TOKEN",
    "API_URL",
    "REDIS_URL",
    "ACCESS_LOG",
    "WEB_CONCURRENCY",
    "GUNICORN_CMD_ARGS",
}


@pytest.fixture
def settings() -> Settings:
    return Settings(release=RELEASE, redis_url="redis://unused", api_token=TOKEN, api_url="http://unused")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def client(settings: Settings, store: MemoryStore) -> Iterator[TestClient]:
    with TestClient(create_app(settings, store)) as client:
        yield client


@pytest.fixture
def authorized(client: TestClient) -> TestClient:
    client.headers["Authorization"] = f"Bearer {TOKEN}"
    return client


@pytest.fixture
def backend() -> Iterator[Backend]:
    """Starts the backend's programs as real processes, and leaves none behind."""
    environment = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    with Backend(Path(__file__).parents[1], sys.executable, environment) as backend:
        yield backend
