"""Runs the application with uvicorn: bounded connections, and a shutdown that cuts nothing off."""

import asyncio
import socket
import webbrowser
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from unshine.errors import UnshineError
from unshine.web.guards import Guards, is_address, is_loopback

CONNECTIONS = 512
"""Connections at a time; further ones are closed at once."""
HEAD_SECONDS = 10
"""How long a client may take for a request's head."""
DOWNLOAD_SECONDS = 300
"""How long a client may take to fetch an answer."""


class Connection(H11Protocol):
    """uvicorn's connection, which by itself would wait for a slow client for ever."""

    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Close what exceeds the number of connections; start to wait for a request."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            transport.abort()
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Go on waiting for the head, or stop, since it is complete."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Give the client a limited time to fetch what is left of the answer."""
        super().on_response_complete()
        if self.transport.get_write_buffer_size():
            self.loop.call_later(DOWNLOAD_SECONDS, self._abort_unfetched)

    def _watch(self) -> None:
        waiting = self.cycle is None or self.cycle.response_complete
        if waiting and self._head is None:
            self._head = self.loop.call_later(HEAD_SECONDS, self._close_if_waiting)
        elif not waiting and self._head is not None:
            self._head.cancel()
            self._head = None

    def _close_if_waiting(self) -> None:
        self._head = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    def _abort_unfetched(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()


class Server(uvicorn.Server):
    """uvicorn's server, which says where it is and that it is about to end."""

    def __init__(self, config: uvicorn.Config, app: Guards, address: str, browse: bool) -> None:
        super().__init__(config)
        self.application, self.address, self.browse = app, address, browse

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        print(f"Unshine is at {self.address} (Ctrl-C stops it).", flush=True)  # noqa: T201
        if self.browse:
            asyncio.get_running_loop().run_in_executor(None, webbrowser.open, self.address)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Turn `/readyz` before the listening socket closes."""
        self.application.state.draining = True
        super().handle_exit(sig, frame)


@dataclass(frozen=True)
class Place:
    """Where the server listens."""

    host: str = "127.0.0.1"
    port: int = 8765


def listen(place: Place, token: str | None) -> socket.socket:
    """Bind to an address.

    Raises
    ------
    UnshineError
        If the address is public and there is no token, or it is not to be had.
    """
    if not is_loopback(place.host) and not token:
        raise UnshineError(
            f"{place.host} can be reached from other machines; set a token to serve there, or"
            " serve on 127.0.0.1."
        )
    try:
        family = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((place.host, place.port))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UnshineError(
            f"{place.host} port {place.port} cannot be used ({reason}); choose another port."
        ) from None
    return listening


def serve(app: Guards, listening: socket.socket, browse: bool, patience: float) -> None:
    """Serve until a signal comes, then finish what has begun.

    Parameters
    ----------
    app : Guards
        What `create_app` made.
    listening : socket
        What `listen` bound.
    browse : bool
        Whether to open the page in a browser.
    patience : float
        Seconds that may pass from the signal until what is not finished is cut off.
    """
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if is_address(host) and ":" in host else host
    if host in ("0.0.0.0", "::"):
        shown = socket.gethostname()
    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan="on",
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=int(patience),
        h11_max_incomplete_event_size=32 * 1024,
    )
    Server(config, app, f"http://{shown}:{port}/", browse).run([listening])
