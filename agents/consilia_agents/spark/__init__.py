"""The backend of engine spark: rows of any number, beyond this process's memory, computed where they are.

Importing it is what imports pyspark (a second), and the extra ``consilia[spark]`` is what installs that.
"""

import logging
import warnings

# It warns of a pandas that is newer than it knows, whether anybody uses that or not.
warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)

# Stack traces of what the hospital tells in a sentence; py4j writes some of them to the root of all loggers.
logging.getLogger("py4j").setLevel(logging.CRITICAL)
logging.getLogger().addFilter(lambda record: "/py4j/" not in record.pathname)
