"""Load on `unshine serve`: many clients, flat memory, a full queue, SIGTERM in the middle.

    python benchmarks/serving.py load --requests 200 --clients 16
    python benchmarks/serving.py memory --requests 1000 --clients 4
    python benchmarks/serving.py full
    python benchmarks/serving.py stop --requests 40 --clients 16
    python benchmarks/serving.py page

Each starts a server of its own, prints its figures and puts them into `serving.csv` in place of
those it had there; `page` times the page in Chromium.
"""

import argparse
import asyncio
import csv
import io
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image
from publish import HERE, MACHINE, publish


def photo(megapixels: float, seed: int) -> bytes:
    """A shaded, grainy JPEG with clipped spots."""
    width = round((1.5 * megapixels * 1e6) ** 0.5)
    height = round(width / 1.5)
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / width
    light = (0.35 + 0.3 * x + 0.1 * np.sin(40 * y))[..., None] * rng.uniform(0.3, 0.9, 3)
    for _ in range(12):
        cy, cx = rng.uniform(0, 0.66), rng.uniform()
        light += np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 0.0008)[..., None]
    light += rng.normal(0, 0.01, light.shape)
    out = io.BytesIO()
    Image.fromarray((light.clip(0, 1) * 255).astype(np.uint8)).save(out, "JPEG", quality=92)
    return out.getvalue()


