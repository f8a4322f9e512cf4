import time
import urllib.request

from cache import ask

while True:
    with urllib.request.urlopen("http://weather:7000/", timeout=5) as answer:
        answer.read()
    ask("INCR", "measured")
    time.sleep(1)
