"""The application without a network between, and a server of its own process."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason='the extra web is missing: pip install "unshine[web]"')
pytest.importorskip("httpx", reason='the extra dev is missing: pip install "unshine[dev]"')
sys.path.insert(0, str(Path(__file__).parent))

from serving import Process, start
from starlette.testclient import TestClient

from unshine.remover import Remover
from unshine.web.app import Limits, create_app
from unshine.web.jobs import Threads
from unshine.web.work import Worker


@pytest.fixture(scope="session")
def remover() -> Remover:
    return Remover()


@pytest.fixture(scope="session")
def client(remover: Remover) -> Iterator[TestClient]:
    app = create_app(
        Threads(Worker(remover, max_pixels=2_000_000), 2), Limits(upload=2**22, pixels=2_000_000)
    )
    with TestClient(app, base_url="http://localhost") as client:
        yield client


@pytest.fixture(scope="session")
def served() -> Iterator[Process]:
    process = start("--queue", "40")
    yield process
    process.terminate()
