"""The server as a process: bad clients, signals, and addresses it does not bind to."""

import socket
import subprocess
import sys
import threading
import time

import httpx
import numpy as np
import pytest
from serving import file, image, slug, start

LARGE = file(image(700, 1000))


def connect(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def head(length: int) -> bytes:
    return (
        f"POST /v1/remove HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode()
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_public_address_without_a_token_is_refused(host):
    command = [sys.executable, "-m", "unshine", "serve", "--host", host, "--port", "0"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 1
    assert "token" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_port_that_is_taken_is_named_in_one_sentence(served):
    port = served.url.rpartition(":")[2]
    command = [sys.executable, "-m", "unshine", "serve", "--port", port]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert port in result.stderr


def test_bad_clients_are_bounded_and_others_are_served_meanwhile(served):
    """Slow heads, slow bodies, clients that hang up, bodies that are too long."""
    slow_head = connect(served.url)
    slow_head.sendall(b"POST /v1/remove HTTP/1.1\r\nHost: local")
    slow_body = connect(served.url)
    slow_body.sendall(head(10_000) + b"\x89PNG")
    for _ in range(5):
        with connect(served.url) as gone:
            gone.sendall(head(len(LARGE)) + LARGE[: len(LARGE) // 2])
    for _ in range(5):
        with connect(served.url) as gone:
            gone.sendall(head(len(LARGE)) + LARGE)
    with connect(served.url) as long:
        long.sendall(head(2**40) + b"x")
        assert b"413" in long.recv(4096).partition(b"\r\n")[0]
    for seed in range(3):
        body = file(image(seed=seed))
        assert httpx.post(f"{served.url}/v1/remove", content=body, timeout=60).status_code == 200
    # Both slow ones are sent away by the server, within its limits.
    assert slow_head.recv(4096) == b""
    assert b"408" in slow_body.recv(4096).partition(b"\r\n")[0]
    for stuck in (slow_head, slow_body):
        stuck.close()
    deadline = time.monotonic() + 60
    while "unshine_running 0.0" not in httpx.get(f"{served.url}/metrics").text:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert "unshine_upload_bytes 0.0" in httpx.get(f"{served.url}/metrics").text


def test_a_bomb_is_refused_without_being_unpacked(served):
    bomb = file(np.zeros((12_000, 12_000), np.uint8))
    assert len(bomb) < 2**20
    response = httpx.post(f"{served.url}/v1/remove", content=bomb, timeout=60)
    assert slug(response) == "too-large"


def test_a_full_queue_answers_429_and_nothing_else():
    process = start("--queue", "1")
    statuses = []

    def ask() -> None:
        response = httpx.post(f"{process.url}/v1/remove", content=LARGE, timeout=120)
        statuses.append(response.status_code)
        if response.status_code == 429:
            assert slug(response) == "queue-full"
            assert int(response.headers["retry-after"]) >= 1

    try:
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(statuses) == 8
        assert set(statuses) <= {200, 429}
        assert statuses.count(200) >= 1
    finally:
        process.terminate()


def test_sigterm_finishes_what_has_begun():
    process, body = start(), file(image(1500, 2000))
    answers = []

    def ask() -> None:
        answers.append(httpx.post(f"{process.url}/v1/remove", content=body, timeout=120))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 60
    while "unshine_waiting 3.0" not in httpx.get(f"{process.url}/metrics").text and not answers:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.terminate()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [200] * 4
    assert len({answer.content for answer in answers}) == 1
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{process.url}/healthz")


@pytest.mark.slow
def test_a_ray_cluster_gives_the_same_bytes(served):
    pytest.importorskip("ray.serve", reason='pip install "unshine[cluster]"')
    process = start("--ray", "local")
    try:
        for seed in range(2):
            body = file(image(seed=seed))
            alone, far = (
                httpx.post(f"{url}/v1/remove", content=body, timeout=120)
                for url in (served.url, process.url)
            )
            assert far.status_code == 200
            assert far.content == alone.content
        broken = httpx.post(f"{process.url}/v1/remove", content=b"?", timeout=120)
        assert slug(broken) == "unsupported"
    finally:
        process.terminate()
