"""What goes wrong, as the API says it: application/problem+json (RFC 9457)."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from engine.errors import UsageError, VigilError
from engine.scorer import Scorer

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
MOST_ERRORS = 20


class WrongField(BaseModel):
    """One thing that is wrong with a request, and where."""

    field: str
    message: str


class ProblemBody(BaseModel):
    """RFC 9457, with what is wrong with each field of a request."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[WrongField] = Field(default_factory=list)


DESCRIBED: dict[int | str, dict[str, Any]] = {"default": {"model": ProblemBody, "description": "A problem"}}


class Problem(Exception):
    """Ends a request with this answer."""

    def __init__(self, status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


def no_words(scorer: Scorer) -> Problem:
    """For who has a wording, but a scorer that would not understand it."""
    name = scorer.info.scorer
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, f"the scorer {name} does not understand words: use internvl2 or openai"
    )


def answer(
    status: int, detail: str, headers: Mapping[str, str] | None = None, errors: list[WrongField] | None = None
) -> JSONResponse:
    try:
        title = HTTPStatus(status).phrase
    except ValueError:
        title = "Problem"
    body = ProblemBody(title=title, status=status, detail=detail, errors=errors or [])
    return JSONResponse(body.model_dump(), status, headers, MEDIA_TYPE)


def handle_problems(app: FastAPI) -> None:
    """Have everything that is raised become such an answer."""

    @app.exception_handler(Problem)
    async def _problem(_request: Request, problem: Problem) -> JSONResponse:
        return answer(problem.status, problem.detail, problem.headers)

    @app.exception_handler(HTTPException)
    async def _http(_request: Request, error: HTTPException) -> JSONResponse:
        return answer(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def _wrong(_request: Request, error: RequestValidationError) -> JSONResponse:
        errors = [
            WrongField(field=".".join(map(str, each["loc"])), message=str(each["msg"]).removeprefix("Value error, "))
            for each in error.errors()[:MOST_ERRORS]
        ]
        detail = "; ".join(f"{each.field}: {each.message}" for each in errors)
        return answer(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=errors)

    @app.exception_handler(UsageError)
    async def _usage(_request: Request, error: UsageError) -> JSONResponse:
        return answer(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))

    @app.exception_handler(VigilError)
    async def _fault(_request: Request, error: VigilError) -> JSONResponse:
        return answer(HTTPStatus.SERVICE_UNAVAILABLE, str(error), {"Retry-After": "5"})

    @app.exception_handler(sqlite3.Error)
    async def _disk(_request: Request, error: sqlite3.Error) -> JSONResponse:
        log.error("the console's database fails: %s", error)
        return answer(HTTPStatus.SERVICE_UNAVAILABLE, f"the console's database: {error}", {"Retry-After": "5"})

    @app.exception_handler(Exception)
    async def _bug(request: Request, error: Exception) -> JSONResponse:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return answer(HTTPStatus.INTERNAL_SERVER_ERROR, "a fault of Vigil's: its log says more")
