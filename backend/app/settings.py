"""Everything the process takes from its environment, read once and in one place."""

from collections.abc import Mapping
from dataclasses import dataclass

UNKNOWN_RELEASE = "unknown"


@dataclass(frozen=True)
class Settings:
    release: str | None
    redis_url: str
    api_token: str | None
    api_url: str

    @property
    def release_header(self) -> str:
        return self.release or UNKNOWN_RELEASE


def from_environment(environment: Mapping[str, str]) -> Settings:
    """An empty value counts as unset: `NAME=` in an env file must not become an empty secret."""
    return Settings(
        release=environment.get("RELEASE_ID") or None,
        redis_url=environment.get("REDIS_URL") or "redis://redis:6379/0",
        api_token=environment.get("API_TOKEN") or None,
        api_url=environment.get("API_URL") or "http://api:8000",
    )
