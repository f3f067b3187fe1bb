"""Reads what a client sends, within limits of size and time, and keeps it in memory alone."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from unshine.web.jobs import Abandoned
from unshine.web.problems import Problem

MASK_BYTES = 64 * 2**20
FIELD_BYTES = 4096


@dataclass
class Upload:
    """What a request brought."""

    file: bytes
    """The image's file."""
    mask: bytes | None = None
    """The mask's file."""
    fields: dict[str, str] = field(default_factory=dict)
    """The form's other fields."""


class Uploads:
    """Reads uploads; knows how many bytes all of them hold together.

    Parameters
    ----------
    most : int
        Bytes that one request may bring.
    together : int
        Bytes that all requests under way may hold.
    idle : float
        Seconds that may pass without a byte.
    slowest : float
        Bytes per second that must come on average, once `idle` seconds have passed.
    """

    def __init__(self, most: int, together: int, idle: float = 10, slowest: float = 20_000) -> None:
        self.most, self.together, self.idle, self.slowest = most, together, idle, slowest
        self.held = 0

    async def read(self, request: Request) -> Upload:
        """Read a request's body, a form or the bare file.

        The bytes count as held until `release`.

        Raises
        ------
        Problem
            ``too-large``, ``too-slow``, ``queue-full`` or ``bad-request``.
        Abandoned
            If the client has gone.
        """
        declared = request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self.most:
            raise self._too_large()
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "multipart/form-data":
            return await self._form(request)
        chunks = [chunk async for chunk in self._chunks(request)]
        return _with_file(Upload(b"".join(chunks)))

    def release(self, request: Request) -> None:
        """Forget the bytes that a request held."""
        self.held -= getattr(request.state, "held", 0)
        request.state.held = 0

    async def _form(self, request: Request) -> Upload:
        parser = _InMemory(
            request.headers, self._chunks(request), max_files=2, max_fields=10,
            max_part_size=FIELD_BYTES,
        )  # fmt: skip
        try:
            form = await parser.parse()
        except MultiPartException as error:
            raise Problem("bad-request", f"The form cannot be read: {error.message}") from None
        upload = Upload(b"")
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                content = await value.read()
                await value.close()
                if name == "file":
                    upload.file = content
                elif name == "mask":
                    if len(content) > MASK_BYTES:
                        raise self._too_large()
                    upload.mask = content
                else:
                    raise Problem("bad-request", f"There is no file field named {name!r}.")
            else:
                upload.fields[name] = value
        return _with_file(upload)

    async def _chunks(self, request: Request) -> AsyncGenerator[bytes, None]:
        """Yield the body; bounded in bytes, in silence and in slowness."""
        clock = asyncio.get_running_loop().time
        start, size = clock(), 0
        stream = request.stream()
        request.state.held = 0
        while True:
            try:
                async with asyncio.timeout(self.idle):
                    chunk = await anext(stream)
            except StopAsyncIteration:
                return
            except ClientDisconnect:
                raise Abandoned from None
            except TimeoutError:
                raise _too_slow(f"Nothing came for {self.idle:g} s.") from None
            size += len(chunk)
            if size > self.most:
                raise self._too_large()
            if self.held + len(chunk) > self.together:
                raise Problem(
                    "queue-full", "Other uploads take all memory; try again soon.",
                    {"Retry-After": "5"},
                )  # fmt: skip
            self.held += len(chunk)
            request.state.held += len(chunk)
            if size < self.slowest * (clock() - start - self.idle):
                raise _too_slow(f"Less than {self.slowest / 1000:g} kB came per second.")
            if chunk:
                yield chunk

    def _too_large(self) -> Problem:
        return Problem(
            "too-large", f"At most {self.most / 2**20:g} MB are taken.", {"Connection": "close"}
        )


class _InMemory(MultiPartParser):
    """Starlette's parser, which would put larger files into temporary ones on disk."""

    spool_max_size = 2**62


def _with_file(upload: Upload) -> Upload:
    if not upload.file:
        raise Problem(
            "bad-request",
            "There is no image in the request; send it as the body, or as the form's part 'file'.",
        )
    return upload


def _too_slow(detail: str) -> Problem:
    return Problem("too-slow", detail, {"Connection": "close"})
