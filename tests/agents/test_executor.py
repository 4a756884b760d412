"""The beginning of an executor's pod: Java, told what Spark put into the pod's environment."""

import subprocess
import sys
from pathlib import Path

import pytest

from consilia.errors import InvalidSetting
from consilia_agents.executor import ARGUMENTS, BACKEND, LOG4J, MEMORY, command_of

GIVEN = {
    "SPARK_DRIVER_URL": "spark://CoarseGrainedScheduler@north.clinic.svc:7078",
    "SPARK_EXECUTOR_ID": "3",
    "SPARK_EXECUTOR_CORES": "2",
    "SPARK_EXECUTOR_MEMORY": "1024m",
    "SPARK_APPLICATION_ID": "spark-1",
    "SPARK_EXECUTOR_POD_IP": "10.244.0.9",
    "SPARK_RESOURCE_PROFILE_ID": "0",
    "SPARK_EXECUTOR_POD_NAME": "north-exec-3",
}
JARS = Path("/opt/jars")


def test_java_is_told_what_the_environment_holds() -> None:
    command = command_of(GIVEN | {"PATH": "/usr/bin"}, JARS)
    assert command[2:7] == ["-Xms1024m", "-Xmx1024m", "-cp", "/opt/jars/*", BACKEND]
    told = dict(zip(command[7::2], command[8::2], strict=True))
    assert told == {flag: GIVEN[name] for flag, name in ARGUMENTS.items()}


def test_javas_own_options_come_first_and_in_their_order() -> None:
    options = {f"SPARK_JAVA_OPT_{number}": f"-Doption={number}" for number in range(11)}
    assert command_of(dict(reversed(options.items())) | GIVEN, JARS)[2:13] == list(options.values())


def test_it_logs_what_the_hospitals_own_spark_does() -> None:
    java, option, *_ = command_of(GIVEN, JARS)
    assert (java, option) == ("java", f"-Dlog4j2.configurationFile={LOG4J.as_uri()}")
    assert LOG4J.is_file()


@pytest.mark.parametrize("name", [MEMORY, *ARGUMENTS.values()])
def test_what_is_not_told_is_named(name: str) -> None:
    with pytest.raises(InvalidSetting, match=f"^{name} not set: an executor is started by its hospital's Spark"):
        command_of(GIVEN | {name: ""}, JARS)


def test_started_by_hand_it_says_what_it_is_in_one_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "consilia_agents.executor"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.endswith("not set: an executor is started by its hospital's Spark\n")
    assert done.stderr.count("\n") == 1
