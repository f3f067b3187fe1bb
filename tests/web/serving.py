"""Images to send, a server that really listens, and how to read what it answers."""

import io
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
from PIL import Image, ImageFilter

COFFEE = Path(__file__).parents[2] / "examples" / "coffee.png"
SMOOTH = ImageFilter.GaussianBlur(1.2)
"""So that the JPEG planes of a preview are close to the image."""


def image(height: int = 60, width: int = 90, seed: int = 0) -> np.ndarray:
    """A part of a photograph with highlights; one seed is another's mirror image."""
    with Image.open(COFFEE) as photograph:
        enough = max(1, -(-height // photograph.height), -(-width // photograph.width))
        size = (enough * photograph.width, enough * photograph.height)
        values = np.asarray(photograph.convert("RGB").resize(size).filter(SMOOTH))
    # Around the spoon's highlight.
    top = min(enough * 258 - height // 2, values.shape[0] - height)
    left = min(enough * 345 - width // 2, values.shape[1] - width)
    part = values[top : top + height, left : left + width]
    return np.ascontiguousarray(part[:, :: -1 if seed % 2 else 1])


def visor() -> np.ndarray:
    """A part of the astronaut's portrait, 300×400: highlights of which the network is certain."""
    with Image.open(COFFEE.with_name("astronaut.png")) as photograph:
        return np.asarray(photograph.convert("RGB").filter(SMOOTH).crop((112, 212, 512, 512)))


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
