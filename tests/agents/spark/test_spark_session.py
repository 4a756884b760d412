"""Spark's life with a hospital: how it starts, what is told where it fails, and that it never outlives its hospital."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builders import cohort
from consilia.errors import ConsiliaError, InvalidData, InvalidSetting, Unavailable, Unwritable
from consilia.experiment import Features, Model
from consilia.features import FeatureMap
from consilia.model import Work
from consilia_agents.__main__ import backend_of
from consilia_agents.settings import Settings
from consilia_agents.sources.places import Places
from consilia_agents.spark import session as session_module
from consilia_agents.spark.backend import SparkBackend
from consilia_agents.spark.failures import told
from consilia_agents.spark.session import Session, require_java, settings_of
from deadline import eventually

FEATURES = Features.model_validate(
    {"label": "malignant", "scaling": "federated", "codebook": [{"name": "mean radius"}, {"name": "mean area"}]}
)
SETTINGS = {"spark.master": "local[2]", "spark.driver.memory": "512m"}

HOSPITAL = """
import os, signal, sys, threading, time
from pathlib import Path
from consilia.errors import Unavailable
from consilia_agents.spark.session import Session
session = Session(Path(sys.argv[1]), {"spark.master": "local[1]", "spark.driver.memory": "512m"})
context = session.context()
assert context.parallelize([0], 1).map(lambda _: sys.executable).first() == sys.executable
pids = context.parallelize([0], 1).flatMap(lambda _: [os.getpid(), os.getppid()]).collect()
ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
def work():
    try:
        session.run(lambda: context.parallelize([0], 1).map(lambda _: time.sleep(600)).collect())
    except Unavailable as error:
        print(error, flush=True)
thread = threading.Thread(target=work)
thread.start()
print(session.process, *pids, flush=True)
while not ended.wait(0.1):
    pass
