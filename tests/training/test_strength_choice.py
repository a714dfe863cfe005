"""The rule of ``alpha="auto"`` on figures of our own."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from specreg_sklearn.training import STRENGTHS, HeldOutLook
from specreg_sklearn.training._strength_choice import choose_by_held_out


@pytest.fixture(autouse=True)
def _ends_of_the_range_may_be_chosen():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "alpha='auto' chose")
        yield


class _Rows:
    """What `StrengthRise` leaves behind, with figures of our own."""

    def __init__(self, strengths, log_losses, certificates, *, spread=0.0, n=400):
        noise = np.random.default_rng(0).normal(size=n)
        noise -= noise.mean()
        self.strengths = np.asarray(strengths)
        self.weights = np.ones(n)
        self.held_out = self
        self.looks = [
            HeldOutLook(0.9, loss, radius, loss + spread * k * noise)
            for k, (loss, radius) in enumerate(zip(log_losses, certificates, strict=True))
        ]


def held(values):
    """Repeat each value three times: the path is averaged over three epochs."""
    return np.repeat(values, 3)


def test_the_largest_certificate_of_equal_log_loss_is_taken():
    strengths = np.geomspace(3e-4, 1, 24)
    loss = held([0.30, 0.29, 0.28, 0.28, 0.28, 0.35, 0.5, 0.7])
    rising = held(np.arange(8.0))
    chosen = choose_by_held_out(_Rows(strengths, loss, rising), 1.0)
    assert chosen.alpha == 3e-2  # the 14th of 24: the last one before the loss rises
    peak = held([0, 1, 9, 2, 3, 4, 5, 6])
    assert choose_by_held_out(_Rows(strengths, loss, peak), 1.0).alpha == 3e-3
    unknown = np.full(24, np.nan)
    assert choose_by_held_out(_Rows(strengths, loss, unknown), 1.0).alpha == 3e-2
    assert chosen.path["log_loss"] == pytest.approx(loss)


def test_the_tolerance_counts_standard_errors_of_the_paired_difference():
    """Differences between neighbours have a deviation of 0.1 times their distance: known errors."""
    strengths = np.geomspace(3e-4, 1, 24)
    error = 0.1 / np.sqrt(400)
    loss = 0.3 + error * np.arange(24.0) ** 2 / 8  # the k-th is k / 8 of its errors above the first
    rows = _Rows(strengths, loss, np.arange(24.0), spread=0.1)
    found = [choose_by_held_out(rows, z).alpha for z in (0.0, 0.5, 1.0, 2.0, 10.0)]
    nearest = [
        STRENGTHS[np.abs(np.log(STRENGTHS) - np.log(strengths[k])).argmin()] for k in (4, 8, 16)
    ]
    assert found[1:4] == nearest
    assert found == sorted(found) and found[-1] == 1.0


def test_an_end_of_the_range_is_told():
    strengths, rising = np.geomspace(3e-4, 1, 24), np.arange(24.0)
    with pytest.warns(UserWarning, match="chose 1, the strongest strength"):
        choose_by_held_out(_Rows(strengths, np.full(24, 0.3), rising), 1.0)
    with pytest.warns(UserWarning, match=r"chose 0\.0003, the weakest strength"):
        choose_by_held_out(_Rows(strengths, 0.3 + rising, rising), 1.0)
