"""Statistics runs in MLflow: their parameters, a metric a number, a table, and no model."""

import csv
import io

import pytest

from consilia.protocol import PrivacyTerms
from consilia.spec import FederationSpec
from consilia.status import FeatureStatistics, Histogram, QuantileStatistic, StatisticErrors
from consilia_coordinator.tracking.parameters import parameters_of
from consilia_coordinator.tracking.statistics_record import metrics_of, table_of
from statistics_world import statistics_spec

TOLD = FeatureStatistics(
    name="mean radius",
    unit="mm",
    count=364.5,
    mean=14.1,
    variance=12.0,
    quantiles=[QuantileStatistic(q=0.5, value=13.4, low=11.0, high=17.0)],
    histogram=Histogram(edges=[5.0, 17.0, 29.0], counts=[300.0, 64.5], error=20.0),
    errors=StatisticErrors(count=33.0, mean=1.4, variance=9.0),
)
HIDDEN = FeatureStatistics(name="CA 19-9 [kU/L]", count=364.5, hidden=["mean", "variance", "quantiles", "histogram"])


def terms_of(spec: FederationSpec) -> PrivacyTerms | None:
    return PrivacyTerms.of(spec, "uid-1", "consortium/survey", 1)


def test_each_number_that_is_told_is_a_metric_with_its_error() -> None:
    assert metrics_of([TOLD, HIDDEN]) == {
        "statistics/mean radius/count": 364.5,
        "statistics/mean radius/mean": 14.1,
        "statistics/mean radius/variance": 12.0,
        "statistics/mean radius/count_error": 33.0,
        "statistics/mean radius/mean_error": 1.4,
        "statistics/mean radius/variance_error": 9.0,
        "statistics/mean radius/quantile_0.5": 13.4,
        "statistics/CA 19-9 _kU_L_/count": 364.5,
    }


def test_names_that_become_alike_stay_apart() -> None:
    alike = [TOLD.model_copy(update={"name": name}) for name in ("a/b", "a(b", "a_b", "β" * 300)]
    names = {key.split("/")[1] for key in metrics_of(alike)}
    assert names == {"a_b", "a_b 2", "a_b 3", "_" * 180}


def test_the_table_has_a_line_a_feature_and_nothing_where_noise_hides() -> None:
    formula = TOLD.model_copy(update={"name": '=HYPERLINK("x")'})
    lines = list(csv.DictReader(io.StringIO(table_of([TOLD, HIDDEN, formula]))))
    assert [line["feature"] for line in lines] == ["mean radius", "CA 19-9 [kU/L]", '\'=HYPERLINK("x")']
    assert (lines[0]["mean"], lines[0]["mean ±"], lines[0]["quantile 0.5 from"]) == ("14.1", "1.4", "11.0")
    assert (lines[1]["mean"], lines[1]["hidden"]) == ("", "mean variance quantiles histogram")


@pytest.mark.parametrize("mechanism", ["Gaussian", "Laplace"])
def test_parameters_are_those_of_a_statistics_run(mechanism: str) -> None:
    spec = statistics_spec(1.0, privacy={"epsilon": 1.0, "mechanism": mechanism})
    parameters = parameters_of(spec, 2, terms_of(spec))
    assert parameters["task"] == "Statistics"
    assert parameters["statistics"] == "mean radius, mean texture"
    assert (parameters["bins"], parameters["quantiles"], parameters["features"]) == ("10", "0.25, 0.5, 0.75", "2")
    assert ("sigma" in parameters, "scale" in parameters) == (mechanism == "Gaussian", mechanism == "Laplace")
    assert "model" not in parameters
    assert "epsilon" in parameters_of(statistics_spec(), 2, None)
