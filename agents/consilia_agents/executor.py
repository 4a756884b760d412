"""An executor of a hospital's Spark, in a pod that Spark itself asked for: Java in the place of this process.

pyspark's package has no such beginning. What to run is in the environment that Spark gives to an executor's pod.
"""

import os
import re
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from consilia.errors import InvalidSetting

BACKEND = "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend"
ARGUMENTS = {
    "--driver-url": "SPARK_DRIVER_URL",
    "--executor-id": "SPARK_EXECUTOR_ID",
    "--cores": "SPARK_EXECUTOR_CORES",
    "--app-id": "SPARK_APPLICATION_ID",
    "--hostname": "SPARK_EXECUTOR_POD_IP",
    "--resourceProfileId": "SPARK_RESOURCE_PROFILE_ID",
    "--podName": "SPARK_EXECUTOR_POD_NAME",
}
MEMORY = "SPARK_EXECUTOR_MEMORY"
LOG4J = Path(__file__).with_name("spark") / "log4j2.properties"
"""An executor's log would quote rows, as the hospital's own Spark's would."""
_OPTION = re.compile(r"SPARK_JAVA_OPT_([0-9]+)")


def command_of(environment: Mapping[str, str], jars: Path) -> list[str]:
    """Java and its arguments; ``jars`` is the folder of Spark's. Raises :class:`InvalidSetting` for what is missing."""
    missing = [name for name in (MEMORY, *ARGUMENTS.values()) if not environment.get(name)]
    if missing:
        raise InvalidSetting(f"{', '.join(missing)} not set: an executor is started by its hospital's Spark")
    numbered = sorted((int(found[1]), value) for name, value in environment.items() if (found := _OPTION.match(name)))
    memory = environment[MEMORY]
    arguments = [word for flag, name in ARGUMENTS.items() for word in (flag, environment[name])]
    options = [option for _, option in numbered]
    return [
        "java",
        f"-Dlog4j2.configurationFile={LOG4J.as_uri()}",
        *options,
        f"-Xms{memory}",
        f"-Xmx{memory}",
        "-cp",
        f"{jars}/*",
        BACKEND,
        *arguments,
    ]


def main() -> None:
    """Become the executor."""
    found = find_spec("pyspark")
    if found is None or found.origin is None:
        raise SystemExit("pyspark is not in this image: an executor's is that of a hospital with Spark")
    try:
        command = command_of(os.environ, Path(found.origin).parent / "jars")
    except InvalidSetting as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from error
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted, and Java is where the image has it


if __name__ == "__main__":
    main()
