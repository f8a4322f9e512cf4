import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cache import ask

FORECAST = "sunny"


class Weather(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/ping":
            known = self.headers.get("X-Checked-By") == "deploy"
            return self.answer("", 204 if known else 403)
        self.answer(f"{os.environ['STATION']}: {FORECAST}, measured {ask('GET', 'measured')} times\n", 200)

    def answer(self, text, status):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *words):
        """Says nothing of each request."""


class Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128


server = Server(("", 7000), Weather)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
