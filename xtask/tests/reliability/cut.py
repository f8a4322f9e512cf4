"""Stands between the tool and the shell it started on the host, and kills the tool at a point of their talk.

Words: the real program and its arguments. In its own folder it writes `talk` (each script: number, name, seconds it
took) and reads `at`: nothing, or `before NAME` or `while NAME SECONDS`.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time

folder = os.path.dirname(os.path.abspath(sys.argv[0]))
kind, _, rest = open(f"{folder}/at").read().strip().partition(" ")
name, _, seconds = rest.rpartition(" ") if kind == "while" else (rest, "", "0")
names = {1: "inspect the host"}  # the first comes with the command
begun = {}


def kill_tool():
    pid = os.getpid()
    while os.path.basename(os.readlink(f"/proc/{pid}/exe")) != "xtask":
        pid = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
    os.kill(pid, signal.SIGKILL)


def read_exactly(count):
    data = b""
    while len(data) < count:
        part = os.read(0, count - len(data))
        if not part:
            break
        data += part
    return data


def read_line():
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            break
        line += byte
    return line


def pass_requests(to):
    """Each request whole, unless the tool is to die before it."""
    while line := read_line():
        request = re.fullmatch(rb"(run|then) (\d+) (\d+) (\d+) (.+)\n", line)
        data = line
        if request:
            number, title = int(request[2]), request[5].decode()
            names[number] = title
            if kind == "before" and title == name:
                kill_tool()
                time.sleep(0.2)  # nothing more is to arrive
                break
            data += read_exactly(int(request[3]) + int(request[4]))
        elif not line.endswith(b"\n"):
            break
        try:
            to.write(data)
            to.flush()
        except BrokenPipeError:
            break
    try:
        to.close()
    except BrokenPipeError:
        pass


def look(line):
    mark = re.match(rb"deploy-shell\S* (begin|end) (\d+)", line)
    if not mark:
        return
    number = int(mark[2])
    title = names.get(number, "?")
    if mark[1] == b"begin":
        begun[number] = time.monotonic()
        if kind == "while" and title == name:
            time.sleep(float(seconds))
            kill_tool()
    else:
        with open(f"{folder}/talk", "a") as talk:
            talk.write(f"{number}\t{title}\t{time.monotonic() - begun[number]:.3f}\n")


if kind == "before" and name == names[1]:
    kill_tool()
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
threading.Thread(target=pass_requests, args=(child.stdin,), daemon=True).start()
while line := child.stdout.readline():
    look(line)
    try:
        os.write(1, line)
    except BrokenPipeError:
        pass
sys.exit(child.wait())
