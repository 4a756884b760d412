"""The real :class:`~consilia_coordinator.tracking.tracker.Tracker`: MLflow's own client.

MLflow takes seconds and 170 MB to import, so it is imported with the first run to track; what registers a model takes
as long again, so that is imported while the run goes on. Its retries are off, because
the follower retries; so are its progress bars, its links on standard output, its telemetry and its look for git.

Metrics are not logged twice: MLflow's stores drop an entry that is there with the same key, step, time and value, and
:data:`~consilia_coordinator.tracking.parameters.SETTLED` keeps the repetition after a restart to two rounds.
"""

import functools
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlsplit, urlunsplit

from consilia.status import FeatureStatistics, RegisteredModel
from consilia_coordinator.tracking.entries import Batch, milliseconds
from consilia_coordinator.tracking.outcome import Outcome
from consilia_coordinator.tracking.parameters import RUN, SETTLED, UID, tags_of
from consilia_coordinator.tracking.statistics_record import metrics_of, table_of
from consilia_coordinator.tracking.tracker import FinalModel, MlflowUnavailable, OpenRun, RunKey

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_AGENT_HINT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""Environment that MLflow's client reads at import; the process sets it, and whoever runs it may say otherwise."""

P = ParamSpec("P")
T = TypeVar("T")


def _translated(method: Callable[P, T]) -> Callable[P, T]:
    """Whatever MLflow or the network raises becomes :class:`MlflowUnavailable`, in one sentence."""

    @functools.wraps(method)
    def call(*arguments: P.args, **options: P.kwargs) -> T:
        try:
            return method(*arguments, **options)
        except MlflowUnavailable:
            raise
        except Exception as error:
            raise MlflowUnavailable(f"MLflow did not take it ({_reason(error)})") from error

    return call


def _reason(error: Exception) -> str:
    """The innermost cause's first line: what the wrappers around it only repeat."""
    root: BaseException = error
    while root.__cause__ or root.__context__:
        root = root.__cause__ or root.__context__ or root
    return (str(root).splitlines() or [""])[0][:200] or type(root).__name__


class MlflowTracker:
    """Writes to the tracking server and registry at ``uri``; ``shown`` is that address without its credentials."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self.shown = _without_credentials(uri)
        self._client: Any = None
        self._preparing = False

    @_translated
    def open(self, key: RunKey, parameters: dict[str, str], started_at: str | None) -> OpenRun:
        """See :meth:`Tracker.open`."""
        from mlflow.entities import Param  # noqa: PLC0415

        self._prepare()
        experiment = self._experiment(key.federation)
        run = self._find(experiment, key) or self._connect().create_run(
            experiment,
            start_time=None if started_at is None else milliseconds(started_at),
            tags=tags_of(key.federation, key.uid, key.run),
            run_name=f"run {key.run}",
        )
        lacking = [Param(name, value) for name, value in parameters.items() if name not in run.data.params]
        if lacking:
            self._connect().log_batch(run.info.run_id, params=lacking)
        settled = int(run.data.tags.get(SETTLED, "0"))
        return OpenRun(run.info.run_id, self._url(experiment, run.info.run_id), run.info.status, settled)

    @_translated
    def log(self, run_id: str, batch: Batch) -> None:
        """See :meth:`Tracker.log`."""
        from mlflow.entities import Metric, RunTag  # noqa: PLC0415

        metrics = [Metric(entry.key, entry.value, entry.timestamp, entry.step) for entry in batch.entries]
        self._connect().log_batch(run_id, metrics=metrics, tags=[RunTag(SETTLED, str(batch.settled))])

    @_translated
    def tag(self, run_id: str, tags: dict[str, str]) -> None:
        """See :meth:`Tracker.tag`."""
        from mlflow.entities import RunTag  # noqa: PLC0415

        self._connect().log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])

    @_translated
    def register(self, key: RunKey, run_id: str, name: str, model: FinalModel) -> RegisteredModel:
        """See :meth:`Tracker.register`."""
        from consilia_coordinator.tracking.registration import register  # noqa: PLC0415

        return register(self._connect(), key, run_id, name, model)

    @_translated
    def describe(self, run_id: str, statistics: Sequence[FeatureStatistics], at: str | None) -> None:
        """See :meth:`Tracker.describe`."""
        from mlflow.entities import Metric  # noqa: PLC0415

        client, when = self._connect(), 0 if at is None else milliseconds(at)
        metrics = [Metric(key, value, when, 1) for key, value in metrics_of(statistics).items()]
        client.log_batch(run_id, metrics=metrics)
        client.log_dict(run_id, {"statistics": [each.to_json() for each in statistics]}, "statistics.json")
        client.log_text(run_id, table_of(statistics), "statistics.csv")

    @_translated
    def conclude(self, run_id: str, outcome: Outcome, at: str | None) -> None:
        """See :meth:`Tracker.conclude`."""
        if outcome == "RUNNING":
            self._connect().update_run(run_id, status=outcome)
        else:
            self._connect().set_terminated(run_id, outcome, None if at is None else milliseconds(at))

    def _prepare(self) -> None:
        if not self._preparing:
            self._preparing = True
            threading.Thread(target=_import_registration, name="import", daemon=True).start()

    def _connect(self) -> Any:
        if self._client is None:
            import mlflow  # noqa: PLC0415

            mlflow.set_tracking_uri(self._uri)
            self._client = mlflow.MlflowClient(self._uri)
        return self._client

    def _experiment(self, name: str) -> str:
        """The id of the experiment called ``name``; one that was deleted is restored, since its name stays taken."""
        experiment = self._connect().get_experiment_by_name(name)
        if experiment is None:
            return str(self._connect().create_experiment(name))
        if experiment.lifecycle_stage == "deleted":
            self._connect().restore_experiment(experiment.experiment_id)
        return str(experiment.experiment_id)

    def _find(self, experiment: str, key: RunKey) -> Any:
        where = f"tags.`{UID}` = '{key.uid}' and tags.`{RUN}` = '{key.run}'"
        runs = self._connect().search_runs([experiment], where, max_results=1, order_by=["start_time ASC"])
        return runs[0] if runs else None

    def _url(self, experiment: str, run_id: str) -> str | None:
        """Where a browser shows the run; None where MLflow is no web server."""
        if not self.shown.startswith(("http://", "https://")):
            return None
        return f"{self.shown}/#/experiments/{experiment}/runs/{run_id}"


def _import_registration() -> None:
    with suppress(Exception):  # whatever is wrong is raised again, and told, when a model is registered
        import consilia_coordinator.tracking.registration  # noqa: F401, PLC0415


def _without_credentials(uri: str) -> str:
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])).rstrip("/")
