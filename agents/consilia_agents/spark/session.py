"""One long-lived Spark a hospital: how it is started, what is made of its errors, and that nothing of it outlives us.

Java is a process of its own. It ends when the pipe to its standard input does, so also with a hospital that was killed;
what it spilled to disk lies in a folder of its own, and is removed with it, or when the next one starts.

No stack trace and no value of a patient leaves here: of what Spark says, only its kind is told.
"""

import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from subprocess import DEVNULL, SubprocessError, TimeoutExpired, run
from threading import Event, Thread
from typing import Any

from py4j.protocol import Py4JError, Py4JJavaError, Py4JNetworkError
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkException
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from consilia.errors import ConsiliaError, InvalidData, InvalidSetting, Unavailable, Unwritable
from consilia.threads import ONE_THREAD
from consilia_agents.spark.failures import rows_are_gone, text_of, told

OLDEST_JAVA = 17
INSTALL_JAVA = "install one, on Debian with apt-get install openjdk-17-jre-headless"
JAVA_SECONDS = 30.0
"""How long Java may take to tell its version."""
DRIVERS = Path("/usr/share/java/postgresql.jar")
"""Where Debian has PostgreSQL's driver for Java."""
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

WATCH_SECONDS = 0.5
"""How often the progress of a first pass is looked at."""
EXECUTOR_SECONDS = 180.0
"""How long the first executor may take to come: an image may have to be pulled."""
EXECUTOR_POLL_SECONDS = 0.5
GONE_SECONDS = 2.0
END_SECONDS = 10.0
"""How long Java may take to end by itself."""


NO_START = (
    "Spark does not start: see whether driverMemory is more than this machine or pod has, and whether the settings of "
    "CONSILIA_SPARK_CONF are Spark's"
)
WHY_NO_EXECUTORS = (
    "see whether a ResourceQuota or a policy of the cohort's namespace refuses their pods, whether nodes have room for "
    "them, and whether they can pull their image; or ask for fewer or smaller ones in the cohort's spark"
)
EXECUTORS_REFUSED = f"Spark has ended, as pods for its executors could not be made: {WHY_NO_EXECUTORS}"
STOPPED_AT_ITS_START = "Spark context stopped while waiting for backend"
"""What Spark says where the API server refuses so many pods that Spark gives up."""


class Session:
    """Starts Spark when it is first asked for, and again after it died."""

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        """``folder`` is for Spark's own files alone. ``settings`` by Spark's names go before the defaults."""
        self._folder = folder
        self._settings = dict(settings or {})
        self._context: Any = None
        self._ended = 0
        self._closed = False
        self.started = 0
        """How often Spark was started: what an earlier one kept is gone."""
        self.lost = 0
        """How often rows were lost: what was looked at under an earlier number is not all there."""

    def context(self) -> Any:
        """The running Spark. Raises :class:`Unavailable` where there can be none."""
        if self._context is not None and not self.running:
            self.stop()
        context = self._context
        if context is None:
            self._require_open()
            context = self._context = self._start()
            self.started += 1
            if self._closed:  # meanwhile, by another thread
                self.stop()
                self._require_open()
        return context

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

    def run(self, action: Callable[[], Any], progress: Callable[[float], None] | None = None) -> Any:
        """Do something with Spark; what goes wrong becomes one sentence, with its cause chained.

        ``progress`` is told the share of the tasks that are done, from another thread.
        """
        try:
            self._require_executors()
            with _watched(self._context, progress) if progress else nullcontext():
                found = action()
        except (Py4JError, PySparkException, ConnectionError, EOFError) as error:
            raise self._told(error) from error
        except (AttributeError, AssertionError):
            # pyspark's way to say that another thread has ended Spark in the middle of it.
            self._require_open()
            raise
        self._ended = 0
        return found

    def let_go(self, action: Callable[[], Any]) -> None:
        """Have Spark forget what it kept. What goes wrong is for the next pass to tell: it waits for nothing."""
        with suppress(Py4JError, PySparkException, OSError, EOFError, AttributeError, AssertionError):
            if self.running:
                action()

    @property
    def gone(self) -> bool:
        """Whether Java has ended, or Spark in it has: whatever it said of an action is not of that."""
        return not self.running or self._stopped_by_itself()

    def close(self) -> None:
        """End Spark and Java for good, from any thread: whoever works with them gets :class:`Unavailable`."""
        self._closed = True
        self.stop()

    def stop(self) -> None:
        """End Spark and Java, and remove what they kept."""
        context, self._context = self._context, None
        if context is not None:
            if SparkContext._active_spark_context is context:  # noqa: SLF001
                _end(context)
            shutil.rmtree(self._folder, ignore_errors=True)

    def _stopped_by_itself(self) -> bool:
        """Whether Java is there, and Spark in it is not: so it ends where a cluster gives it too little."""
        try:
            return bool(self._context._jsc.sc().isStopped())  # noqa: SLF001
        except (Py4JError, PySparkException, OSError, EOFError, AttributeError):
            return False

    def _require_open(self) -> None:
        if self._closed:
            raise Unavailable("this hospital's process ends, and its Spark with it")

    def _require_executors(self) -> None:
        """Wait until there is an executor, where they are processes of their own."""
        context = self._context
        if context is None or context.master.startswith("local"):
            return
        ends = time.monotonic() + EXECUTOR_SECONDS
        # The driver is one of those that are counted.
        while True:
            self._require_open()
            if context._jsc.sc().getExecutorMemoryStatus().size() >= 2:  # noqa: SLF001
                return
            if time.monotonic() > ends:
                raise Unavailable(
                    f"none of Spark's executors has come within {EXECUTOR_SECONDS:.0f} s: {WHY_NO_EXECUTORS}"
                )
            time.sleep(EXECUTOR_POLL_SECONDS)

    def _start(self) -> Any:
        require_java()
        shutil.rmtree(self._folder, ignore_errors=True)
        try:
            self._folder.mkdir(parents=True)
        except OSError as error:
            raise Unwritable(f"Spark's folder {self._folder} cannot be made: {error.strerror}") from error
        # Of another Spark, perhaps: where it is installed, which Python it uses, and in which folder it keeps rows.
        for name in [name for name in os.environ if name.startswith(("SPARK_", "PYSPARK_"))]:
            del os.environ[name]
        # Executors have it where this process does: both are of one image, or of one machine.
        os.environ["PYSPARK_PYTHON"] = sys.executable
        conf = SparkConf(loadDefaults=False).setAll(list(self._conf().items()))
        try:
            # Java says nothing on the terminal: what it would say may quote rows.
            gateway = launch_gateway(conf, {"stdout": DEVNULL, "stderr": DEVNULL})
            SparkContext._gateway, SparkContext._jvm = gateway, gateway.jvm  # noqa: SLF001
            context = SparkContext(conf=conf)
        except (Py4JError, PySparkException, OSError, RuntimeError) as error:
            said = text_of(error)
            _end(None)
            raise Unavailable(EXECUTORS_REFUSED if STOPPED_AT_ITS_START in said else NO_START) from error
        # A thread of pyspark's, which prints its stack where Java has ended.
        context._accumulatorServer.handle_error = lambda *_: None  # noqa: SLF001
        return context

    def _conf(self) -> dict[str, str]:
        conf = DEFAULTS | self._settings
        if conf["spark.master"].startswith("local"):
            conf = LOOPBACK | conf
        if DRIVERS.exists():
            conf = {"spark.driver.extraClassPath": str(DRIVERS)} | conf
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
        if not isinstance(error, PySparkException | Py4JJavaError):
            # Java did not answer: a process that was killed takes a moment to be gone.
            with suppress(TimeoutExpired, AttributeError):
                SparkContext._gateway.proc.wait(GONE_SECONDS)  # noqa: SLF001
        if self.running and not isinstance(error, Py4JNetworkError | ConnectionError | EOFError):
            if self._stopped_by_itself():
                self.stop()
                self._require_open()
                return Unavailable(f"Spark has stopped by itself: the next order starts another; {WHY_NO_EXECUTORS}")
            self.lost += rows_are_gone(error)
            return told(error, self._folder)
        self.stop()
        self._require_open()
        self._ended += 1
        if self._ended > 1:
            return InvalidData("Spark's Java process ends again and again: see its memory limit, and that of its host")
        return Unavailable("Spark's Java process has ended: the next order starts another")


