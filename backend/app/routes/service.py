"""Routes about the service itself: is it up, and how does it behave with long requests and open connections."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect
from pydantic import BaseModel

from app.dependencies import CurrentSettings, CurrentStore

LONGEST_SLEEP_SECONDS = 60

router = APIRouter()


class Health(BaseModel):
    status: str
    release: str | None


class Slept(BaseModel):
    slept: float
    release: str | None


class Count(BaseModel):
    count: int


@router.get("/health")
async def health(settings: CurrentSettings) -> Health:
    """Asks nothing of Redis: a new version of the API does not become wrong because the store is away."""
    return Health(status="ok", release=settings.release)


@router.get("/slow")
async def slow(settings: CurrentSettings, s: Annotated[float, Query(ge=0, le=LONGEST_SLEEP_SECONDS)] = 5) -> Slept:
    await asyncio.sleep(s)
    return Slept(slept=s, release=settings.release)


@router.get("/api/v1/counter")
async def read_counter(store: CurrentStore) -> Count:
    return Count(count=await store.counter())


@router.post("/api/v1/counter")
async def increment_counter(store: CurrentStore) -> Count:
    return Count(count=await store.increment_counter())


@router.websocket("/ws/echo")
async def echo(websocket: WebSocket, settings: CurrentSettings) -> None:
    """The first message names the release; after that, each text comes back as it was sent."""
    await websocket.accept()
    try:
        await websocket.send_json({"release": settings.release})
        async for text in websocket.iter_text():
            await websocket.send_text(text)
    except WebSocketDisconnect:
        return
