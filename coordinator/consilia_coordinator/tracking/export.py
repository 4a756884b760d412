"""The final model as a scikit-learn pipeline on raw clinical columns, which whoever loads it can run without Consilia.

Every step is a class of scikit-learn or a ufunc of NumPy, with its fitted attributes set: the pipeline loads wherever
scikit-learn is, and skops, MLflow's format of choice, trusts each of them. So save it with
``serialization_format="skops"`` and neither ``skops_trusted_types`` nor ``code_paths``, and with scikit-learn pinned in
``pip_requirements``: fitted attributes are promised within one release only.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, Normalizer, PolynomialFeatures, StandardScaler

from consilia.errors import InvalidMessage
from consilia.features import RADIUS, STRETCH, FeatureMap
from consilia.model import LOGISTIC, Family, Linear, Poisson
from consilia.vectors import FloatArray
from consilia.wording import counted


def to_pipeline(feature_map: FeatureMap, w: FloatArray, names: Sequence[str], family: Family = LOGISTIC) -> Pipeline:
    """The pipeline of parameters ``w`` under a map: our predictions to 1e-12, of the classes 0, 1, ..., or in the
    label's own unit.

    It takes a table with the columns ``names`` in that order (the map's own), in the units of the clinic. Raises
    :class:`InvalidMessage` where map, parameters and names do not belong together.
    """
    if w.shape != (family.size(feature_map.size),) or tuple(names) != feature_map.names:
        each = "" if family.outputs == 1 else f" for each of the {family.outputs} classes"
        raise InvalidMessage(
            f"the model has {counted(np.size(w), 'parameter')} and {counted(len(names), 'column')}: its feature map "
            f"has {counted(len(feature_map.names), 'column')}, whose names must be the same, and one parameter more"
            f"{each}"
        )
    build = _standardised if feature_map.scaling == "federated" else _bounded
    pipeline = build(feature_map, w.reshape(family.outputs, -1), family)
    pipeline[0].feature_names_in_ = np.array(names, dtype=object)
    return pipeline


def _standardised(feature_map: FeatureMap, w: FloatArray, family: Family) -> Pipeline:
    """``scaling: federated``: standardise, then the model."""
    scaler = _scaler(np.array(feature_map.offset), np.array(feature_map.scale))
    return Pipeline([("standardise", scaler), ("model", _model(w[:, :-1], w[:, -1], family))])


def _bounded(feature_map: FeatureMap, w: FloatArray, family: Family) -> Pipeline:
    """``scaling: codebook``: scale, bound, root, stretch, put the intercept's 1 first, clip the row, then the model.

    No class of scikit-learn clips a row ``z`` to norm R, but a Normalizer brings it to norm 1. So the row first gets
    one more entry, ``sqrt(max(0, R^2 - |z|^2))``, which makes its norm ``max(R, |z|)``; normalised it is then
    ``min(1, R / |z|) z / R``. The model's weights are therefore ``R w``, and 0 for the extra entry.
    """
    d = len(feature_map.names)
    order = np.argsort(~np.array(feature_map.roots), kind="stable")  # columns with a root come out first
    count = sum(feature_map.roots)
    weights = np.column_stack((w[:, -1], w[:, :-1][:, order], np.zeros(len(w))))
    return Pipeline(
        [
            ("scale", _scaler(np.array(feature_map.offset), np.array(feature_map.scale))),
            ("bound", _affine(np.ones(d), np.zeros(d), 1.0)),
            ("root", _roots(order[:count].tolist(), order[count:].tolist())),
            ("stretch", _scaler(np.full(d, 0.5), np.full(d, 0.5 / STRETCH))),
            ("intercept", PolynomialFeatures(degree=1).fit(np.zeros((1, d)))),
            ("slack", FeatureUnion([("row", "passthrough"), ("slack", _slack(d + 1))])),
            ("clip", _with(Normalizer(), n_features_in_=d + 2)),
            ("model", _model(RADIUS * weights, np.zeros(len(w)), family)),
        ]
    )


def _slack(d: int) -> Pipeline:
    """``sqrt(max(0, R^2 - |z|^2))`` of rows (n, d): (n, 1)."""
    return Pipeline(
        [
            ("square", FunctionTransformer(np.square)),
            ("sum", _with(TruncatedSVD(n_components=1), components_=np.ones((1, d)), n_features_in_=d)),
            ("rest", _affine(np.array([-1.0]), np.array([RADIUS**2]), RADIUS**2)),
            ("root", FunctionTransformer(np.sqrt)),
        ]
    )


def _roots(rooted: list[int], others: list[int]) -> ColumnTransformer:
    """The square root of some of the columns, which come first; the others as they are."""
    steps = [("root", FunctionTransformer(np.sqrt), rooted), ("linear", "passthrough", others)]
    return ColumnTransformer(steps).fit(np.zeros((1, len(rooted) + len(others))))


def _scaler(mean: FloatArray, scale: FloatArray) -> StandardScaler:
    """``(x - mean) / scale``."""
    return _with(
        StandardScaler(), mean_=mean, scale_=scale, var_=np.square(scale), n_features_in_=mean.size, n_samples_seen_=1
    )


def _affine(scale: FloatArray, offset: FloatArray, top: float) -> MinMaxScaler:
    """``x * scale + offset``, clipped to [0, top]."""
    ends = (np.array([0.0, top])[:, None] - offset) / scale
    return _with(
        MinMaxScaler(feature_range=(0.0, top), clip=True),
        scale_=scale,
        min_=offset,
        data_min_=ends.min(axis=0),
        data_max_=ends.max(axis=0),
        data_range_=np.ptp(ends, axis=0),
        n_features_in_=scale.size,
        n_samples_seen_=2,
    )


def _model(weights: FloatArray, intercept: FloatArray, family: Family) -> Any:
    """scikit-learn's model with these weights (outputs, columns) and intercepts (outputs,)."""
    columns = weights.shape[1]
    match family:
        case Linear():
            return _with(
                LinearRegression(),
                coef_=family.half * weights[0],
                intercept_=family.middle + family.half * float(intercept[0]),
                n_features_in_=columns,
            )
        case Poisson():
            model = PoissonRegressor()
            # What its fit would leave, and predict asks for the link.
            loss = model._get_loss()  # noqa: SLF001
            return _with(
                model, coef_=weights[0].copy(), intercept_=float(intercept[0]), _base_loss=loss, n_features_in_=columns
            )
    if len(weights) == 2:
        # Of two classes scikit-learn keeps one row, that of the log-odds.
        weights, intercept = weights[1:] - weights[:1], intercept[1:] - intercept[:1]
    return _with(
        LogisticRegression(),
        coef_=weights.copy(),
        intercept_=intercept.copy(),
        classes_=np.arange(family.classes or 2, dtype=np.int64),
        n_features_in_=columns,
        n_iter_=np.array([0], dtype=np.int32),
    )


def _with(estimator: Any, **fitted: Any) -> Any:
    """An estimator as its ``fit`` would leave it."""
    for name, value in fitted.items():
        setattr(estimator, name, value)
    return estimator
