# Asks a page again and again as many clients, each with an address of its own, until standard input ends; then prints how many of each status there were.
# Arguments: port, name, path, requests a second; where there is one more, a file that gets a line of each request: when it was sent, in seconds since 1970, and
# how many milliseconds its answer took.
import collections
import http.client
import sys
import threading
import time

port, host, path, rate = int(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4])
CLIENTS, THREADS = 200, 8
ended = threading.Event()
counts = collections.Counter()
took = []
lock = threading.Lock()


def ask(first):
    number = first
    begun = time.monotonic()
    sent = 0
    while not ended.is_set():
        # What is sent late, because an earlier answer took long, counts from when it was due.
        due = begun + sent * THREADS / rate
        time.sleep(max(0, due - time.monotonic()))
        at = time.time() - (time.monotonic() - due)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10, source_address=(f"127.0.1.{number % CLIENTS + 1}", 0))
        try:
            connection.request("GET", path, headers={"Host": host})
            response = connection.getresponse()
            response.read()
            status = str(response.status)
        except OSError as error:
            status = type(error).__name__
        connection.close()
        with lock:
            counts[status] += 1
            took.append((at, 1000 * (time.monotonic() - due)))
        number += THREADS
        sent += 1


threads = [threading.Thread(target=ask, args=(number,)) for number in range(THREADS)]
for thread in threads:
    thread.start()
sys.stdin.read()
ended.set()
for thread in threads:
    thread.join()
print(" ".join(f"{status}:{count}" for status, count in sorted(counts.items())))
if len(sys.argv) > 5:
    with open(sys.argv[5], "w") as file:
        file.writelines(f"{at:.6f} {milliseconds:.3f}\n" for at, milliseconds in took)
