import time
import urllib.request

while True:
    with urllib.request.urlopen("http://desk:8088/state", timeout=5) as answer:
        answer.read()
    time.sleep(1)