class Server:
    """`unshine serve` on a free port."""

    def __init__(self, *options: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "unshine", "serve", "--port", str(port), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self.url = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                httpx.get(f"{self.url}/healthz")
                return
            except httpx.TransportError:
                time.sleep(0.1)
        raise SystemExit("the server does not answer")

    def memory(self) -> float:
        """Resident megabytes."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def stop(self) -> int:
        """End it as a service manager would; return its status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(200)


async def flood(
    server: Server, requests: int, clients: int, bodies: list[bytes], after: Any = None
) -> tuple[list[tuple[int, float, bytes]], list[float]]:
    """Send requests from several clients; return status, seconds and body of each, and memory."""
    answers: list[tuple[int, float, bytes]] = []
    memory: list[float] = []
    numbers = iter(range(requests))
    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(timeout=600, limits=limits) as client:

        async def one() -> None:
            for number in numbers:
                start = time.perf_counter()
                try:
                    body = bodies[number % len(bodies)]
                    answer = await client.post(f"{server.url}/v1/remove", content=body)
                    content = await answer.aread()
                    answers.append((answer.status_code, time.perf_counter() - start, content))
                except httpx.ConnectError:
                    answers.append((-1, 0, b""))  # refused
                except httpx.TransportError as error:
                    answers.append((-2, 0, repr(error).encode()))  # cut
                if server.process.poll() is None:
                    memory.append(server.memory())
                if after is not None:
                    after(len(answers))

        await asyncio.gather(*(one() for _ in range(clients)))
    return answers, memory


def right(answers: list[tuple[int, float, bytes]], bodies: list[bytes]) -> int:
    """How many answers are the very bytes that one request alone gets."""
    server = Server()
    expected = {
        httpx.post(f"{server.url}/v1/remove", content=body, timeout=600).content for body in bodies
    }
    server.stop()
    return sum(content in expected for status, _, content in answers if status == 200)


def load(options: argparse.Namespace) -> dict[str, Any]:
    """All requests are answered, rightly; how long they take."""
    bodies = [photo(options.megapixels, seed) for seed in range(4)]
    server = Server("--queue", str(options.clients))
    alone = []
    for body in [*bodies, *bodies]:
        start = time.perf_counter()
        httpx.post(f"{server.url}/v1/remove", content=body, timeout=600)
        alone.append(time.perf_counter() - start)
    start = time.perf_counter()
    answers, memory = asyncio.run(flood(server, options.requests, options.clients, bodies))
    total = time.perf_counter() - start
    server.stop()
    seconds = sorted(seconds for _, seconds, _ in answers)
    return {
        "answered": sum(status == 200 for status, _, _ in answers),
        "right": right(answers, bodies),
        "alone_s": round(statistics.median(alone[4:]), 3),
        "p50_s": round(seconds[len(seconds) // 2], 3),
        "p95_s": round(seconds[int(0.95 * (len(seconds) - 1))], 3),
        "clients_x_alone_s": round(options.clients * statistics.median(alone[4:]), 3),
        "per_second": round(len(answers) / total, 2),
        "peak_mb": round(max(memory)),
    }


def memory(options: argparse.Namespace) -> dict[str, Any]:
    """Resident memory over many requests: the second tenth against the last."""
    bodies = [photo(options.megapixels, seed) for seed in range(4)]
    # Memory needs no quiet machine, only patience.
    server = Server("--queue", str(options.clients), "--timeout", "600")
    answers, values = asyncio.run(flood(server, options.requests, options.clients, bodies))
    server.stop()
    tenth = max(1, len(values) // 10)
    early, late = statistics.median(values[tenth : 2 * tenth]), statistics.median(values[-tenth:])
    return {
        "answered": sum(status == 200 for status, _, _ in answers),
        "early_mb": round(early),
        "late_mb": round(late),
        "growth": round(late / early - 1, 4),
    }


def full(options: argparse.Namespace) -> dict[str, Any]:
    """A queue of two, and more clients than that: 200 and 429 only."""
    bodies = [photo(options.megapixels, 0)]
    server = Server("--queue", "2")
    answers, _ = asyncio.run(flood(server, options.requests, options.clients, bodies))
    server.stop()
    counts = Counter(status for status, _, _ in answers)
    return {f"status_{status}": count for status, count in sorted(counts.items())}


def stop(options: argparse.Namespace) -> dict[str, Any]:
    """SIGTERM under load: every request is finished or refused, none is cut."""
    bodies = [photo(options.megapixels, seed) for seed in range(4)]
    server = Server("--queue", str(options.clients))

    def after(count: int) -> None:
        if count == options.requests // 4:
            server.process.send_signal(signal.SIGTERM)

    answers, _ = asyncio.run(flood(server, options.requests, options.clients, bodies, after))
    status = server.process.wait(200)
    whole = right(answers, bodies)
    return {
        "finished": sum(status == 200 for status, _, _ in answers),
        "whole": whole,
        "refused": sum(status == -1 for status, _, _ in answers),
        "cut": sum(status == -2 for status, _, _ in answers),
        "exit": status,
    }


def page(options: argparse.Namespace) -> dict[str, Any]:
    """In Chromium: until the image is there, and what a change of strength or a stroke takes."""
    import tempfile

    from selenium import webdriver
    from selenium.webdriver.common.by import By

    flags = [
        "--headless=new", "--no-sandbox", "--disable-background-networking", "--disable-sync",
        "--disable-component-update", "--no-first-run", "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader", "--window-size=1280,800",
    ]  # fmt: skip
    browser = webdriver.ChromeOptions()
    browser.binary_location = "/usr/bin/chromium"
    for flag in flags:
        browser.add_argument(flag)
    server = Server()
    driver = webdriver.Chrome(browser, webdriver.ChromeService("/usr/bin/chromedriver"))
    frame = """
        const [done, input] = [arguments[arguments.length - 1], arguments[0]];
        const gl = document.getElementById("canvas").getContext("webgl2");
        const start = performance.now();
        %s
        // The page's own drawing is asked for already, and to read a pixel waits for its end.
        requestAnimationFrame(() => {
          gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
          done(performance.now() - start);
        });
    """
    strength = """
        const slider = document.getElementById("strength");
        slider.value = 100 * Math.random(); slider.dispatchEvent(new Event("input"));
    """
    stroke = """
        const canvas = document.getElementById("canvas"), box = canvas.getBoundingClientRect();
        canvas.setPointerCapture = () => {};
        const at = (kind, x, y) => canvas.dispatchEvent(new PointerEvent(kind, {
          pointerId: 1, clientX: box.left + x, clientY: box.top + y, button: 0, bubbles: true }));
        at("pointerdown", 200, 200);
        for (let i = 0; i < 30; i++) at("pointermove", 200 + 10 * i, 200 + 5 * i);
        at("pointerup", 500, 350);
    """
    try:
        with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
            file.write(photo(options.megapixels, 0))
            file.flush()
            driver.get(server.url)
            start = time.perf_counter()
            driver.find_element(By.ID, "files").send_keys(file.name)
            while not driver.find_element(By.ID, "divider").is_displayed():
                time.sleep(0.01)
            driver.execute_async_script(frame % "")  # until it is drawn
            first = time.perf_counter() - start
        strengths = [driver.execute_async_script(frame % strength) for _ in range(20)]
        tip = driver.find_element(By.CSS_SELECTOR, "[name=tip][value=take]")
        driver.execute_script("arguments[0].click()", tip)
        strokes = [driver.execute_async_script(frame % stroke) for _ in range(10)]
    finally:
        driver.quit()
        server.stop()
    return {
        "first_s": round(first, 2),
        "strength_ms": round(statistics.median(strengths)),
        "strength_max_ms": round(max(strengths)),
        "stroke_ms": round(statistics.median(strokes)),
        "stroke_max_ms": round(max(strokes)),
    }


def main() -> None:
    """Run one of the measurements and print its line of CSV."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["load", "memory", "full", "stop", "page"])
    parser.add_argument("--requests", type=int, default=40)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--megapixels", type=float, default=1)
    options = parser.parse_args()
    measure = {"load": load, "memory": memory, "full": full, "stop": stop, "page": page}
    page_only = options.what == "page"
    what = {
        "what": options.what,
        "megapixels": f"{options.megapixels:g}",
        "requests": "" if page_only else str(options.requests),
        "clients": "" if page_only else str(options.clients),
    }
    found = measure[options.what](options)
    path = HERE / "serving.csv"
    others = list(csv.DictReader(path.open(newline=""))) if path.exists() else []
    rows = [row for row in others if row["what"] != options.what]
    rows += [
        what | {"figure": name, "value": str(value)} | MACHINE for name, value in found.items()
    ]
    publish(rows, path.name)


if __name__ == "__main__":
    main()
