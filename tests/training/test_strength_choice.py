"""The rule of ``alpha="auto"`` on figures of our own."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from specreg_sklearn.training import STRENGTHS, HeldOutLook, HeldOutRows
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
        noise = (noise - noise.mean()) / noise.std()
        self.strengths = np.asarray(strengths)
        self.shares = self.balanced_shares = np.full(n, 1 / n)
        self.held_out = self
        right = np.zeros(n, dtype=bool)
        self.looks = [
            HeldOutLook(0.9, loss, radius, loss + spread * k * noise, right)
            for k, (loss, radius) in enumerate(zip(log_losses, certificates, strict=True))
        ]


def held(values):
    """Repeat each value three times: the path is averaged over three epochs."""
    return np.repeat(values, 3)


def test_the_largest_certificate_of_equal_log_loss_is_taken():
    strengths = np.geomspace(1e-3, 1, 24)
    loss = held([0.30, 0.29, 0.28, 0.28, 0.28, 0.35, 0.5, 0.7])
    rising = held(np.arange(8.0))
    chosen = choose_by_held_out(_Rows(strengths, loss, rising), 1.0)
    assert (
        chosen.alpha == 1e-2
    )  # half a decade below the 14th of 24: the last before the loss rises
    peak = held([0, 1, 9, 2, 3, 4, 5, 6])
    assert choose_by_held_out(_Rows(strengths, loss, peak), 1.0).alpha == 3e-3
    unknown = np.full(24, np.nan)
    assert choose_by_held_out(_Rows(strengths, loss, unknown), 1.0).alpha == 1e-2
    assert chosen.path["log_loss"] == pytest.approx(loss)


def test_the_tolerance_counts_standard_errors_of_paired_balanced_errors():
    """From the 9th epoch on k rows of the rare class are wrong in addition."""
    strengths, n = np.geomspace(1e-3, 1, 24), 400
    codes = np.repeat([0, 1], [360, 40])
    rows = HeldOutRows(np.zeros((n, 1)), codes, np.ones(n))
    found = []
    for wrongs in (0, 1, 4, 16, 40):
        wrong = np.zeros((24, n), dtype=bool)
        wrong[9:, 360 : 360 + wrongs] = True
        wrong[:, :5] = True
        rise = _Rows(strengths, np.full(24, 0.3), np.arange(24.0), n=n)
        rise.held_out = rows
        rise.looks = [look._replace(wrong=w) for look, w in zip(rise.looks, wrong, strict=True)]
        if wrongs:  # k of 40 rows at 1 / 80 each, the others at 0
            mean = wrongs / 80
            shares = rows.balanced_shares
            error = np.sqrt(np.sum(shares**2 * (wrong[-1, :] * 1.0 - wrong[0] - mean) ** 2))
            z = mean / error
            for tolerance in (0.99 * z, 1.01 * z):
                found.append(choose_by_held_out(rise, tolerance).alpha == 0.3)
        else:
            assert choose_by_held_out(rise, 0.0).alpha == 0.3
    assert found == [False, True] * 4


def test_the_log_loss_may_be_twice_as_many_errors_above_that_of_weak_strengths():
    """The k-th epoch has k times a known noise, and the reference that of the first eight."""
    strengths, k = np.geomspace(1e-3, 1, 24), np.arange(24.0)
    error = 0.1 / np.sqrt(400)
    rows = _Rows(strengths, 0.3 + error * k**2 * 3 / 16, k, spread=0.1)
    chosen = choose_by_held_out(rows, 1.5).alpha
    # In errors of one; three epochs are averaged.
    above = (k**2 + 2 / 3 - np.mean(k[:8] ** 2)) * 3 / 16
    last = np.flatnonzero(above[8:-1] / (k[8:-1] - 3.5) <= 3)[-1] + 8
    assert last == 12
    nearest = np.abs(np.log(STRENGTHS) - np.log(strengths[last])).argmin()
    assert chosen == STRENGTHS[nearest - 1]


def test_lucky_epochs_set_no_standard():
    """20 of 40 hard rows are wrong in every epoch, but in three of weak strength none is.

    Against the best of those, 20 errors more are over four standard errors; against all weak
    epochs, with 12.5 errors in the mean, they are about two.
    """
    strengths, n = np.geomspace(1e-3, 1, 24), 400
    rise = _Rows(strengths, np.full(24, 0.3), np.arange(24.0), n=n)
    wrong = np.zeros((24, n), dtype=bool)
    for epoch in {*range(24)} - {2, 3, 4}:
        wrong[epoch, (7 * epoch + np.arange(20)) % 40] = True
    rise.looks = [look._replace(wrong=w) for look, w in zip(rise.looks, wrong, strict=True)]
    assert choose_by_held_out(rise, 3.0).alpha == 0.3
    assert choose_by_held_out(rise, 1.0).alpha < 0.01


@pytest.mark.parametrize(
    ("best", "chosen"), [(1e-3, 1e-3), (3e-3, 3e-3), (1e-2, 3e-3), (3e-2, 1e-2), (1e-1, 3e-2)]
)
def test_strengths_are_lowered_to_three_thousandths_at_most(best, chosen):
    strengths = np.geomspace(1e-3, 1, 24)
    certificates = -np.abs(np.log(strengths / best))
    rise = _Rows(strengths, np.full(24, 0.3), certificates)
    assert choose_by_held_out(rise, 1.0).alpha == chosen


def test_an_end_of_the_range_is_told():
    strengths, rising = np.geomspace(1e-3, 1, 24), np.arange(24.0)
    with pytest.warns(UserWarning, match="chose 0.3, since the strongest strength"):
        choose_by_held_out(_Rows(strengths, np.full(24, 0.3), rising), 1.0)
    with pytest.warns(UserWarning, match=r"chose 0\.001, since the weakest strength"):
        choose_by_held_out(_Rows(strengths, np.full(24, 0.3), -rising), 1.0)
