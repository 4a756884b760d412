"""The noise of a run, settled before it starts, from public numbers alone: how much, how often, and what it costs.

Noise is calibrated once, for the target rounds plus a reserve of retries; whatever is not in the plan is not sent. With
mu of the promise (:func:`consilia.privacy.gaussian.mu_of`), a training patient is in T + r releases of gradient sums of
sensitivity C: ``sigma = C sqrt(T + r) / mu``. Where there is a centre, one release of the rows' sum (sensitivity R)
takes its share of mu^2 and training has the rest. A holdout patient is in one evaluation, which therefore has all of
mu: a patient is in training or in the holdout, never in both, so the two compose in parallel (McSherry 2009, theorem
4).

With Laplace noise, records are clipped in L1 norm, and epsilon is divided evenly (basic composition); there is no
centre.
"""

from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Literal, Self

from consilia.errors import InvalidPrivacy
from consilia.features import RADIUS
from consilia.privacy import gaussian
from consilia.privacy.accounting import Event, GaussianRelease, LaplaceRelease, Loss
from consilia.privacy.clipping import Norm
from consilia.privacy.noise import TAIL_BITS, Mechanism, Noise

Kind = Literal["centre", "train", "evaluate", "statistics"]

RESERVE = 2
"""Retries of training rounds that the noise is calibrated for."""

CENTRE_FROM = 1.0
"""Least epsilon at which knowing the centre is worth what it costs."""
CENTRE_SHARE = 0.1
"""Share of mu^2 that the centre takes."""

LOSS_WEIGHT = 0.5
"""What a patient's loss adds to an evaluation, at most, where the cell of the patient adds 1."""
LARGEST_LOSS = 4.0
"""A patient's loss is clipped to it, in nats: a probability of 2 % given to what is true."""

STEEPEST = 10.0
"""Largest step size, whatever the noise."""
STEP_SHARE = 0.5
"""Part of the step that keeps T noises' random walk at length 1 in each weight. At epsilon 1, half of it is measurably
better than the whole (twice of it is worse), and at 2 to 8 it is as good."""


@dataclass(frozen=True)
class Ask:
    """What a federation asks for, in public numbers.

    ``epsilon`` above 0 and ``delta`` between 0 and 1 / ``nominal_rows``: the promise of one run. ``clip`` (> 0): the
    norm to which a record's gradient is clipped. ``rounds`` T >= 1, ``reserve`` r >= 0, ``hospitals`` K >= 1,
    ``nominal_rows`` n0 >= 1: training rows that all hospitals are taken to have together. ``noised_holdout``: whether
    holdouts are scored with noise, and so within the promise. Raises :class:`InvalidPrivacy`, naming the number.
    """

    epsilon: float
    delta: float
    clip: float
    rounds: int
    hospitals: int
    nominal_rows: int
    mechanism: Mechanism = "Gaussian"
    reserve: int = RESERVE
    noised_holdout: bool = True

    def __post_init__(self) -> None:
        gaussian.require_epsilon(self.epsilon, above_zero=True)
        gaussian.require_delta(self.delta)
        if not (self.clip > 0 and isfinite(self.clip)):
            raise InvalidPrivacy(f"clipNorm is {self.clip:g}; it must be above 0, usually between 0.1 and 1")
        for name, value, least in (
            ("rounds", self.rounds, 1),
            ("reserve", self.reserve, 0),
            ("hospitals", self.hospitals, 1),
            ("nominalRows", self.nominal_rows, 1),
        ):
            if value < least:
                raise InvalidPrivacy(f"{name} is {value}; it must be at least {least}")
        if self.delta * self.nominal_rows >= 1:
            raise InvalidPrivacy(
                f"delta is {self.delta:g}, which is not below 1 / nominalRows ({1 / self.nominal_rows:.2g}): at that "
                "delta a whole record could be sent; lower it, usually to 1e-5 or less"
            )
        if self.mechanism not in TAIL_BITS:
            raise InvalidPrivacy(f'mechanism "{self.mechanism}" is unknown: use one of {", ".join(TAIL_BITS)}')


@dataclass(frozen=True)
class Planned:
    """Releases of one kind that a run may make: how often at most, their sensitivity and their noise."""

    kind: Kind
    times: int
    sensitivity: float
    noise: Noise

    @property
    def norm(self) -> Norm:
        """The norm of ``sensitivity``, to which records are clipped."""
        return "L2" if self.noise.mechanism == "Gaussian" else "L1"

    @property
    def event(self) -> Event:
        """One of them, as accounting knows it."""
        if self.noise.mechanism == "Gaussian":
            return GaussianRelease(self.sensitivity, self.noise.scale)
        return LaplaceRelease(self.sensitivity, self.noise.scale)

    @property
    def loss(self) -> Loss:
        """What all of them cost."""
        return Loss.of(self.event, self.times)


