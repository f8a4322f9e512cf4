"""What routes ask FastAPI for; all of it was put on the application's state by `app.main.create_app`."""

import hmac
from typing import Annotated

from fastapi import Depends, HTTPException, status
from fastapi.requests import HTTPConnection
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.catalogue import Catalogue
from app.settings import Settings
from app.store import Store


def settings(connection: HTTPConnection) -> Settings:
    return connection.app.state.settings


def catalogue(connection: HTTPConnection) -> Catalogue:
    return connection.app.state.catalogue


def store(connection: HTTPConnection) -> Store:
    return connection.app.state.store


CurrentSettings = Annotated[Settings, Depends(settings)]
CurrentCatalogue = Annotated[Catalogue, Depends(catalogue)]
CurrentStore = Annotated[Store, Depends(store)]

bearer_scheme = HTTPBearer(auto_error=False)


def require_token(
    current: CurrentSettings,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer_scheme)],
) -> None:
    if current.api_token is None:
        raise HTTPException(
            status.HTTP_503_SERVICE_UNAVAILABLE, "wish lists are closed: API_TOKEN is not set on the server"
        )
    offered = credentials.credentials if credentials else ""
    # Compared in constant time, and as bytes because text with non-ASCII characters is refused there.
    if not hmac.compare_digest(offered.encode(), current.api_token.encode()):
        raise HTTPException(
            status.HTTP_401_UNAUTHORIZED, "a valid bearer token is needed", {"WWW-Authenticate": "Bearer"}
        )
