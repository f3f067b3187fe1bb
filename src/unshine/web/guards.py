"""The checks that every request must pass, and the security headers that every answer carries.

A server on one's own machine can be reached by every page that the browser shows. Pages of other
sites are told apart by their `Origin`; a name of theirs that they point at this machine (DNS
rebinding) by the `Host`.
"""

import ipaddress
import secrets
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders, State
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unshine.web.problems import Problem

HEADERS = {
    "Content-Security-Policy": "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}

BEHIND_TOKEN = ("/v1", "/metrics")
"""What needs the token; the page's own files, health checks and the API's description do not."""


class Guards:
    """Checks host, origin and token; adds the security headers. ASGI middleware.

    Parameters
    ----------
    app : ASGI application
        Who answers what passes.
    state
        The application's own state, for whoever runs it.
    hosts : collection of str
        Names, beside localhost and this machine's, by which it may be called.
    token : str, optional
        What ``Authorization: Bearer`` must carry for everything below ``/v1`` and ``/metrics``.
    """

    def __init__(
        self, app: ASGIApp, state: State, hosts: Collection[str] = (), token: str | None = None
    ) -> None:
        self.app, self.state, self.token = app, state, token
        self.hosts = {"localhost", socket.gethostname().lower(), *(host.lower() for host in hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a problem what may not pass; hand on everything else."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                private = scope["path"].startswith(BEHIND_TOKEN)
                headers.setdefault("Cache-Control", "no-store" if private else "no-cache")
            await send(message)

        try:
            self._check(scope["path"], Headers(scope=scope))
        except Problem as problem:
            await problem.response()(scope, receive, with_headers)
            return
        await self.app(scope, receive, with_headers)

    def _check(self, path: str, headers: Headers) -> None:
        host = headers.get("host", "")
        if not self._ours(host):
            raise Problem(
                "wrong-host",
                "This server does not go by that name; start it with the name as an allowed host.",
            )
        origin = headers.get("origin")
        site = headers.get("sec-fetch-site", "none")
        strange = origin is not None and urlsplit(origin).netloc.lower() != host.lower()
        # A link to the page may be followed from anywhere; nothing may be fetched by its script.
        embedded = site in ("cross-site", "same-site") and (
            headers.get("sec-fetch-mode") != "navigate"
        )
        if strange or embedded:
            raise Problem("other-origin", "Call the API from this page or from no page at all.")
        if self.token is not None and path.startswith(BEHIND_TOKEN):
            scheme, _, given = headers.get("authorization", "").partition(" ")
            right = secrets.compare_digest(given.strip().encode(), self.token.encode())
            if scheme.lower() != "bearer" or not right:
                raise Problem(
                    "unauthorized",
                    "Send the server's token as Authorization: Bearer.",
                    {"WWW-Authenticate": 'Bearer realm="unshine"'},
                )

    def _ours(self, host: str) -> bool:
        """Say if a Host header can only have come from someone who means this server."""
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        return name is not None and (name in self.hosts or is_address(name))


def is_address(name: str) -> bool:
    """Say if a host is given as an IP address, which no foreign name can stand for."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Say if an address to bind to can be reached from this machine alone."""
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)