def require_java() -> None:
    """Refuse, with :class:`InvalidSetting`, where Spark would find no Java, or one that is too old."""
    home = os.environ.get("JAVA_HOME")
    where = f"in JAVA_HOME, {home}" if home else "on PATH"
    java = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if java is None:
        raise InvalidSetting(
            f"engine spark needs Java {OLDEST_JAVA} or later, and there is no java {where}: {INSTALL_JAVA}"
        )
    version = _version_of(java)
    if version is not None and version < OLDEST_JAVA:
        raise InvalidSetting(
            f"engine spark needs Java {OLDEST_JAVA} or later, and java {where} is Java {version}: {INSTALL_JAVA}"
        )


def _version_of(java: str) -> int | None:
    """The 17 of ``openjdk version "17.0.12"``, the 8 of ``"1.8.0_392"``; None where it does not tell."""
    try:
        told = run([java, "-version"], capture_output=True, text=True, timeout=JAVA_SECONDS, check=False).stderr  # noqa: S603
    except (OSError, SubprocessError, ValueError):
        return None
    found = re.search(r'version "(?:1\.)?([0-9]+)', told)
    return int(found[1]) if found else None


def settings_of(path: Path) -> dict[str, str]:
    """Spark's settings in a file: one a line, its name, a space and its value. Raises :class:`InvalidSetting`."""
    try:
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"CONSILIA_SPARK_CONF {path} cannot be read: {error}") from error
    pairs = [line.split(None, 1) for line in lines if line and not line.startswith("#")]
    for pair in pairs:
        if len(pair) != 2 or not pair[0].startswith("spark."):
            raise InvalidSetting(
                f'CONSILIA_SPARK_CONF {path} says "{pair[0]}"; a line is a setting of Spark, a space and its value'
            )
    return dict(pairs)


@contextmanager
def _watched(context: Any, progress: Callable[[float], None]) -> Iterator[None]:
    done = Event()

    def watch() -> None:
        while not done.wait(WATCH_SECONDS):
            with suppress(Py4JError, PySparkException, OSError, EOFError, AttributeError):
                progress(_share(context.statusTracker()))

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _share(tracker: Any) -> float:
    stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
    tasks = sum(stage.numTasks for stage in stages if stage is not None)
    return sum(stage.numCompletedTasks for stage in stages if stage is not None) / tasks if tasks else 0.0


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
