"""The part of the Kubernetes API that the dashboard and this command's own verbs use, for the one Federation here.

Over plain HTTP on loopback, with a bearer token: ``consilia run`` is the API server of its machine. Errors are
Kubernetes' Status objects. A watch tells the newest state at most twice a second, as rounds are faster than eyes.
"""

import asyncio
import json
import secrets

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from consilia.errors import Refusal
from consilia.object_paths import API_VERSION, COLLECTION, ITEM, MERGE_PATCH, NAMESPACED
from consilia_local.held_federation import HeldFederation

LARGEST_PATCH = 64 * 1024
LONGEST_WATCH = 600.0
CHANGE_SECONDS = 0.5  # between two changes that a watch tells


def object_api(held: HeldFederation, token: str) -> web.Application:
    """The application that serves ``held`` to whoever carries ``token``."""
    application = web.Application(middlewares=[_with_status_errors, _with_token(token)], client_max_size=LARGEST_PATCH)

    async def list_all(request: web.Request) -> web.StreamResponse:
        if request.query.get("watch") == "true":
            return await _watch(request, held)
        found = [held.document()] if _is_asked_for(request, held) else []
        version = {"resourceVersion": str(held.version)}
        return web.json_response(
            {"apiVersion": API_VERSION, "kind": "FederationList", "metadata": version, "items": found}
        )

    async def get_one(request: web.Request) -> web.Response:
        _require_known(request, held)
        return web.json_response(held.document())

    async def patch_one(request: web.Request) -> web.Response:
        _require_known(request, held)
        if request.content_type != MERGE_PATCH:
            return _status(415, "UnsupportedMediaType", f"a patch must be {MERGE_PATCH}")
        return web.json_response(await held.edit(await _json(request)))

    application.add_routes([web.get(COLLECTION, list_all), web.get(NAMESPACED, list_all)])
    application.add_routes([web.get(ITEM, get_one), web.patch(ITEM, patch_one)])
    return application


def _with_token(token: str) -> Middleware:
    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not secrets.compare_digest(given.encode(), token.encode()):
            return _status(401, "Unauthorized", "the request carries no valid bearer token")
        return await handler(request)

    return check


@web.middleware
async def _with_status_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _status(error.status, error.reason.replace(" ", ""), f"{request.method} {request.path}: {error.reason}")
    except Refusal as error:
        return _status(422, "Invalid", str(error))


async def _watch(request: web.Request, held: HeldFederation) -> web.StreamResponse:
    """Tell each newer state as a line of JSON, until the time that was asked for is over."""
    seconds = min(float(request.query.get("timeoutSeconds", LONGEST_WATCH)), LONGEST_WATCH)
    told = int(request.query.get("resourceVersion") or 0)
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    try:
        async with asyncio.timeout(seconds):
            while True:
                async with held.changed:
                    await held.changed.wait_for(lambda: held.version > told)  # noqa: B023 - awaited here
                told = held.version
                if _is_asked_for(request, held):
                    await response.write(json.dumps({"type": "MODIFIED", "object": held.document()}).encode() + b"\n")
                # Not waiting for anything: changes more often than this are told together.
                await asyncio.sleep(CHANGE_SECONDS)
    except TimeoutError:
        return response


def _is_asked_for(request: web.Request, held: HeldFederation) -> bool:
    """Whether the path's namespace and the field selector, which can name one object only here, mean this one."""
    named = request.query.get("fieldSelector", f"metadata.name={held.name}") == f"metadata.name={held.name}"
    return named and request.match_info.get("namespace", held.namespace) == held.namespace


async def _json(request: web.Request) -> object:
    try:
        return json.loads(await request.read())
    except ValueError as error:
        raise Refusal(f"the patch is not JSON: {error}") from error


def _require_known(request: web.Request, held: HeldFederation) -> None:
    if (request.match_info["namespace"], request.match_info["name"]) != (held.namespace, held.name):
        raise web.HTTPNotFound(reason="Not Found")


def _status(code: int, reason: str, message: str) -> web.Response:
    body = {"apiVersion": "v1", "kind": "Status", "status": "Failure"}
    return web.json_response(body | {"code": code, "reason": reason, "message": message}, status=code)
