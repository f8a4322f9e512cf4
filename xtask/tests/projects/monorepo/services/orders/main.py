import os

import redis.asyncio as redis
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from packages.money.amounts import text
from services.orders.database import connect

EDITION = "market one"
queue = redis.from_url(os.environ["QUEUE"])


async def ready(request):
    with connect() as connection:
        connection.execute("SELECT count(*) FROM placed")
    return PlainTextResponse("ready")


async def front(request):
    with connect() as connection:
        total = connection.execute("SELECT coalesce(sum(cents), 0) FROM placed").fetchone()[0]
    mailed = int(await queue.get("mailed") or 0)
    return JSONResponse({"edition": EDITION, "total": text(total, os.environ["CURRENCY"]), "mailed": mailed})


async def order(request):
    form = await request.form()
    with connect() as connection:
        connection.execute("INSERT INTO placed (cents) VALUES (?)", (int(form["cents"]),))
    await queue.lpush("mails", form["cents"])
    return PlainTextResponse("placed", 201)


routes = [Route("/", front), Route("/ready", ready), Route("/orders", order, methods=["POST"])]
app = Starlette(routes=routes)
