"""The operator's HTTP server: ``/healthz`` for its liveness, ``/readyz``, and ``/metrics`` for Prometheus."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

from aiohttp import web

from consilia.prometheus import CONTENT_TYPE
from consilia_operator.health import Health


@asynccontextmanager
async def serving(
    port: int, health: Health, now: Callable[[], float], metrics: Callable[[], str]
) -> AsyncIterator[int]:
    """Serve on ``port``, 0 for a free one, which is given; from before the Lease is held until the process ends."""

    async def healthz(_: web.Request) -> web.Response:
        problems = health.problems(now())
        if problems:
            return web.Response(text="; ".join(problems) + "\n", status=HTTPStatus.SERVICE_UNAVAILABLE)
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        if not health.ready:
            waiting = "waiting for the Lease, or for the cluster\n"
            return web.Response(text=waiting, status=HTTPStatus.SERVICE_UNAVAILABLE)
        return web.Response(text="ok\n")

    async def scrape(_: web.Request) -> web.Response:
        return web.Response(body=metrics().encode(), headers={"Content-Type": CONTENT_TYPE})

    application = web.Application()
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/readyz", readyz)
    application.router.add_get("/metrics", scrape)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "0.0.0.0", port)  # noqa: S104 - the kubelet asks from outside the pod
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
