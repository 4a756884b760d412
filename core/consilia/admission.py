"""What an API server refuses though every single field is well: the validators of :mod:`consilia.spec` again, in CEL.

A rule and its validator say the same sentence; what a rule leaves out (cohorts of more than :data:`MOST_COMPARED`
hospitals are not compared) is told in the status. Cost decides how both are written: an API server gives one rule a
million steps, which two nested loops over 500 hospitals would exceed, and it cannot tell how long the text of a number
is, so that sentences are formatted (Kubernetes 1.29 and later), not put together.
"""

from consilia.asked_statistics import MOST_FEATURES
from consilia.experiment import NUMERIC, WEAK_FROM
from consilia.patterns import LABEL_KEY, WORDS
from consilia.rule import Rule
from consilia.source_rules import RULES as SOURCE_RULES

MOST_COMPARED = 150
"""Hospitals of a federation whose cohorts are still compared at admission."""

_COHORTS = "self.hospitals.map(h, (has(h.cohort.__namespace__) ? h.cohort.__namespace__ + '/' : '') + h.cohort.name)"
_NO_BOUNDS = "!has(f.min) || !has(f.max)"
_NUMERIC = f"(has(self.model) && has(self.model.kind) && self.model.kind in {list(NUMERIC)})"
_COUNTS = "(has(self.model) && has(self.model.kind) && self.model.kind == 'PoissonRegression')"
_PRIVATE = "(has(self.privacy) && has(self.privacy.epsilon) && self.privacy.epsilon > 0.0)"

_STATISTICS = "(has(self.task) && self.task == 'Statistics')"
_NAMED = "(has(self.statistics) && has(self.statistics.features) && size(self.statistics.features) > 0)"
_NAMES = "self.features.codebook.map(f, f.name)"

_POD = (
    Rule(
        f"!has(self.nodeSelector) || self.nodeSelector.all(k, k.matches(r'{LABEL_KEY}'))",
        f"'nodeSelector has \"%s\"; it must be {WORDS[LABEL_KEY]}'"
        f".format([self.nodeSelector.filter(k, !k.matches(r'{LABEL_KEY}'))[0]])",
        f"a key of nodeSelector must be {WORDS[LABEL_KEY]}",
        ".nodeSelector",
    ),
)


def _fits(name: str) -> Rule:
    """No request above its limit; what is no quantity at all is its pattern's to tell.

    A default is held to the rules before its own fields have theirs: neither need be there.
    """
    asked, limit = f"self.requests.{name}", f"self.limits.{name}"
    absent = " || ".join(f"!has({each})" for each in ("self.requests", "self.limits", asked, limit))
    given = f"{absent} || !isQuantity({asked}) || !isQuantity({limit})"
    return Rule(
        f"{given} || quantity({asked}).compareTo(quantity({limit})) <= 0",
        f"'requests.{name} %s is more than limits.{name} %s: lower the request or raise the limit'"
        f".format([{asked}, {limit}])",
        f"requests.{name} is more than limits.{name}: lower the request or raise the limit",
        ".requests",
    )


