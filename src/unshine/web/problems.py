"""What HTTP clients are told when something fails: problem details (RFC 9457), stable slugs."""

from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class ProblemKind:
    """A kind of problem: its HTTP status and the words that stay the same each time."""

    status: int
    title: str


KINDS = {
    "bad-request": ProblemKind(400, "The request cannot be understood"),
    "unauthorized": ProblemKind(401, "A token is needed"),
    "other-origin": ProblemKind(403, "Pages of other sites may not use this server"),
    "not-found": ProblemKind(404, "There is nothing at this address"),
    "method-not-allowed": ProblemKind(405, "This address knows other methods"),
    "too-slow": ProblemKind(408, "The upload took too long"),
    "too-large": ProblemKind(413, "The image is too large"),
    "unsupported": ProblemKind(415, "This kind of file is not supported"),
    "wrong-host": ProblemKind(421, "This server has another name"),
    "broken-image": ProblemKind(422, "The image cannot be read"),
    "invalid-parameter": ProblemKind(422, "A parameter is not valid"),
    "mask-mismatch": ProblemKind(422, "The mask does not fit the image"),
    "queue-full": ProblemKind(429, "Too many requests are waiting"),
    "internal": ProblemKind(500, "Something went wrong here"),
    "shutting-down": ProblemKind(503, "The server is shutting down"),
    "timeout": ProblemKind(504, "The work took too long"),
}
"""All problems that there are, by their slugs."""


class Problem(Exception):
    """A request that ends with a problem document instead of an answer.

    Parameters
    ----------
    slug : str
        One of `KINDS`.
    detail : str
        What is wrong with this very request, and what to do about it.
    headers : dict of str to str, optional
        Further headers of the answer, such as ``Retry-After``.
    """

    def __init__(self, slug: str, detail: str, headers: dict[str, str] | None = None) -> None:
        # All of it goes to Exception, so that a problem can come back from another process.
        super().__init__(slug, detail, headers)
        self.slug, self.detail, self.headers = slug, detail, headers

    def response(self) -> JSONResponse:
        """Return the problem document."""
        kind = KINDS[self.slug]
        document = {
            "type": f"urn:unshine:problem:{self.slug}",
            "title": kind.title,
            "status": kind.status,
            "detail": self.detail,
        }
        return JSONResponse(document, kind.status, self.headers, media_type=MEDIA_TYPE)


SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "What is wrong, and what to do about it (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "enum": [f"urn:unshine:problem:{slug}" for slug in KINDS]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}


def responses(*slugs: str) -> dict[int | str, dict[str, Any]]:
    """Describe problems for OpenAPI, by status."""
    described: dict[int | str, dict[str, Any]] = {}
    for slug in slugs:
        kind = KINDS[slug]
        known = described.get(kind.status, {}).get("description")
        words = f"{known}; {slug}" if known else slug
        described[kind.status] = {"description": words, "content": {MEDIA_TYPE: {"schema": SCHEMA}}}
    return described


def install(app: FastAPI) -> None:
    """Answer every error of an application with a problem document."""

    @app.exception_handler(Problem)
    async def problem(request: Request, error: Problem) -> JSONResponse:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return Problem("invalid-parameter", in_words(error.errors())).response()

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        slug = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "bad-request")
        details = {
            "not-found": "The API is described in /openapi.json.",
            "method-not-allowed": f"{request.method} is not for this address.",
        }
        words = details.get(slug, str(error.detail))
        return Problem(slug, words, dict(error.headers or {})).response()

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> JSONResponse:
        return Problem("internal", "This is a fault of the server; its log says more.").response()


def in_words(errors: Any) -> str:
    """Say in a sentence what pydantic found wrong with parameters."""
    faults = []
    for error in errors:
        name = ".".join(str(part) for part in error["loc"] if part not in ("query", "body"))
        faults.append(f"{name}: {error['msg']}")
    return "; ".join(faults) + "."
