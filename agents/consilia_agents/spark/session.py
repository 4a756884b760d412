"""One long-lived Spark a hospital: how it is started, what is made of its errors, and that nothing of it outlives us.

Java is a process of its own. It ends when the pipe to its standard input does, so also with a hospital that was killed;
what it spilled to disk lies in a folder of the hospital's state, and is removed when the next one starts.

No stack trace and no value of a patient leaves here: of what Spark says, only its kind is told.
"""

import logging
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, TimeoutExpired
from typing import Any

from py4j.protocol import Py4JError, Py4JNetworkError
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkException
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from consilia import errors
from consilia.errors import ConsiliaError, Unavailable, Unwritable
from consilia.threads import ONE_THREAD

logger = logging.getLogger(__name__)

NO_JAVA = (
    "engine spark needs Java 17 or later, and there is no java on PATH: install one, on Debian with "
    "apt-get install openjdk-17-jre-headless"
)
LOG4J = Path(__file__).with_name("log4j2.properties")
DEFAULTS = {
    "spark.master": "local[*]",
    "spark.driver.memory": "1024m",
    "spark.app.name": "consilia",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "8",
    # The result of a pass is one vector a partition, and there is no need of more.
    "spark.driver.maxResultSize": "512m",
}
LOOPBACK = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}

END_SECONDS = 10.0
"""How long Java may take to end by itself."""

_SAID = re.compile(r"consilia\.errors\.(\w+): (.+)")
_KIND = re.compile(r"^(?:Caused by: )?(?:[a-z]\w*\.)*([A-Z]\w+(?:Error|Exception))\b", re.MULTILINE)
"""Names of classes of errors, without what they say."""


class Session:
    """Starts Spark when it is first asked for, and again after it died."""

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        """``folder`` is for Spark's own files alone. ``settings`` by Spark's names go before the defaults."""
        self._folder = folder
        self._settings = dict(settings or {})
        self._context: Any = None
        self.started = 0
        """How often Spark was started: what was cached under an earlier number is gone."""

    def context(self) -> Any:
        """The running Spark. Raises :class:`Unavailable` where there can be none."""
        if self._context is not None and not self.running:
            self.close()
        if self._context is None:
            self._context = self._start()
            self.started += 1
        return self._context

    def sql(self) -> Any:
        """The same with DataFrames."""
        return SparkSession(self.context())

    @property
    def running(self) -> bool:
        """Whether Java is there."""
        process = getattr(SparkContext._gateway, "proc", None)  # noqa: SLF001 - pyspark tells it nowhere else
        return self._context is not None and process is not None and process.poll() is None

    @property
    def process(self) -> int:
        """Java's process id, for who watches it."""
        return int(SparkContext._gateway.proc.pid)  # noqa: SLF001

    def run(self, action: Callable[[], Any]) -> Any:
        """Do something with Spark; what goes wrong becomes one sentence, with its cause chained."""
        try:
            return action()
        except (Py4JError, PySparkException, ConnectionError, EOFError) as error:
            raise self._told(error) from error

    def close(self) -> None:
        """End Spark and Java, and remove what they kept."""
        context, self._context = self._context, None
        if context is not None:
            if SparkContext._active_spark_context is context:  # noqa: SLF001
                _end(context)
            shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> Any:
        if java() is None:
            raise Unavailable(NO_JAVA)
        shutil.rmtree(self._folder, ignore_errors=True)
        try:
            self._folder.mkdir(parents=True)
        except OSError as error:
            raise Unwritable(f"Spark's folder {self._folder} cannot be made: {error.strerror}") from error
        # Executors have it where this process does: both are of one image, or of one machine.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        conf = SparkConf(loadDefaults=False).setAll(list(self._conf().items()))
        try:
            # Java says nothing on the terminal: what it would say may quote rows.
            gateway = launch_gateway(conf, {"stdout": DEVNULL, "stderr": DEVNULL})
            SparkContext._gateway, SparkContext._jvm = gateway, gateway.jvm  # noqa: SLF001
            return SparkContext(conf=conf)
        except (Py4JError, PySparkException, OSError, RuntimeError) as error:
            _end(None)
            raise Unavailable(
                "Spark does not start: see whether driverMemory is more than this machine or pod has, and whether the "
                "settings of CONSILIA_SPARK_CONF are Spark's"
            ) from error

    def _conf(self) -> dict[str, str]:
        conf = DEFAULTS | self._settings
        if conf["spark.master"].startswith("local"):
            conf = LOOPBACK | conf
        local = str(self._folder)
        options = f"-Djava.io.tmpdir={local} -Dlog4j2.configurationFile={LOG4J.as_uri()} -XX:-UsePerfData"
        more = conf.get("spark.driver.extraJavaOptions", "")
        return conf | {
            "spark.local.dir": local,
            "spark.sql.warehouse.dir": str(self._folder / "warehouse"),
            "spark.driver.extraJavaOptions": f"{options} {more}".strip(),
            **{f"spark.executorEnv.{name}": value for name, value in ONE_THREAD.items()},
        }

    def _told(self, error: Exception) -> ConsiliaError:
        """What an error of Spark's means. Its text may quote rows, so it is only looked at."""
        said = _text(error)
        if not self.running or isinstance(error, Py4JNetworkError | ConnectionError | EOFError):
            self.close()
            return Unavailable("Spark's Java process has ended: the next order starts another; see its memory limit")
        own = _SAID.search(said)
        if own is not None:
            kind: type[ConsiliaError] = getattr(errors, own[1])
            return kind(own[2])
        if "No space left on device" in said or "Disk quota exceeded" in said:
            return Unwritable(
                f"there is no room left for what Spark spills to disk, in {self._folder}: give the hospital's state a "
                "larger volume"
            )
        if "OutOfMemoryError" in said:
            return Unavailable("Spark has too little memory for this table: raise spark.driverMemory of the cohort")
        if "ExecutorLostFailure" in said or "Could not find CoarseGrainedScheduler" in said:
            return Unavailable("an executor of Spark was lost, and its work with it: see the memory of executors")
        kinds = sorted(set(_KIND.findall(said)))
        return Unavailable(f"Spark failed ({', '.join(kinds) or type(error).__name__}): the hospital can try again")


def java() -> str | None:
    """The path of Java as Spark finds it."""
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")


def _text(error: BaseException) -> str:
    """All that an error and its causes say, for a look at their kind."""
    said: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(said) < 10:
        with suppress(Exception):  # asking Java what its exception said may fail as well
            said.append(str(seen))
        seen = seen.__cause__ or seen.__context__
    return "\n".join(said)


def _end(context: Any) -> None:
    """End Java, and have pyspark forget it: it knows no other end of Java than its own."""
    gateway = SparkContext._gateway  # noqa: SLF001
    process = getattr(gateway, "proc", None)
    if context is not None and process is not None and process.poll() is None:
        with suppress(Py4JError, PySparkException, OSError, EOFError):
            context.stop()
    SparkContext._active_spark_context = None  # noqa: SLF001
    SparkContext._gateway = SparkContext._jvm = None  # noqa: SLF001
    SparkSession._instantiatedSession = None  # noqa: SLF001
    if gateway is not None:
        with suppress(Py4JError, OSError):
            gateway.shutdown()
    if process is None:
        return
    process.stdin.close()
    try:
        process.wait(END_SECONDS)
    except TimeoutExpired:
        process.kill()
        process.wait()
