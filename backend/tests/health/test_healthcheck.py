import socket
from urllib.parse import urlsplit

import pytest

import healthcheck
from processes import Answer, HealthServer


@pytest.mark.parametrize(("status", "code"), [(200, 0), (302, 1), (500, 1), (503, 1)])
def test_only_200_is_well(status, code):
    with HealthServer(Answer(status=status)) as server:
        assert healthcheck.main(urlsplit(server.url).port) == code


def test_nobody_listening_is_not_well(capsys):
    with socket.socket() as bound_but_not_listening:
        bound_but_not_listening.bind(("127.0.0.1", 0))
        assert healthcheck.main(bound_but_not_listening.getsockname()[1]) == 1
    assert "no answer" in capsys.readouterr().out
