"""What an API server refuses of a cohort's source, its Spark and its ways out: :mod:`consilia.data_source` and
:mod:`consilia.pod` again, in CEL. See :mod:`consilia.admission`, of whose rules these are a part.
"""

from consilia.data_source import KINDS
from consilia.rule import Rule

_REMOTE = "self.path.startsWith('s3://')"
_GIVEN = " + ".join(f"(has(self.{kind}) ? 1 : 0)" for kind in KINDS)
_PARTS = ("self.partitionColumn", "self.lowerBound", "self.upperBound")
_TOLD = " + ".join(f"(has({part}) ? 1 : 0)" for part in _PARTS)
_UPWARDS = r"'(^|/)[.][.](/|$)'"

_FILES = (
    Rule(
        f"!{_REMOTE} || !has(self.claim)",
        "'path \"%s\" is of an object store, and claim names a volume: leave one out'.format([self.path])",
        "the path is of an object store, and claim names a volume: leave one out",
        ".claim",
    ),
    Rule(
        f"{_REMOTE} || !has(self.objectStore)",
        "'objectStore is given, and path \"%s\" does not begin with s3://: leave one out'.format([self.path])",
        "objectStore is given, and the path does not begin with s3://: leave one out",
        ".objectStore",
    ),
    Rule(
        f"!self.path.matches({_UPWARDS})",
        '\'path "%s" goes up by "..": name it from the folder on that holds the data\'.format([self.path])',
        "the path goes up by ..: name it from the folder on that holds the data",
        ".path",
    ),
)

_DATABASE = (
    Rule(
        "!has(self.claim) || self.url.startsWith('sqlite:')",
        "'claim names a volume, and url \"%s\" is no file of SQLite: leave claim out'.format([self.url])",
        "claim names a volume, and the url is no file of SQLite: leave claim out",
        ".claim",
    ),
    Rule(
        f"!self.url.matches({_UPWARDS})",
        '\'url "%s" goes up by "..": name the file from the folder on that holds the data\'.format([self.url])',
        "the url goes up by ..: name the file from the folder on that holds the data",
        ".url",
    ),
)


def _heap(name: str) -> Rule:
    size = f"self.{name}"
    return Rule(
        f"!has({size}) || !isQuantity({size}) || quantity({size}).compareTo(quantity('512Mi')) >= 0",
        f"'{name} %s is below the 512Mi that Spark needs: raise it'.format([{size}])",
        f"{name} is below the 512Mi that Spark needs: raise it",
        f".{name}",
    )


_AGENT = ("self.agent", "self.agent.resources", "self.agent.resources.limits", "self.agent.resources.limits.memory")
_HEAP = "(has(self.spark) && has(self.spark.driverMemory) ? self.spark.driverMemory : '1Gi')"
_NO_LIMIT = " || ".join(f"!has({each})" for each in _AGENT)
_LIMIT = _AGENT[-1]

RULES: dict[str, tuple[Rule, ...]] = {
    "CohortSpec": (
        Rule(
            "self.engine == 'spark' || !has(self.spark)",
            "'spark is given, and engine is %s: say engine: spark, or leave spark out'.format([self.engine])",
            "spark is given, and engine is another: say engine: spark, or leave spark out",
            ".spark",
        ),
        Rule(
            "self.engine == 'spark' || !has(self.source.jdbc)",
            "'source.jdbc is read by Spark, and engine is %s: use sql, or engine: spark'.format([self.engine])",
            "source.jdbc is read by Spark, and engine is another: use sql, or engine: spark",
            ".source",
        ),
        # Two fifths more, in whole numbers; what is no quantity at all is its pattern's to tell.
        Rule(
            f"self.engine != 'spark' || {_NO_LIMIT} || !isQuantity({_LIMIT}) || !isQuantity({_HEAP}) || "
            f"(quantity({_LIMIT}).compareTo(quantity({_HEAP}).add(quantity('384Mi'))) >= 0 && "
            f"quantity({_LIMIT}).asApproximateFloat() * 5.0 >= quantity({_HEAP}).asApproximateFloat() * 7.0)",
            "'agent.resources.limits.memory %s has no room for driverMemory %s and two fifths of it, at least 384Mi: "
            f"raise the limit, or lower spark.driverMemory'.format([{_LIMIT}, {_HEAP}])",
            "agent.resources.limits.memory has no room for driverMemory and two fifths of it, at least 384Mi: raise "
            "the limit, or lower spark.driverMemory",
            ".agent.resources.limits",
        ),
    ),
    "Source": (
        Rule(
            f"{_GIVEN} == 1",
            # Which they are, a list that is put together would tell; how long that is an API server cannot estimate.
            f"'a source is one of {', '.join(KINDS)}, and %d are given: name one'.format([{_GIVEN}])",
            f"a source is one of {', '.join(KINDS)}: name one",
        ),
    ),
    "CsvSource": (
        *_FILES,
        Rule(
            "self.decimal != self.delimiter",
            "'decimal \"%s\" is the delimiter as well: give the two that the file has'.format([self.decimal])",
            "decimal is the delimiter as well: give the two that the file has",
            ".decimal",
        ),
    ),
    **dict.fromkeys(("ParquetSource", "FhirSource"), _FILES),
    **dict.fromkeys(("SqlSource", "OmopSource"), _DATABASE),
    "JdbcSource": (
        Rule(
            "!self.url.matches('(?i)(password|passwd|pwd)[0-9]?=')",
            "'url holds a password: put username and password into the Secret that credentials names'",
            "url holds a password: put username and password into the Secret that credentials names",
            ".url",
        ),
        Rule(
            f"{_TOLD} in [0, 3]",
            "'partitionColumn, lowerBound and upperBound go together: give all three or none'",
            "partitionColumn, lowerBound and upperBound go together: give all three or none",
        ),
        Rule(
            f"self.partitions == 1 || {_TOLD} > 0",
            "'%d partitions need partitionColumn, lowerBound and upperBound'.format([self.partitions])",
            "several partitions need partitionColumn, lowerBound and upperBound",
            ".partitions",
        ),
        Rule(
            "!has(self.lowerBound) || !has(self.upperBound) || self.lowerBound < self.upperBound",
            "'upperBound %d is at or below lowerBound %d: swap or mend them'"
            ".format([self.upperBound, self.lowerBound])",
            "upperBound is at or below lowerBound: swap or mend them",
            ".upperBound",
        ),
    ),
    "Spark": (
        Rule(
            "!has(self.maxExecutors) || self.executors > 0",
            "'maxExecutors is %d, and executors 0 computes within the hospital\\'s pod: raise executors, or leave "
            "maxExecutors out'.format([self.maxExecutors])",
            "executors 0 computes within the hospital's pod: raise executors, or leave maxExecutors out",
            ".maxExecutors",
        ),
        Rule(
            "!has(self.maxExecutors) || self.executors == 0 || self.maxExecutors >= self.executors",
            "'maxExecutors %d is below executors %d: raise it, or leave it out'"
            ".format([self.maxExecutors, self.executors])",
            "maxExecutors is below executors: raise it, or leave it out",
            ".maxExecutors",
        ),
        _heap("executorMemory"),
        _heap("driverMemory"),
    ),
    "Egress": (
        Rule(
            "has(self.cidr) != has(self.__namespace__)",
            "'an egress goes to a cidr or to a namespace: give one of them'",
            "an egress goes to a cidr or to a namespace: give one of them",
        ),
    ),
}
"""The rules of each kind of document, by the name of its model."""
