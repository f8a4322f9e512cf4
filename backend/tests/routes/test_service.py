import time

import pytest
from starlette.websockets import WebSocketDisconnect


def test_slow_answers_after_the_time_asked_for(client):
    started = time.monotonic()
    response = client.get("/slow", params={"s": 0.2})
    assert time.monotonic() - started >= 0.2
    assert response.json() == {"slept": 0.2, "release": "20260131-174502-1a2b3c4"}


@pytest.mark.parametrize("seconds", ["-1", "60.5", "nan", "inf", "long"])
def test_slow_is_bounded(client, seconds):
    assert client.get("/slow", params={"s": seconds}).status_code == 422


def test_websocket_names_the_release_and_then_echoes(client):
    with client.websocket_connect("/ws/echo") as websocket:
        assert dict(websocket.extra_headers)[b"x-release"] == b"20260131-174502-1a2b3c4"
        assert websocket.receive_json() == {"release": "20260131-174502-1a2b3c4"}
        for text in ("hello", "", "Привет"):
            websocket.send_text(text)
            assert websocket.receive_text() == text


def test_websocket_is_not_offered_elsewhere(client):
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/ws/elsewhere"):
        pass


def test_counter_counts(client):
    assert client.get("/api/v1/counter").json() == {"count": 0}
    assert [client.post("/api/v1/counter").json()["count"] for _ in range(3)] == [1, 2, 3]
    assert client.get("/api/v1/counter").json() == {"count": 3}


def test_says_so_where_the_store_is_away_and_names_no_host(client, store, caplog):
    store.away = True
    response = client.post("/api/v1/counter")
    assert response.status_code == 503
    assert "try again" in response.json()["detail"]
    assert "redis.internal" not in response.text
    assert "redis.internal" in caplog.text
