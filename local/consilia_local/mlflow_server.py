"""The MLflow tracking server of a local federation: its command, and the process itself.

``mlflow server`` imports all of MLflow twice, in a parent that creates the database and in the uvicorn child that
serves, and holds both in memory. Here the same application runs in one process: half the time and memory, and a
process that one signal stops. It refuses a port that is taken before the seconds of import, names its host headers,
sends no telemetry and starts no job workers, and it gives way to training wherever both want the processor. Artifacts
always pass through it, wherever it keeps them, so that nobody else needs a key to that place.
"""

import argparse
import gc
import os
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from consilia.errors import InvalidSetting, Unavailable
from consilia.threads import ONE_THREAD
from consilia_local.mlflow_stores import Stores
from consilia_local.ports import CannotListen, claim

NICENESS = 10
"""Added to the process's niceness: rounds come first."""

STOP_SECONDS = 2
"""How long open requests may take to end once the server is told to stop."""

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_AGENT_HINT": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "PYTHONWARNINGS": "ignore",
    **ONE_THREAD,
}
"""What an MLflow server of ours needs in its environment to be quiet and small."""


@dataclass(frozen=True)
class MlflowServer:
    """How to start the server, and where it answers.

    ``environment`` is added to the caller's own. ``ready_url`` answers 200 once requests are served. SIGTERM stops the
    process, which has no children, with exit code 0.
    """

    command: tuple[str, ...]
    environment: dict[str, str]
    url: str
    ready_url: str


def mlflow_server(folder: Path, port: int, host: str = "127.0.0.1") -> MlflowServer:
    """Plan a tracking server that keeps its database and artifacts under ``folder`` (made when it is missing)."""
    url = f"http://{host}:{port}"
    command = (
        sys.executable,
        "-m",
        "consilia_local.mlflow_server",
        "--folder",
        str(folder),
        "--host",
        host,
        "--port",
        str(port),
    )
    return MlflowServer(command, dict(ENVIRONMENT), url, f"{url}/health")


def serve(folder: Path, host: str, port: int, database_file: Path | None = None, artifacts: str | None = None) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises :class:`InvalidSetting` at once when the port is taken or a store is none, and
    :class:`consilia.errors.Unavailable` when the database lets nobody in.
    """
    listener = _claim(host, port)
    stores = Stores.of(folder, database_file, artifacts)
    stores.require()
    folder.mkdir(parents=True, exist_ok=True)
    os.nice(NICENESS)
    os.environ.update(ENVIRONMENT)
    os.environ.setdefault("MLFLOW_SERVER_ALLOWED_HOSTS", _allowed_hosts(host, port))
    # Collections during the import of some thousand modules find nothing and cost a tenth of the start.
    gc.disable()
    application = _application(stores)
    gc.freeze()
    gc.enable()
    _run(application, listener)


def _claim(host: str, port: int) -> socket.socket:
    try:
        return claim(host, port)
    except CannotListen as problem:
        raise InvalidSetting(
            f"MLflow cannot listen on {host}:{port}: the port {problem.why}; stop what uses it or choose another port"
        ) from problem


def _allowed_hosts(host: str, port: int) -> str:
    names = dict.fromkeys([host, "127.0.0.1", "localhost"])
    return ",".join(f"{name}:{port}" for name in names)


def _application(stores: Stores) -> object:
    """MLflow's ASGI application over its stores; the database's tables are made or migrated first."""
    # MLflow decides at import whether it is a server, by this module's presence.
    import uvicorn  # noqa: F401, PLC0415
    from mlflow.server import constants, handlers  # noqa: PLC0415

    os.environ.update(
        {
            constants.BACKEND_STORE_URI_ENV_VAR: stores.database,
            constants.REGISTRY_STORE_URI_ENV_VAR: stores.database,
            constants.ARTIFACT_ROOT_ENV_VAR: "mlflow-artifacts:/",
            constants.SERVE_ARTIFACTS_ENV_VAR: "true",
            constants.ARTIFACTS_DESTINATION_ENV_VAR: stores.artifacts,
        }
    )
    handlers.initialize_backend_stores(stores.database, stores.database, "mlflow-artifacts:/")
    from mlflow.server.fastapi_app import app  # noqa: PLC0415

    return app


def _run(application: object, listener: socket.socket) -> None:
    import uvicorn  # noqa: PLC0415

    config = uvicorn.Config(
        application,  # type: ignore[arg-type]
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[listener])


def _leave(_number: int, _frame: FrameType | None) -> None:
    # uvicorn raises the signal that stopped it once more when it is done: here it ends the process.
    sys.exit(0)


def main(arguments: list[str] | None = None) -> None:
    """Run the server; exit code 2 and one sentence when what was asked cannot be, 1 when its database is not there."""
    parser = argparse.ArgumentParser(prog="consilia-mlflow", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--database-file", type=Path, help="holds a PostgreSQL's address; default: SQLite in --folder")
    parser.add_argument("--artifacts", help="s3://BUCKET/FOLDER; default: in --folder")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    try:
        serve(options.folder, options.host, options.port, options.database_file, options.artifacts)
    except (InvalidSetting, Unavailable) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2 if isinstance(error, InvalidSetting) else 1)


if __name__ == "__main__":
    main()
