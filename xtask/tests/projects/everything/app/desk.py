import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

EDITION = "house rules one"


class Desk(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        secret = "known" if Path("/run/secrets/stamp").read_text().startswith("seal") else "unknown"
        self.answer(
            {
                "state": os.environ["STATE"],
                "secret": secret,
                "edition": EDITION,
                "greeting": os.environ["GREETING"],
                "house": os.environ["HOUSE"],
                "paper": Path("/papers/deed.txt").read_text().strip(),
                "opened": Path("/ledger/opened").read_text(),
            }
        )

    def answer(self, body):
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *words):
        """Says nothing of each request."""


class Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128


server = Server(("", 8088), Desk)
signal.signal(signal.SIGINT, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