session.close()
thread.join()
"""


class TestSettings:
    def test_a_file_has_a_setting_a_line(self, tmp_path: Path) -> None:
        path = tmp_path / "spark.conf"
        path.write_text("# of the plan\nspark.master local[*]\n\nspark.driver.extraJavaOptions -Da=1 -Db=2\n")
        assert settings_of(path) == {"spark.master": "local[*]", "spark.driver.extraJavaOptions": "-Da=1 -Db=2"}

    @pytest.mark.parametrize("text", ["spark.master\n", "executor.memory 1g\n"])
    def test_a_line_that_is_none_is_refused(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "spark.conf"
        path.write_text(text)
        with pytest.raises(InvalidSetting, match="a line is a setting of Spark, a space and its value"):
            settings_of(path)

    def test_a_file_that_is_not_there_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidSetting, match=r"CONSILIA_SPARK_CONF .* cannot be read"):
            settings_of(tmp_path / "spark.conf")

    def test_without_java_it_is_told_how_to_get_it(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("JAVA_HOME", raising=False)
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(InvalidSetting, match=r"no java on PATH: .* apt-get install openjdk-17-jre-headless"):
            require_java()

    def test_a_java_home_without_java_is_told(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("JAVA_HOME", str(tmp_path))
        with pytest.raises(InvalidSetting, match=re.escape(f"there is no java in JAVA_HOME, {tmp_path}: install one")):
            require_java()

    @pytest.mark.parametrize(("version", "major"), [("11.0.21", 11), ("1.8.0_392", 8)])
    def test_a_java_that_is_too_old_is_told(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, major: int
    ) -> None:
        java(tmp_path, monkeypatch, f"echo 'openjdk version \"{version}\" 2023-10-17' >&2")
        with pytest.raises(InvalidSetting, match=f"needs Java 17 or later, and java in JAVA_HOME, .* is Java {major}:"):
            require_java()

    @pytest.mark.parametrize(
        "says",
        [
            "echo 'openjdk version \"17.0.12\" 2024-07-16' >&2",
            "echo 'openjdk version \"25\"' >&2",
            "echo hello",
            "exit 1",
        ],
        ids=["17", "25", "nothing of it", "nothing"],
    )
    def test_a_java_that_is_young_enough_or_does_not_tell_is_tried(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, says: str
    ) -> None:
        java(tmp_path, monkeypatch, says)
        require_java()


def java(folder: Path, monkeypatch: pytest.MonkeyPatch, says: str) -> None:
    """A Java whose version is this."""
    (folder / "bin").mkdir()
    (folder / "bin" / "java").write_text(f"#!/bin/sh\n{says}\n")
    (folder / "bin" / "java").chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(folder))


SECRET = "Zaphod's potassium is 4.2"


@pytest.mark.parametrize(
    ("said", "kind", "sentence"),
    [
        pytest.param(
            f'Traceback:\nconsilia.errors.InvalidData: column "a" holds NaN\n\tat org.apache\n{SECRET}',
            InvalidData,
            'column "a" holds NaN',
            id="a refusal of ours",
        ),
        pytest.param(
            f"java.io.IOException: No space left on device: {SECRET}", Unwritable, "no room left", id="a full disk"
        ),
        pytest.param("java.lang.OutOfMemoryError: Java heap space", InvalidData, "raise driverMemory", id="memory"),
        pytest.param(
            "ExecutorLostFailure (executor 1 exited)", Unavailable, "an executor of Spark was lost", id="lost"
        ),
        pytest.param(
            "[CHECKPOINT_RDD_BLOCK_ID_NOT_FOUND] Checkpoint block rdd_1_0 not found!",
            Unavailable,
            "the table is read and looked at again",
            id="rows",
        ),
        pytest.param(
            f"org.apache.spark.SparkException: Job aborted\nCaused by: java.lang.NumberFormatException: {SECRET}",
            Unavailable,
            "Spark failed (NumberFormatException, SparkException)",
            id="another",
        ),
    ],
)
def test_an_error_is_told_by_its_kind_and_never_in_its_own_words(
    said: str, kind: type[ConsiliaError], sentence: str
) -> None:
    error = told(RuntimeError(said), Path("/state/spark"))
    assert type(error) is kind
    assert sentence in str(error)
    assert "Zaphod" not in str(error)


class TestClosing:
    """A hospital that is told to end waits for nothing of Spark's."""

    def test_spark_is_not_started_again(self, tmp_path: Path) -> None:
        session = Session(tmp_path / "spark")
        session.close()
        with pytest.raises(Unavailable, match="process ends, and its Spark with it"):
            session.context()

    def test_spark_that_has_just_been_started_is_not_used(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        session = Session(tmp_path / "spark")

        def started() -> object:
            session.close()
            (tmp_path / "spark").mkdir()
            return object()

        monkeypatch.setattr(session, "_start", started)
        with pytest.raises(Unavailable, match="process ends, and its Spark with it"):
            session.context()
        assert not (tmp_path / "spark").exists()


class NoExecutors:
    """A Spark on a cluster that gives it none."""

    master = "k8s://https://kubernetes.default.svc"

    def __init__(self, asked: Callable[[], None] = lambda: None) -> None:
        self._asked = asked

    def __getattr__(self, name: str) -> Any:
        return lambda: self

    @property
    def _jsc(self) -> "NoExecutors":
        return self

    def size(self) -> int:
        self._asked()
        return 1


class TestExecutorsThatDoNotCome:
    def test_after_a_while_it_is_told_where_to_look(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(session_module, "EXECUTOR_SECONDS", 0.0)
        session = Session(tmp_path / "spark")
        monkeypatch.setattr(session, "_context", NoExecutors())
        with pytest.raises(Unavailable, match=r"none of Spark's executors .* ResourceQuota") as refused:
            session.run(lambda: None)
        # Of the data, so that the hospital declines with it and looks again; not against them.
        assert type(refused.value) is Unavailable

    def test_a_hospital_that_ends_between_two_questions_is_told_so(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        session = Session(tmp_path / "spark")

        class Ended(NoExecutors):
            """Closed by another thread while it is asked, as pyspark then has it."""

            @property
            def _jsc(self) -> Any:
                session.close()

        monkeypatch.setattr(session, "_context", Ended())
        with pytest.raises(Unavailable, match="process ends, and its Spark with it"):
            session.run(lambda: None)

    def test_a_mistake_of_ours_is_not_taken_for_an_end(self, tmp_path: Path) -> None:
        session = Session(tmp_path / "spark")
        with pytest.raises(AttributeError, match="sums"):
            session.run(lambda: session.sums)  # type: ignore[attr-defined]

    def test_a_hospital_that_ends_does_not_wait_for_them(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        session = Session(tmp_path / "spark")
        monkeypatch.setattr(session, "_context", NoExecutors(session.close))
        with pytest.raises(Unavailable, match="process ends, and its Spark with it"):
            session.run(lambda: None)


def settings_in(tmp_path: Path, scratch: Path | None) -> Settings:
    return Settings(
        cohort=cohort(),
        coordinator="coordinator",
        coordinator_url="https://coordinator:8443",
        state=tmp_path / "state",
        ledger=None,
        cap=0.0,
        places=Places(tmp_path),
        scratch=scratch,
    )


@pytest.mark.parametrize("kept", ["state", "scratch"])
@pytest.mark.parametrize("scratch", [True, False], ids=["of its own", "in its state"])
def test_rows_of_a_process_that_was_killed_are_gone_when_the_next_begins_whatever_its_engine(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kept: str, *, scratch: bool
) -> None:
    rows = tmp_path / kept / "spark"
    (rows / "blockmgr-of-patients").mkdir(parents=True)
    backend_of(settings_in(tmp_path, tmp_path / "scratch" if scratch else None)).close()
    # What is in a folder that nobody names is not ours.
    assert rows.exists() == (kept == "scratch" and not scratch)
    assert not caplog.records


def test_rows_that_cannot_be_removed_are_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "spark").symlink_to(tmp_path / "elsewhere")
    backend_of(settings_in(tmp_path, None)).close()
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}/state/spark cannot be removed, and may hold rows of patients: remove it"
    ]


@pytest.mark.real
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "told to end"])
def test_java_and_its_workers_end_with_the_hospital_in_the_middle_of_a_pass(
    tmp_path: Path, number: signal.Signals
) -> None:
    elsewhere = tmp_path / "elsewhere"
    another = {"SPARK_HOME": str(elsewhere), "SPARK_LOCAL_DIRS": str(elsewhere), "PYSPARK_PYTHON": str(elsewhere)}
    with subprocess.Popen(
        [sys.executable, "-c", HOSPITAL, str(tmp_path / "spark")],
        env=os.environ | another,
        stdout=subprocess.PIPE,
        text=True,
    ) as hospital:
        assert hospital.stdout is not None
        try:
            pids = [int(word) for word in hospital.stdout.readline().split()]
            assert len(pids) == 3
            assert all(map(alive, pids))
            hospital.send_signal(number)
            hospital.wait(30)
        finally:
            hospital.kill()
        said = hospital.stdout.read()
    eventually(lambda: not any(map(alive, pids)), 20, lambda: f"still there: {[pid for pid in pids if alive(pid)]}")
    assert hospital.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    assert said == "" or "its Spark with it" in said
    assert not elsewhere.exists()
    assert not (tmp_path / "spark").exists() or not list((tmp_path / "spark").glob("blockmgr-*"))


