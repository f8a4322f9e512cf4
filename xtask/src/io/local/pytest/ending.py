"""Loaded by pytest with `-p`: writes down how many tests were chosen and how many have run, once pytest has come to its end."""

import os

chosen = 0
run = set()


def pytest_collection_finish(session):
    global chosen
    chosen = len(session.items)


def pytest_runtest_logreport(report):
    run.add(report.nodeid)


def pytest_sessionfinish(session):
    # A process that another one has started (xdist) is not the one that tells.
    if hasattr(session.config, "workerinput"):
        return
    asked_to_stop = session.config.getoption("maxfail", 0) or session.config.getoption("collectonly", False)
    # With xdist the tests are chosen in the other processes.
    total = len(run) if asked_to_stop else max(chosen, len(run))
    with open(os.environ["XTASK_PYTEST_ENDING"], "w") as file:
        file.write(f"{total} {len(run)}\n")
