# Asks a page again and again as many clients, each with an address of its own, until standard input ends; then prints how many of each status there were.
# Arguments: port, name, path, requests a second.
import collections
import http.client
import sys
import threading
import time

port, host, path, rate = int(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4])
CLIENTS, THREADS = 200, 8
ended = threading.Event()
counts = collections.Counter()
lock = threading.Lock()


def ask(first):
    number = first
    begun = time.monotonic()
    sent = 0
    while not ended.is_set():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10, source_address=(f"127.0.1.{number % CLIENTS + 1}", 0))
        try:
            connection.request("GET", path, headers={"Host": host})
            status = str(connection.getresponse().status)
        except OSError as error:
            status = type(error).__name__
        connection.close()
        with lock:
            counts[status] += 1
        number += THREADS
        sent += 1
        time.sleep(max(0, begun + sent * THREADS / rate - time.monotonic()))


threads = [threading.Thread(target=ask, args=(number,)) for number in range(THREADS)]
for thread in threads:
    thread.start()
sys.stdin.read()
ended.set()
for thread in threads:
    thread.join()
print(" ".join(f"{status}:{count}" for status, count in sorted(counts.items())))
