"""The web application: the page, its files, and the API with its description. Knows no watch and no thread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from stream.console.compress import Compressed
from stream.console.guard import Guard
from stream.console.problems import DESCRIBED, MEDIA_TYPE, handle_problems
from stream.console.routes import alerts, cameras, definitions, health, pictures, session, stream, whep, whip
from stream.console.services import BEARER, Services

STATIC = Path(__file__).with_name("static")
LARGEST_BODY = 256 << 10
REVALIDATED = {"Cache-Control": "no-cache"}  # asked for again each time, and answered with 304


def make_app(services: Services) -> ASGIApp:
    app = FastAPI(
        title="Vigil",
        version=services.view.version,
        openapi_url="/api/openapi.json",
        docs_url=None,  # they would come from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        max_body_size=LARGEST_BODY,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.services = services
    handle_problems(app)
    api = APIRouter(prefix="/api", responses=DESCRIBED)
    described_by = [] if services.gate.is_open else [Depends(BEARER)]
    for part in (cameras, pictures, alerts, stream, definitions, health):
        api.include_router(part.router, dependencies=described_by)
    api.include_router(session.router)
    app.include_router(api)
    app.include_router(whip.router)
    app.include_router(whep.router)
    static = _Static(directory=STATIC)
    app.mount("/static", static)

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        return await static.get_response("index.html", request.scope)

    @app.get("/publish", include_in_schema=False)
    async def publishing(request: Request) -> Response:
        return await static.get_response("publish.html", request.scope)

    described = app.openapi

    def openapi() -> dict[str, Any]:
        return _with_problems(described())

    app.openapi = openapi  # type: ignore[method-assign]
    console = services.view.config().console
    return Guard(Compressed(app), local_only=services.gate.is_open, proxies=bool(console.trusted_proxies))


class _Static(StaticFiles):
    def file_response(self, *arguments: Any, **options: Any) -> Response:
        response = super().file_response(*arguments, **options)
        response.headers.update(REVALIDATED)
        response.headers["etag"] = f"W/{response.headers['etag']}"  # for the file, however it is compressed
        return response


def _with_problems(description: dict[str, Any]) -> dict[str, Any]:
    """FastAPI takes what a problem is like from us, but not its media type."""
    for path in description["paths"].values():
        for operation in path.values():
            problem = operation["responses"]["default"]
            problem["content"] = {MEDIA_TYPE: next(iter(problem["content"].values()))}
    return description