def alive(pid: int) -> bool:
    try:
        return ") Z " not in (Path("/proc") / str(pid) / "stat").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.real
def test_the_order_after_java_was_killed_has_another_and_the_same_answer(spark: Session) -> None:
    backend = SparkBackend(cohort(engine="spark"), spark)
    trainer = backend.clear(FEATURES, Model())
    moments = trainer.moments()
    feature_map = FeatureMap.from_moments(("mean radius", "mean area"), moments)
    started = spark.started
    os.kill(spark.process, signal.SIGKILL)
    work = Work(local_epochs=50, learning_rate=0.1, l2=0.0)
    with pytest.raises(Unavailable, match="Java process has ended: the next order starts another"):
        trainer.train(feature_map, moments[:3] * 0, work)
    again = backend.clear(FEATURES, Model())
    assert spark.started == started + 1
    assert again.moments().tobytes() == moments.tobytes()


@pytest.mark.real
def test_the_order_after_spark_stopped_by_itself_has_another(spark: Session) -> None:
    context = spark.context()
    assert spark.run(lambda: context.parallelize([1, 2]).sum()) == 3
    started = spark.started
    context._jsc.sc().stop()
    assert spark.running  # Java is there
    with pytest.raises(Unavailable, match="stopped by itself: the next order starts another"):
        spark.run(lambda: context.parallelize([1, 2]).sum())
    again = spark.context()
    assert spark.started == started + 1
    assert spark.run(lambda: again.parallelize([1, 2]).sum()) == 3


@pytest.mark.real
def test_nothing_of_an_earlier_process_is_left_in_sparks_folder(spark: Session) -> None:
    folder = Path(str(spark.context().getConf().get("spark.local.dir")))
    spark.stop()
    assert not folder.exists()
    folder.mkdir()
    (folder / "blockmgr-of-a-process-that-was-killed").touch()
    spark.context()
    assert not (folder / "blockmgr-of-a-process-that-was-killed").exists()