@dataclass(frozen=True)
class Plan:
    """All noise of a run: what it asked for, and every release that it may make."""

    ask: Ask

    @property
    def releases(self) -> tuple[Planned, ...]:
        """One of each kind."""
        raise NotImplementedError

    @property
    def planned(self) -> dict[Kind, Planned]:
        """Every kind of release that the run may make."""
        return {each.kind: each for each in self.releases}

    @property
    def training_loss(self) -> Loss:
        """What the run costs a training patient, at most."""
        return Loss.sum(each.loss for each in self.releases if each.kind != "evaluate")

    @property
    def holdout_loss(self) -> Loss:
        """What the run costs a holdout patient, at most; nothing where holdouts are scored without noise, which the
        promise then does not cover."""
        return Loss.sum(each.loss for each in self.releases if each.kind == "evaluate")

    @property
    def epsilon(self) -> float:
        """Of the whole run, for any patient it covers, at the asked delta."""
        return max(loss.epsilon(self.ask.delta) for loss in (self.training_loss, self.holdout_loss))

    @property
    def replacing(self) -> float:
        """The same, where a record is replaced by another one."""
        return max(loss.replacing(self.ask.delta) for loss in (self.training_loss, self.holdout_loss))


@dataclass(frozen=True)
class NoisePlan(Plan):
    """All noise of a training run. ``centre`` and ``evaluate`` are None where a run has none."""

    train: Planned
    centre: Planned | None
    evaluate: Planned | None

    @classmethod
    def of(cls, ask: Ask) -> Self:
        """The plan of a run; its losses are within what is asked for, and nothing is left over."""
        times = ask.rounds + ask.reserve
        evaluations = 1 if ask.noised_holdout else 0
        if ask.mechanism == "Laplace":
            return cls(
                ask,
                train=laplace_releases("train", times, ask.clip, ask.epsilon),
                centre=None,
                evaluate=laplace_releases("evaluate", evaluations, 1 + LOSS_WEIGHT, ask.epsilon)
                if evaluations
                else None,
            )
        mu = gaussian.mu_of(ask.epsilon, ask.delta)
        share = CENTRE_SHARE if has_centre(ask.epsilon, ask.mechanism) else 0.0
        return cls(
            ask,
            train=gaussian_releases("train", times, ask.clip, mu * sqrt(1 - share)),
            centre=gaussian_releases("centre", 1, RADIUS, mu * sqrt(share)) if share else None,
            evaluate=gaussian_releases("evaluate", evaluations, sqrt(1 + LOSS_WEIGHT**2), mu) if evaluations else None,
        )

    @property
    def releases(self) -> tuple[Planned, ...]:
        """See :class:`Plan`."""
        return tuple(each for each in (self.centre, self.train, self.evaluate) if each is not None)

    @property
    def learning_rate(self) -> float:
        """Step size of the coordinator: ``min(10, 1/2 n0 mu / (T sqrt(K) C))``, mu being training's.

        With Laplace noise, mu is that of Gaussian noise with the same standard deviation.
        """
        ask, noise = self.ask, self.train.noise
        deviation = noise.scale * (1.0 if noise.mechanism == "Gaussian" else sqrt(2))
        mu = self.train.sensitivity * sqrt(self.train.times) / deviation
        return min(STEEPEST, STEP_SHARE * ask.nominal_rows * mu / (ask.rounds * sqrt(ask.hospitals) * ask.clip))


def has_centre(epsilon: float, mechanism: Mechanism) -> bool:
    """Whether a private run begins with a release of the rows' sum."""
    return mechanism == "Gaussian" and epsilon >= CENTRE_FROM


def gaussian_releases(kind: Kind, times: int, sensitivity: float, mu: float) -> Planned:
    """Releases that together cost at most ``mu``."""
    sigma = sensitivity * sqrt(times) / mu
    return Planned(kind, times, sensitivity, Noise("Gaussian", sigma * (1 + gaussian.LOOSE)))


def laplace_releases(kind: Kind, times: int, sensitivity: float, epsilon: float) -> Planned:
    """Releases that together cost at most ``epsilon``."""
    scale = times * sensitivity / epsilon
    return Planned(kind, times, sensitivity, Noise("Laplace", scale * (1 + gaussian.LOOSE)))
