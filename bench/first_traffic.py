"""Prints the milliseconds from the first 200 of a slot until traffic reaches it through nginx.

first_traffic.py SLOT_PORT SITE_PORT HOST RELEASE    RELEASE: what the site serves before
"""

import http.client
import sys
import time

LOOK = 0.003  # seconds between two looks
# A connection that begins while docker still makes the container's network may hang for a second.
PATIENCE = 0.25
DEADLINE = time.monotonic() + 120


def answer(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/health", headers={"Host": host})
        response = connection.getresponse()
        body = response.read().decode()
        return body if response.status == 200 else ""
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


def first(port, wanted):
    while time.monotonic() < DEADLINE:
        if wanted(answer(port)):
            return time.monotonic()
        time.sleep(LOOK)
    sys.exit(f"what was watched for did not come at port {port}")


slot, site, host, before = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
ready = first(slot, lambda body: body)
traffic = first(site, lambda body: body and before not in body)
print((traffic - ready) * 1000)
