"""Names the release on every answer, so that a client can tell which version served it.

It wraps the whole application, because an answer to an unhandled error is made outside of any ordinary middleware.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

ANSWERS = {"http.response.start", "websocket.accept", "websocket.http.response.start"}


class ReleaseHeader:
    def __init__(self, app: ASGIApp, release: str) -> None:
        self.app = app
        self.header = (b"x-release", release.encode("latin-1"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_release(message: Message) -> None:
            if message["type"] in ANSWERS:
                message["headers"] = [*message.get("headers", []), self.header]
            await send(message)

        await self.app(scope, receive, send_with_release)
