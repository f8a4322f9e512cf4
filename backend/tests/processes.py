"""Real processes for tests: the backend's programs, and an HTTP server that answers as a test wants it to."""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

LISTENING = re.compile(r"Listening at: http://127\.0\.0\.1:(\d+)")
READY = "Application startup complete"
WORKERS = 2


class Backend:
    def __init__(self, folder: Path, python: str, environment: dict[str, str]) -> None:
        self._folder = folder
        self._python = python
        self._environment = environment
        self._processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> "Backend":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in self._processes:
            # The whole group: a worker that outlived its master would hold the pipe open.
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it has ended, as the test wanted
            process.communicate(timeout=60)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [self._python, *arguments],
            cwd=self._folder,
            env=self._environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._processes.append(process)
        return process

    def serve(self, **environment: str) -> tuple[subprocess.Popen[str], int]:
        """gunicorn with the configuration of production, on a free port; returns once every worker is ready to answer.

        A worker that is still starting may miss the signal that a test sends.
        """
        process = self.start("-m", "gunicorn", "app.main:app", "--bind", "127.0.0.1:0", **environment)
        port = int(LISTENING.search(read_until(process, LISTENING.search))[1])
        for _ in range(int(environment.get("WEB_CONCURRENCY", WORKERS))):
            read_until(process, lambda line: READY in line)
        return process, port


def read_until(process: subprocess.Popen[str], wanted: Callable[[str], object]) -> str:
    seen = []
    for line in process.stdout:
        if wanted(line):
            return line
        seen.append(line)
    raise AssertionError(f"the process ended before it was ready:\n{''.join(seen)}")


@dataclass
class Answer:
    status: int = 200
    body: bytes = b'{"status":"ok","release":"r1"}'
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0
    # Where there is one, the answer waits until it is set.
    release: threading.Event | None = None


class HealthServer:
    """Listens on a free port of the loopback; counts connections and finished answers."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.connections: set[tuple[str, int]] = set()
        self.started = threading.Event()
        self.finished = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "HealthServer":
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.connections.add(self.client_address)
                server.started.set()
                time.sleep(server.answer.delay)
                if server.answer.release is not None:
                    server.answer.release.wait()
                self.send_response(server.answer.status)
                for name, value in server.answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(server.answer.body)))
                self.end_headers()
                self.wfile.write(server.answer.body)
                server.finished += 1

            def log_message(self, format: str, *arguments: object) -> None:
                """Quiet: what was answered is asserted, not read."""

        return Handler
