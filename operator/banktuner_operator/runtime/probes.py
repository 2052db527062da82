"""/healthz, /readyz and /metrics on a plain port, for the kubelet and Prometheus."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass
class Health:
    """What the probes answer from."""

    ready: Callable[[], bool]
    leading: Callable[[], bool]
    failing_keys: Callable[[], int]
    job_metrics: Callable[[], list[str]]
    reconciliations: int = 0


async def serve(health: Health, port: int) -> web.AppRunner:
    """Start the server; the caller cleans the runner up."""

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok")  # answering at all proves that the event loop turns

    async def readyz(_: web.Request) -> web.Response:
        return web.Response(text="ok") if health.ready() else web.Response(status=503, text="starting")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=_metrics(health).encode(), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", port).start()
    return runner


def _metrics(health: Health) -> str:
    lines = [
        "# TYPE banktuner_leading gauge",
        f"banktuner_leading {int(health.leading())}",
        "# TYPE banktuner_failing_objects gauge",
        f"banktuner_failing_objects {health.failing_keys()}",
        "# TYPE banktuner_reconciliations_total counter",
        f"banktuner_reconciliations_total {health.reconciliations}",
    ]
    # Every replica watches; told by all of them, each number would be there several times.
    return "\n".join(lines + (health.job_metrics() if health.leading() else [])) + "\n"
