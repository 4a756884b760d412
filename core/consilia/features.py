"""The feature map: from clinical columns to design rows, the same at every hospital and at prediction.

Two scalings. ``codebook`` uses public bounds only, so that nothing is fitted on patients (see
docs/privacy-for-statisticians.md). ``federated`` standardises by the mean and variance over all hospitals, from
moments that each of them summed; it leaks those sums, so it is for federations without privacy.

Both append an intercept of 1 as the last column. A map is data: it travels as JSON, and its floats come back bit by
bit.
"""

from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from consilia.errors import InvalidData, InvalidManifest
from consilia.experiment import Features
from consilia.vectors import FloatArray, all_finite
from consilia.wording import counted

STRETCH = 2.0
"""The codebook maps a column to [-STRETCH, STRETCH]."""

RADIUS = 4.0
"""L2 norm R to which the codebook clips a row, intercept included."""

CONSTANT = 1e-6
"""A standard deviation below this share of the root mean square is called 0.

Moments about zero lose twice the digits of mean / deviation: 1e-6 leaves four of float64's sixteen, and whatever is
below could be rounding alone. Clinical columns are far from it (the example's worst is 0.1), so no public shift is
needed.
"""


class FeatureMap(BaseModel):
    """``d`` named columns, each mapped by ``(x - offset) / scale``; then what the scaling says.

    ``codebook``: clipped to [0, 1] (offset and scale are the bound and the range), ``4u - 2`` or, where ``roots`` is
    true, ``4 sqrt(u) - 2``, and every row clipped to L2 norm 4 with its intercept. ``federated``: nothing more.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    scaling: Literal["codebook", "federated"]
    names: tuple[str, ...] = Field(min_length=1)
    offset: tuple[float, ...]
    scale: tuple[float, ...]
    roots: tuple[bool, ...] = ()

    @model_validator(mode="after")
    def _one_entry_a_column(self) -> Self:
        roots = len(self.names) if self.scaling == "codebook" else 0
        if not len(self.names) == len(self.offset) == len(self.scale) or len(self.roots) != roots:
            raise ValueError(
                f"a feature map of {counted(len(self.names), 'column')} needs an offset and a scale for each"
            )
        if min(self.scale) <= 0:
            raise ValueError(f'feature "{self.names[int(np.argmin(self.scale))]}" has a scale that is not above 0')
        return self

    @classmethod
    def of(cls, features: Features, total: FloatArray | None) -> Self:
        """The map of a run, by what its features say; ``total`` are the summed moments, once there are any.

        Raises :class:`InvalidManifest` where the scaling is federated and nothing was summed yet.
        """
        if features.scaling == "codebook":
            return cls.from_codebook(features)
        if total is None:
            raise InvalidManifest("scaling: federated has no map before the hospitals' moments are summed, in round 0")
        return cls.from_moments(features.names, total)

    @classmethod
    def from_codebook(cls, features: Features) -> Self:
        """The map of ``scaling: codebook``, from the federation's public bounds."""
        low: list[float] = []
        width: list[float] = []
        for feature in features.codebook:
            if feature.min is None or feature.max is None:
                raise InvalidManifest(
                    f'feature "{feature.name}" has no bounds: give min and max, or use scaling: federated'
                )
            low.append(feature.min)
            width.append(feature.max - feature.min)
        roots = tuple(feature.scale == "sqrt" for feature in features.codebook)
        return cls(scaling="codebook", names=tuple(features.names), offset=tuple(low), scale=tuple(width), roots=roots)

    @classmethod
    def from_moments(cls, names: Sequence[str], total: FloatArray) -> Self:
        """The map of ``scaling: federated``, from the hospitals' summed moments (1 + 2d values)."""
        mean, scale = scaling_from_moments(total)
        return cls(scaling="federated", names=tuple(names), offset=tuple(mean.tolist()), scale=tuple(scale.tolist()))

    @property
    def size(self) -> int:
        """Length of a parameter vector: one weight a column, and the intercept last."""
        return len(self.names) + 1

    def apply(self, x: FloatArray) -> FloatArray:
        """Map clinical rows (n, d) to design rows (n, d + 1), intercept last.

        Raises :class:`InvalidData` where a column holds NaN or infinity, or where there are not ``d`` columns.
        """
        self._require_usable(x)
        z = np.ones((x.shape[0], self.size))
        scaled = z[:, :-1]
        np.subtract(x, self.offset, out=scaled)
        scaled /= self.scale
        if self.scaling == "codebook":
            self._bound(scaled)
            _clip_rows(z)
        return z

    def _bound(self, u: FloatArray) -> None:
        """Finish the codebook's map in place."""
        np.clip(u, 0.0, 1.0, out=u)
        np.sqrt(u, out=u, where=np.asarray(self.roots))
        u *= 2 * STRETCH
        u -= STRETCH

    def _require_usable(self, x: FloatArray) -> None:
        if x.ndim != 2 or x.shape[1] != len(self.names):
            raise InvalidData(
                f"the table has shape {x.shape}: the feature map needs {counted(len(self.names), 'column')}"
            )
        require_finite(x, self.names)


def require_finite(x: FloatArray, names: Sequence[str]) -> None:
    """Refuse NaN and infinity in rows (n, d), naming the column and never the patient."""
    if all_finite(x):
        return
    bad = ~np.isfinite(x)
    column = int(np.argmax(bad.any(axis=0)))
    raise InvalidData(f'column "{names[column]}" holds NaN or infinity in some rows: fill or remove those rows')


def moments(x: FloatArray) -> FloatArray:
    """Summed moments of rows (n, d): ``[n, sum of each column, sum of squares of each column]``, 1 + 2d values."""
    return np.concatenate(([float(x.shape[0])], x.sum(axis=0), np.square(x).sum(axis=0)))


def scaling_from_moments(total: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and (population) standard deviation of each column, from moments summed over hospitals.

    A constant column gets scale 1, so that it maps to 0. Raises :class:`InvalidData` for moments that no table has.
    """
    if total.ndim != 1 or total.size < 3 or total.size % 2 == 0:
        raise InvalidData(f"moments have {counted(total.size, 'value')}: expected 1 + 2 for each column")
    if not all_finite(total) or total[0] < 1:
        raise InvalidData("the summed moments are not finite, or count no rows: a hospital's values are out of range")
    d = total.size // 2
    mean = total[1 : d + 1] / total[0]
    square = total[d + 1 :] / total[0]
    variance = square - np.square(mean)
    if (square < 0).any() or (variance < -CONSTANT * square).any():
        raise InvalidData("the summed moments are of no table: a sum of squares is too small for its sum")
    scale = np.where(variance > CONSTANT**2 * square, np.sqrt(np.maximum(variance, 0.0)), 1.0)
    return mean, scale


def _clip_rows(z: FloatArray) -> None:
    """Scale rows with an L2 norm above ``RADIUS`` down to it, in place."""
    norm = np.sqrt(np.einsum("ij,ij->i", z, z))
    z *= (RADIUS / np.maximum(norm, RADIUS))[:, None]
