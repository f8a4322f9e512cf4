"""Puts the API together. gunicorn serves `app.main:app`; tests call `create_app` with a store of their own."""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, status
from fastapi.responses import JSONResponse

from app import catalogue
from app.release_header import ReleaseHeader
from app.routes import gifts, service, wishlist
from app.settings import Settings, from_environment
from app.store import RedisStore, Store, StoreUnavailable

log = logging.getLogger("gunicorn.error")


def create_app(settings: Settings, store: Store | None = None) -> ReleaseHeader:
    @asynccontextmanager
    async def lifespan(api: FastAPI) -> AsyncIterator[None]:
        # Connected here and not at import: gunicorn imports before it forks, and a connection must not be shared.
        api.state.store = store or RedisStore.connect(settings.redis_url)
        yield
        await api.state.store.close()

    api = FastAPI(title="Gift recommendations", lifespan=lifespan)
    api.state.settings = settings
    api.state.catalogue = catalogue.load()
    for module in (service, gifts, wishlist):
        api.include_router(module.router)
    api.add_exception_handler(StoreUnavailable, answer_store_unavailable)
    return ReleaseHeader(api, settings.release_header)


async def answer_store_unavailable(request: Request, error: Exception) -> JSONResponse:
    # The cause names hosts and ports of the inside, so it goes to the log and not to the caller.
    log.error("%s %s: Redis did not answer: %s", request.method, request.url.path, error)
    return JSONResponse(
        {"detail": "the data store did not answer, try again later"},
        status.HTTP_503_SERVICE_UNAVAILABLE,
        {"Retry-After": "1"},
    )


app = create_app(from_environment(os.environ))
