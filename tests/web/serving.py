"""Images to send, a server that really listens, and how to read what it answers."""

import io
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass

import httpx
import numpy as np
from PIL import Image


def image(height: int = 60, width: int = 90, seed: int = 0) -> np.ndarray:
    """A shaded, coloured surface with a few clipped spots on it."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(height, width)
    shade = 0.35 + 0.3 * x + 0.1 * np.sin(9 * y)
    colours = shade[..., None] * rng.uniform(0.3, 0.9, 3)
    for _ in range(4):
        cy, cx = rng.uniform(0.2, 0.8, 2) * (height, width) / max(height, width)
        colours += np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 0.002)[..., None]
    return np.rint(colours.clip(0, 1) * 255).astype(np.uint8)


def file(pixels: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


def pixels(body: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(body)) as opened:
        return np.asarray(opened)


def slug(response: httpx.Response) -> str:
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["title"] and problem["detail"]
    return problem["type"].removeprefix("urn:unshine:problem:")


@dataclass
class Process:
    url: str
    popen: subprocess.Popen

    def terminate(self) -> int:
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(180)


def start(*options: str) -> Process:
    """Run `unshine serve` on a free port; return when it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    popen = subprocess.Popen(
        [sys.executable, "-m", "unshine", "serve", "--port", str(port), *options],
        env=os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"},
    )
    process = Process(f"http://127.0.0.1:{port}", popen)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{process.url}/healthz", timeout=5)
        except httpx.TransportError:
            assert popen.poll() is None, "the server has ended"
            time.sleep(0.1)
        else:
            return process
    popen.kill()
    raise AssertionError("the server does not answer")
