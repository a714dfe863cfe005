"""The growing linear program, against HiGHS and in any order of its rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from specreg_sklearn.certificates.moves import GrowingProgram, combined_bound
from specreg_sklearn.space import as_norm


def _by_highs(G, h, norm):
    """Return the length of the shortest move with ``G @ t >= h``."""
    n, d = G.shape
    lengths = np.eye(d) if norm == 1 else np.ones((d, 1))
    rows = [np.hstack([sign * np.eye(d), -lengths]) for sign in (1, -1)]
    found = linprog(
        np.append(np.zeros(d), np.ones(lengths.shape[1])),
        A_ub=np.vstack([*rows, np.hstack([-G, np.zeros((n, lengths.shape[1]))])]),
        b_ub=np.append(np.zeros(2 * d), -h),
        bounds=[(None, None)] * d + [(0, None)] * lengths.shape[1],
        method="highs",
    )
    return found.fun if found.status == 0 else np.inf


@pytest.mark.parametrize("norm", [1, np.inf])
@pytest.mark.parametrize(("n", "d"), [(1, 1), (3, 2), (8, 30), (30, 12), (25, 60)])
def test_lengths_and_multipliers_are_those_of_highs(n, d, norm):
    kind, n_empty = as_norm(norm), 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        G = rng.normal(size=(n, d)) + rng.uniform(0, 0.5)
        G, h = G / np.linalg.norm(G, axis=1)[:, None], rng.uniform(-0.2, 1.0, size=n)
        h[0] = 1.0
        exact = _by_highs(G, h, norm)
        for parts in (1, 3):
            program = GrowingProgram(kind, d)
            for some in np.array_split(np.arange(n), min(parts, n)):
                program.add(G[some], h[some])
                move, multipliers = program.solve()
                if move is None:
                    break
            n_seen = len(multipliers)
            bound = combined_bound(G[:n_seen], h[:n_seen], np.zeros(n_seen), multipliers, kind)
            if np.isinf(exact):
                n_empty += 1
                # Multipliers of an empty polyhedron prove that any move is too short.
                assert move is None and bound > 1e6
                continue
            np.testing.assert_allclose(kind.length(move[None])[0], exact, rtol=1e-9)
            np.testing.assert_allclose(bound, exact, rtol=1e-6)
            assert bound <= exact * (1 + 1e-12)
            assert (G @ move >= h - 1e-9).all()
    assert n_empty < 16