RULES: dict[str, tuple[Rule, ...]] = {
    "Federation": (
        Rule(
            "!self.metadata.name.matches('^[0-9]')",
            "'metadata.name \"%s\" starts with a digit, and its Services cannot be called so: put a letter first'"
            ".format([self.metadata.name])",
            "metadata.name starts with a digit, and its Services cannot be called so: put a letter first",
        ),
    ),
    "FederationSpec": (
        Rule(
            "!has(self.quorum) || self.quorum <= size(self.hospitals)",
            "'quorum %d is more than the %d hospital%s: lower spec.quorum or add a hospital'"
            ".format([self.quorum, size(self.hospitals), size(self.hospitals) == 1 ? '' : 's'])",
            "quorum is more than the hospitals: lower spec.quorum or add a hospital",
            ".quorum",
        ),
        Rule(
            "!self.hospitals.exists(h, h.name == 'coordinator')",
            "'a hospital cannot be called \"coordinator\", which is the coordinator\\'s own account: rename it'",
            "a hospital cannot be called coordinator, which is the coordinator's own account: rename it",
            ".hospitals",
        ),
        # A list of one list stands for a variable: the inner list is made once. Looking for each cohort in it costs the
        # square of their number, which the longest names of more than 150 would raise over the budget.
        Rule(
            f"size(self.hospitals) > {MOST_COMPARED} || "
            f"[{_COHORTS}].all(l, l.all(c, l.indexOf(c) == l.lastIndexOf(c)))",
            "'cohort \"%s\" is brought by two hospitals: one hospital a cohort'"
            f".format([[{_COHORTS}].map(l, l.filter(c, l.indexOf(c) != l.lastIndexOf(c))[0])[0]])",
            "a cohort is brought by two hospitals: one hospital a cohort",
            ".hospitals",
        ),
        # What is no duration at all is its pattern's to tell.
        Rule(
            "!self.roundTimeout.matches('^[0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h)$') || "
            "duration(self.roundTimeout) >= duration('100ms')",
            "'roundTimeout %s is below 100ms: no hospital could answer in time'.format([self.roundTimeout])",
            "roundTimeout is below 100ms: no hospital could answer in time",
            ".roundTimeout",
        ),
        Rule(
            f"{_PRIVATE} || !has(self.algorithm) || !has(self.algorithm.dpFedSGD)",
            "'dpFedSGD adds noise, and privacy.epsilon 0 asks for none (NON-PRIVATE): use fedAvg, or set "
            "privacy.epsilon above 0'",
            "dpFedSGD adds noise, and privacy.epsilon 0 asks for none (NON-PRIVATE): use fedAvg, or set "
            "privacy.epsilon above 0",
            ".algorithm",
        ),
        Rule(
            f"!{_PRIVATE} || !has(self.algorithm) || !has(self.algorithm.fedAvg)",
            "'fedAvg sends local models, to which no useful noise can be added, and privacy.epsilon %s asks for noise: "
            "use dpFedSGD, or set privacy.epsilon to 0 (NON-PRIVATE)'.format([self.privacy.epsilon])",
            "fedAvg sends local models, to which no useful noise can be added: use dpFedSGD, or set privacy.epsilon to "
            "0 (NON-PRIVATE)",
            ".algorithm",
        ),
        Rule(
            f"!{_PRIVATE} || !has(self.features.scaling) || self.features.scaling == 'codebook'",
            "'scaling: federated sends sums of patients\\' values, and privacy.epsilon %s lets nothing leave without "
            "noise: use scaling: codebook, with public bounds'.format([self.privacy.epsilon])",
            "scaling: federated sends sums of patients' values, which leave without noise: use scaling: codebook, with "
            "public bounds",
            ".features.scaling",
        ),
        Rule(
            f"!{_PRIVATE} || has(self.features.nominalRows)",
            "'privacy.epsilon %s needs features.nominalRows, a public guess of how many rows all hospitals have "
            "together: the true number is not known to anybody'.format([self.privacy.epsilon])",
            "noise needs features.nominalRows, a public guess of how many rows all hospitals have together: the true "
            "number is not known to anybody",
            ".features",
        ),
        Rule(
            f"!{_PRIVATE} || !has(self.features.nominalRows) || !has(self.privacy.delta) || "
            "self.privacy.delta * double(self.features.nominalRows) < 1.0",
            "'privacy.delta is %s, and 1 / nominalRows is not above it, with nominalRows %d: a whole record could be "
            "sent at that delta; lower it, usually to 1e-5 or less'"
            ".format([self.privacy.delta, self.features.nominalRows])",
            "privacy.delta is not below 1 / nominalRows: a whole record could be sent at that delta; lower it, usually "
            "to 1e-5 or less",
            ".privacy.delta",
        ),
        Rule(
            f"{_STATISTICS} || !has(self.statistics)",
            "'statistics says what task: Statistics tells, and task is Training: set task, or leave it out'",
            "statistics says what task: Statistics tells, and task is Training: set task, or leave it out",
            ".statistics",
        ),
        Rule(
            f"!{_STATISTICS} || (!has(self.evaluation) && (!has(self.algorithm) || "
            "(!has(self.algorithm.fedAvg) && !has(self.algorithm.dpFedSGD))))",
            "'task: Statistics trains no model: leave algorithm and evaluation out'",
            "task: Statistics trains no model: leave algorithm and evaluation out",
            ".task",
        ),
        Rule(
            f"!{_STATISTICS} || !has(self.features.scaling) || self.features.scaling == 'codebook'",
            "'task: Statistics places values between public bounds: use scaling: codebook, with min and max'",
            "task: Statistics places values between public bounds: use scaling: codebook, with min and max",
            ".features.scaling",
        ),
        Rule(
            f"!{_STATISTICS} || !{_NAMED} || [{_NAMES}].all(l, self.statistics.features.all(n, n in l))",
            "'statistics names feature \"%s\", which is not in features.codebook: add it there, or remove it'"
            f".format([[{_NAMES}].map(l, self.statistics.features.filter(n, !(n in l))[0])[0]])",
            "statistics names a feature that is not in features.codebook: add it there, or remove it",
            ".statistics.features",
        ),
        Rule(
            f"!{_STATISTICS} || {_NAMED} || size(self.features.codebook) <= {MOST_FEATURES}",
            "'statistics of all %d features of the codebook are too many for one run: name at most "
            f"{MOST_FEATURES} of them in statistics.features'.format([size(self.features.codebook)])",
            "statistics of all features of the codebook are too many for one run: name at most "
            f"{MOST_FEATURES} of them in statistics.features",
            ".features.codebook",
        ),
        Rule(
            f"!{_NUMERIC} || has(self.features.outcome)",
            "'%s needs features.outcome, the public bounds of its label: give its min and max, in its unit'"
            ".format([self.model.kind])",
            "the model needs features.outcome, the public bounds of its label: give its min and max, in its unit",
            ".features",
        ),
        Rule(
            f"{_NUMERIC} || !has(self.features.outcome)",
            "'features.outcome bounds a label that is a number, and %s learns classes: remove it, or use "
            f"{' or '.join(NUMERIC)}'.format([has(self.model) && has(self.model.kind) ? self.model.kind : "
            "'LogisticRegression'])",
            "features.outcome bounds a label that is a number, and the model learns classes: remove it, or use "
            f"{' or '.join(NUMERIC)}",
            ".features.outcome",
        ),
        Rule(
            f"!{_COUNTS} || !has(self.features.outcome) || self.features.outcome.min == 0.0",
            "'features.outcome has min %s, and PoissonRegression counts from 0: set min to 0'"
            ".format([self.features.outcome.min])",
            "features.outcome has another min than 0, and PoissonRegression counts from 0: set min to 0",
            ".features.outcome",
        ),
        Rule(
            f"!{_COUNTS} || !has(self.evaluation)",
            "'evaluation.builtin has no column of counts, and PoissonRegression learns counts: remove evaluation'",
            "evaluation.builtin has no column of counts, and PoissonRegression learns counts: remove evaluation",
            ".evaluation",
        ),
    ),
    "Outcome": (
        Rule(
            "self.min < self.max",
            "'outcome has max %s at or below min %s: swap them'.format([self.max, self.min])",
            "outcome has max at or below min: swap them",
        ),
    ),
    "Model": (
        Rule(
            "!has(self.kind) || self.kind != 'SoftmaxRegression' || has(self.classes)",
            "'SoftmaxRegression needs classes, the number of classes: labels are 0, 1, ... below it'",
            "SoftmaxRegression needs classes, the number of classes: labels are 0, 1, ... below it",
        ),
        Rule(
            "!has(self.classes) || !has(self.kind) || self.kind == 'SoftmaxRegression'",
            "'%s has no classes to count: remove model.classes, or use SoftmaxRegression'.format([self.kind])",
            "the model has no classes to count: remove model.classes, or use SoftmaxRegression",
            ".classes",
        ),
    ),
    "Feature": (
        Rule(
            "!has(self.min) || !has(self.max) || self.min < self.max",
            "'feature \"%s\" has max %s at or below min %s: swap them'.format([self.name, self.max, self.min])",
            "a feature has max at or below min: swap them",
        ),
    ),
    "Features": (
        Rule(
            "!self.codebook.exists(f, f.name == self.label)",
            "'label \"%s\" is also a feature: remove it from features.codebook'.format([self.label])",
            "the label is also a feature: remove it from features.codebook",
            ".label",
        ),
        Rule(
            f"self.scaling != 'codebook' || !self.codebook.exists(f, {_NO_BOUNDS})",
            "'feature \"%s\" has no bounds: give min and max, or use scaling: federated'"
            f".format([self.codebook.filter(f, {_NO_BOUNDS})[0].name])",
            "a feature has no bounds: give min and max, or use scaling: federated",
            ".codebook",
        ),
    ),
    "Privacy": (
        Rule(
            f"!has(self.epsilon) || self.epsilon <= {WEAK_FROM} || (has(self.acceptWeak) && self.acceptWeak)",
            f"'epsilon %s promises next to nothing: ask for {WEAK_FROM:g} or less, usually between 0.5 and 8, or say "
            "acceptWeak: true'.format([self.epsilon])",
            f"epsilon promises next to nothing: ask for {WEAK_FROM:g} or less, or say acceptWeak: true",
            ".epsilon",
        ),
    ),
    "Algorithm": (
        Rule(
            "!has(self.fedAvg) || !has(self.dpFedSGD)",
            "'fedAvg and dpFedSGD are both asked for: a run has one algorithm, so remove one'",
            "fedAvg and dpFedSGD are both asked for: a run has one algorithm, so remove one",
        ),
    ),
    "BuiltinSource": (
        Rule(
            "self.shard < self.of",
            "'shard %d does not exist: of %d shards the last is %d'.format([self.shard, self.of, self.of - 1])",
            "shard does not exist: it must be below the number of shards",
            ".shard",
        ),
    ),
    "Resources": (_fits("cpu"), _fits("memory")),
    "Toleration": (
        Rule(
            "self.operator != 'Exists' || !has(self.value)",
            "'value \"%s\" is never compared with operator Exists: leave it out, or use Equal'.format([self.value])",
            "a value is never compared with operator Exists: leave it out, or use Equal",
            ".value",
        ),
        Rule(
            "self.operator != 'Equal' || has(self.key)",
            "'a toleration without a key tolerates every taint: write operator Exists, or give the key'",
            "a toleration without a key tolerates every taint: write operator Exists, or give the key",
        ),
    ),
    **dict.fromkeys(("Broker", "Coordinator", "Tracking", "Agent"), _POD),
    **SOURCE_RULES,
}
"""The rules of each kind of document, by the name of its model."""


def described(pattern: str) -> str:
    """What a text that matches ``pattern`` is, for people."""
    return WORDS[pattern]


def matching(pattern: str) -> Rule:
    """The rule of a text that matches ``pattern``, which says it in words; a schema's own pattern shows itself."""
    words = described(pattern)
    return Rule(
        f"self.matches(r'{pattern}')", f"'it is \"%s\"; it must be {words}'.format([self])", f"it must be {words}"
    )


LIST_KEYS: dict[tuple[str, str], str] = {
    ("FederationSpec", "hospitals"): "name",
    ("Features", "codebook"): "name",
    ("CohortSpec", "grants"): "namespace",
    ("TableMapping", "columns"): "name",
    ("FederationStatus", "hospitals"): "name",
    ("FederationStatus", "statistics"): "name",
    ("FederationStatus", "conditions"): "type",
    ("CohortStatus", "conditions"): "type",
}
"""Lists that hold each key once: the model, its list, and the field that is the key."""

SETS: frozenset[tuple[str, str]] = frozenset(
    {("Grant", "federations"), ("Statistics", "features"), ("Statistics", "quantiles")}
)
"""Lists of words that hold each word once."""
