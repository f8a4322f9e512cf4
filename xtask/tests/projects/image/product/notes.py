"""A product as one gets it: an image, a settings file, a database in a folder that is mounted."""

import configparser
import json
import os
import signal
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = os.environ["NOTES_VERSION"]
settings = configparser.ConfigParser()
settings.read("/etc/notes.ini")
if VERSION.startswith("broken"):
    raise SystemExit("notes: this version cannot read its database")


def database():
    connection = sqlite3.connect(os.environ["NOTES_DB"], timeout=10)
    connection.execute("CREATE TABLE IF NOT EXISTS note (text TEXT)")
    return connection


class Notes(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body, status=200):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        with database() as connection:
            notes = [row[0] for row in connection.execute("SELECT text FROM note")]
        if self.path == "/healthz":
            return self.answer({"database": "ready"})
        self.answer({"title": settings["notes"]["title"], "version": VERSION, "notes": notes})

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with database() as connection:
            connection.execute("INSERT INTO note VALUES (?)", (text,))
        self.answer({"kept": text}, 201)

    def log_message(self, *words):
        """Says nothing of each request."""


class Server(ThreadingHTTPServer):
    # Not daemons: what was asked is answered before the process ends.
    daemon_threads = False
    request_queue_size = 128


server = Server(("", 8080), Notes)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
