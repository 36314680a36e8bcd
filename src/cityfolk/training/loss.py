"""What training minimises, as functions of log-probabilities, by name, and what is watched meanwhile.

Notation: h = log pi(y|x) - log pi_ref(y|x) of an answer y, summed over its tokens; c chosen, r rejected.

    dpo       -log sigmoid(beta (h_c - h_r)): Rafailov et al. 2023, eq. 7
    dpo-norm  the same with h divided by the answer's tokens: Lambert et al. 2024 (Tulu 3, arXiv:2411.15124)
    ipo       (h_c - h_r - 1 / (2 beta))^2, their tau being beta: Azar et al. 2024, eq. 17
    ipo-norm  the same with h divided by the answer's tokens, as TRL has it under the name of ipo
    sft       minus the log-probability of the chosen answers, a token's mean over the batch; no reference

Label smoothing e turns dpo and dpo-norm into (1 - e) loss(c, r) + e loss(r, c): conservative DPO (Mitchell 2023).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from cityfolk.errors import UsageError

ROUNDING = 1e-4
"""Nats of an answer: what two passes may differ by in single precision, so that less is a tie."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """One number a pair, shape (k): log-probabilities summed over an answer's tokens, and how many these are."""

    chosen: Tensor
    rejected: Tensor
    chosen_reference: Tensor
    rejected_reference: Tensor
    chosen_tokens: Tensor
    rejected_tokens: Tensor

    @property
    def gain(self) -> Tensor:
        """Return h_c - h_r: by how much more than the reference the policy prefers the chosen answer, in nats."""
        return (self.chosen - self.chosen_reference) - (self.rejected - self.rejected_reference)

    @property
    def gain_a_token(self) -> Tensor:
        """Return h_c a token minus h_r a token."""
        up = (self.chosen - self.chosen_reference) / self.chosen_tokens
        return up - (self.rejected - self.rejected_reference) / self.rejected_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """Which loss, and its knobs: `beta` above 0 (tau of ipo), `label_smoothing` from 0 to below .5."""

    name: str = "dpo"
    beta: float = 0.1
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in LOSSES:
            raise UsageError(f"there is no loss {self.name}", hint=f"choose one of {', '.join(LOSSES)}")
        if not self.beta > 0:
            raise UsageError(f"beta cannot be {self.beta}", hint="a number above 0; .1 is usual for dpo")
        if not 0 <= self.label_smoothing < 0.5:
            raise UsageError(f"label smoothing cannot be {self.label_smoothing}", hint="a number from 0 to below .5")
        if self.label_smoothing and not self.name.startswith("dpo"):
            raise UsageError(f"{self.name} has no label smoothing", hint="leave it out, or use dpo or dpo-norm")

    @property
    def pairs(self) -> bool:
        """Say whether it needs rejected answers and a reference."""
        return self.name != "sft"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loss:
    """A loss for every pair (k) and its weight (k).

    The loss of a step is the weighted mean over all its rows: add up `total` and `weight.sum()` and divide once.
    """

    each: Tensor
    weight: Tensor

    @property
    def total(self) -> Tensor:
        """Return the weighted sum."""
        return (self.each * self.weight).sum()

    @property
    def value(self) -> Tensor:
        """Return the weighted mean."""
        return self.total / self.weight.sum()


def _logistic(gain: Tensor, objective: Objective) -> Tensor:
    z, smooth = objective.beta * gain, objective.label_smoothing
    return -(1 - smooth) * logsigmoid(z) - smooth * logsigmoid(-z)


def _squared(gain: Tensor, objective: Objective) -> Tensor:
    return (gain - 1 / (2 * objective.beta)) ** 2


def _imitation(scores: Scores) -> Loss:
    return Loss(each=-scores.chosen / scores.chosen_tokens, weight=scores.chosen_tokens)


def _even(each: Tensor) -> Loss:
    return Loss(each=each, weight=torch.ones_like(each))


LOSSES: dict[str, Callable[[Scores, Objective], Loss]] = {
    "dpo": lambda scores, objective: _even(_logistic(scores.gain, objective)),
    "dpo-norm": lambda scores, objective: _even(_logistic(scores.gain_a_token, objective)),
    "ipo": lambda scores, objective: _even(_squared(scores.gain, objective)),
    "ipo-norm": lambda scores, objective: _even(_squared(scores.gain_a_token, objective)),
    "sft": lambda scores, _: _imitation(scores),
}


def loss(scores: Scores, objective: Objective) -> Loss:
    """Return the loss of every pair, by the objective's name."""
    return LOSSES[objective.name](scores, objective)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """What is watched: means over pairs, in nats unless said otherwise.

    An implicit reward is beta h, whatever the loss; `margin` is the chosen one minus the rejected one; `accuracy` the
    share of pairs (0 to 1) where h_c is above h_r by more than rounding, so that a tie is no success. `kl` estimates,
    a token, how far the policy has moved from the reference on these answers: exp(-d) - 1 + d with
    d = log pi - log pi_ref (Schulman 2020, k3). It is at least 0; the policy did not write these answers, so it is no
    unbiased estimate of KL(pi || pi_ref).
    """

    loss: float
    margin: float
    accuracy: float
    reward_chosen: float
    reward_rejected: float
    logp_chosen: float
    logp_rejected: float
    kl: float
    pairs: int


def kl(policy: Tensor, reference: Tensor) -> Tensor:
    """Return the k3 estimate for every answer token, of log-probabilities of the same shape."""
    moved = policy - reference
    return torch.expm1(-moved) + moved


def metrics(scores: Scores, objective: Objective, policy: Tensor, reference: Tensor) -> Metrics:
    """Return the metrics of some pairs; `policy` and `reference` hold all their answer tokens."""
    with torch.no_grad():
        up = objective.beta * (scores.chosen - scores.chosen_reference)
        down = objective.beta * (scores.rejected - scores.rejected_reference)
        return Metrics(
            loss=float(loss(scores, objective).value),
            margin=float((up - down).mean()),
            accuracy=float((scores.gain > ROUNDING).double().mean()),
            reward_chosen=float(up.mean()),
            reward_rejected=float(down.mean()),
            logp_chosen=float(scores.chosen.mean()),
            logp_rejected=float(scores.rejected.mean()),
            kl=float(kl(policy, reference).mean()),
            pairs=len(up),
        )
