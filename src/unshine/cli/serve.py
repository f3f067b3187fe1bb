"""`unshine serve`: the web page and the HTTP API."""

from typing import Annotated, Any

import typer

from unshine.cli import options
from unshine.cli.extras import needs


def serve(
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8765,
    browse: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="UNSHINE_TOKEN",
            help="What requests must carry as Authorization: Bearer; needed on public addresses."
            " Better set as UNSHINE_TOKEN, since others can see a command's options.",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A further name by which browsers may call the server."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("-j", "--jobs", min=1, help="Images at a time; 2 if that many processors."),
    ] = None,
    queue: Annotated[int, typer.Option(min=0, help="Requests that may wait.")] = 32,
    max_upload: Annotated[int, typer.Option(min=1, help="Megabytes of one request.")] = 200,
    max_pixels: Annotated[int, typer.Option(min=1, help="Megapixels of one image.")] = 100,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds that one request may take.")] = 120,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Do the work on a Ray cluster; `local` starts one here."
        ),
    ] = None,
    engine: options.Engine = "onnx",
    device: options.Device = "auto",
) -> None:
    """Serve the web page and the HTTP API.

    Images stay in memory and are forgotten once they are answered. Ctrl-C or SIGTERM ends the
    server when what it has begun is finished.
    """
    from unshine.cpus import available_cpus

    with needs("web"):
        from unshine.web.app import Limits, create_app
        from unshine.web.server import Place, listen
        from unshine.web.server import serve as run

        listening = listen(Place(host, port), token)
        limits = Limits(max_upload * 2**20, max_pixels * 10**6, queue, timeout)
        settings = {"engine": engine, "device": device}
        jobs = jobs or min(2, available_cpus())
        runner: Any
        if ray is None:
            from unshine.remover import Remover
            from unshine.web.jobs import Threads
            from unshine.web.work import Worker

            runner = Threads(Worker(Remover(engine, device), limits.pixels), jobs)
        else:
            from unshine.web.cluster import Cluster

            runner = Cluster(ray, settings, limits.pixels, jobs)
        app = create_app(runner, limits, tuple(allow_host or ()), token, settings)
        run(app, listening, browse, patience=timeout + 10)
