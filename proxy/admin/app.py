"""The routes of the admin server."""

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from proxy.admin.facts import Facts
from proxy.admin.guard import error, make_guard
from proxy.admin.scrape import answer_scrape
from proxy.config.addresses import Address
from proxy.explain import Question
from proxy.message.error import RefusedMessage

#: The largest body of a request to the admin server, bytes.
BODY_BYTES = 65536
_SHAPE = '{"url": ..., "method": ..., "headers": [[name, value], ...], "client": ...}'


class _ExplainRequest(BaseModel):
    """The body of ``POST /api/explain``."""

    model_config = ConfigDict(extra="forbid")

    url: str
    method: str = "GET"
    headers: list[tuple[str, str]] = []
    client: str = "127.0.0.1"


def make_app(facts: Facts, address: Address) -> web.Application:
    """Return the admin application for a listener at ``address``."""
    app = web.Application(middlewares=[make_guard(address, facts.token)], client_max_size=BODY_BYTES)
    routes = _Routes(facts)
    app.router.add_get("/metrics", routes.metrics)
    app.router.add_get("/healthz", routes.healthz)
    app.router.add_get("/readyz", routes.readyz)
    app.router.add_post("/api/explain", routes.explain)
    app.router.add_post("/api/reload", routes.reload)
    return app


class _Routes:
    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        return await answer_scrape(request, await self._facts.scrape())

    async def healthz(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(self, request: web.Request) -> web.Response:
        reason = self._facts.not_ready()
        if reason is None:
            return web.Response(text="ready\n")
        return web.Response(status=503, text=f"{reason}\n")

    async def explain(self, request: web.Request) -> web.Response:
        try:
            asked = _ExplainRequest.model_validate_json(await request.read())
        except ValidationError as invalid:
            return error(400, "bad_request", _describe(invalid))
        question = Question(
            asked.url,
            asked.method,
            tuple((name.encode(), value.encode()) for name, value in asked.headers),
            asked.client,
        )
        try:
            explanation = await self._facts.explain(question)
        except RefusedMessage as refused:
            return error(400, "bad_request", refused.detail)
        except ValueError as invalid:
            return error(400, "bad_request", str(invalid))
        return web.json_response(explanation.to_json())

    async def reload(self, request: web.Request) -> web.Response:
        done = await self._facts.reload()
        if not done.errors:
            return web.json_response({"outcome": "applied", "restart": list(done.restart)})
        detail = "the config is refused, and the running one stays"
        body = {"error": "config_refused", "status": 422, "detail": detail}
        return web.json_response({**body, "outcome": "refused", "errors": list(done.errors)}, status=422)


def _describe(invalid: ValidationError) -> str:
    first = invalid.errors()[0]
    place = ".".join(str(step) for step in first["loc"])
    problem = f"{place}: {first['msg']}" if place else first["msg"]
    return f"{problem}; write {_SHAPE}"
