import os
import signal
import sys

import redis

from packages.money.amounts import text

queue = redis.from_url(os.environ["QUEUE"])
ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
while not ended:
    waiting = queue.brpop("mails", timeout=1)
    if waiting:
        print("mailed", text(int(waiting[1]), "EUR"))
        queue.incr("mailed")
sys.exit(0)
