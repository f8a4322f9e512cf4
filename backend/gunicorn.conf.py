"""How gunicorn serves the API. It reads this file by itself, from the folder it starts in."""

import os

bind = "0.0.0.0:8000"
worker_class = "uvicorn_worker.UvicornWorker"
workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
# One import for all workers: with a cold cache that is most of the time until the first answer.
preload_app = True

# A deploy stops this process while the last requests run; they get 35 s. Compose kills after 40.
graceful_timeout = 35
timeout = 30
# Longer than the 60 s for which nginx keeps an idle connection: this side must not close one nginx is about to use.
keepalive = 75

# The heartbeat file, kept off the disk: a busy disk must not look like a worker that hangs.
worker_tmp_dir = "/dev/shm"
# A socket for managing gunicorn at run time. Nobody does, and the release's folder is not writable.
control_socket_disable = True

accesslog = "-" if os.environ.get("ACCESS_LOG") == "true" else None
