"""Estimating the normal of the decision boundary from answers around boundary points.

This is where an attack spends nearly all of its queries, so it is written for speed: all chains ask
in the same directions, whole blocks of rows are built by broadcasting, and no row is gathered.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn.attacks._oracle import Oracle

# Numbers built at once: a megabyte. Larger blocks fall out of the processor's cache.
_BLOCK = 2**17


def boundary_normals(
    oracle: Oracle,
    centre: np.ndarray,
    radius: np.ndarray,
    directions: np.ndarray,
    owner: np.ndarray,
    n_asked: np.ndarray,
    across: np.ndarray | None = None,
) -> np.ndarray:
    """Estimate unit normals of the boundary, pointing to the side where the model is fooled.

    Each answer weighs the step that was really asked, after clipping and rounding, by +1 or -1; the
    mean answer is subtracted, which reduces the variance (Chen et al., arXiv:1904.02144, eq. 16).

    Parameters
    ----------
    oracle : Oracle
        Where to ask.
    centre : ndarray of shape (m, d)
        Points on the boundary.
    radius : ndarray of shape (m,)
        Lengths of the steps.
    directions : ndarray of shape (B, d)
        Unit directions, shared by all points.
    owner : ndarray of shape (m,), int
        The clean row of each point.
    n_asked : ndarray of shape (m,), int
        How many of the directions each point asks about, counted from the first.
    across : ndarray of shape (m, d) or None, default=None
        Unit vectors. Steps are made at right angles to them, and of the normal only the part at
        right angles is estimated. An answer tells no more than a sign: where the normal is all but
        parallel to a known direction, that direction decides nearly every sign, and next to
        nothing is learned of the part that is still unknown. At right angles to it, the answers
        depend on that part alone, however small it is.

    Returns
    -------
    ndarray of shape (m, d)
        Unit vectors; zeros where no step could be made.
    """
    rows, (n_directions, d) = oracle.rows, directions.shape
    steps = directions if rows._unit else directions * rows.scale
    normals = np.empty(centre.shape)
    n_chains = max(1, min(_BLOCK // max(d, 1), oracle.batch_rows) // n_directions)
    for begin in range(0, len(centre), n_chains):
        part = slice(begin, begin + n_chains)
        aside = None
        if across is not None:
            # One product for each point: a single large one would round by how many there are.
            shares = np.matmul(directions, across[part][:, :, None])[..., 0]
            aside = shares, across[part] * rows.scale
        normals[part] = _sums(
            oracle, centre[part], radius[part], steps, owner[part], n_asked[part], aside
        )
    if not rows._unit:
        normals /= rows.scale
    if across is not None:
        normals -= np.einsum("ij,ij->i", normals, across)[:, None] * across
    size = np.sqrt(np.einsum("ij,ij->i", normals, normals))
    return normals / np.where(size > 0, size, 1.0)[:, None]


def _sums(
    oracle: Oracle,
    centre: np.ndarray,
    radius: np.ndarray,
    steps: np.ndarray,
    owner: np.ndarray,
    n_asked: np.ndarray,
    across: tuple[np.ndarray, np.ndarray] | None,
) -> np.ndarray:
    """Return the weighted sums of steps, in the units of X, for a few chains."""
    base = oracle.rows.cells(centre, owner)
    cells, fooled, asked = _answers(oracle, base, radius, steps, owner, n_asked, across)
    oracle.n_queries += np.bincount(owner, n_asked, len(oracle.n_queries)).astype(np.int64)
    share = np.count_nonzero(fooled, axis=1) / np.maximum(n_asked, 1)
    weights = fooled - share[:, None]
    # Where all answers agree there is nothing to subtract: the mean step has to do.
    same = np.flatnonzero((share == 0) | (share == 1))
    if len(same):
        weights[same] = np.where(fooled[same], 1.0, -1.0)
    if asked is not None:
        weights *= asked
    sums = np.matmul(weights[:, None, :], cells)[:, 0]
    sums -= weights.sum(axis=1)[:, None] * base
    return sums


def _answers(
    oracle: Oracle,
    base: np.ndarray,
    radius: np.ndarray,
    steps: np.ndarray,
    owner: np.ndarray,
    n_asked: np.ndarray,
    across: tuple[np.ndarray, np.ndarray] | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Build and ask about base + radius * steps, less the parts of the steps along `across`.

    `across` holds how long these parts are, of shape (m, B), and the vectors, in the units of X.
    Returns the cells of shape (m, B, d), where they fool the model, and which ones were asked (None
    for all).
    """
    rows, (m, n) = oracle.rows, (len(base), len(steps))
    shape = m, n, base.shape[1]
    # The model may be lent these cells, and may keep them: they are not used again.
    cells = np.empty(shape) if rows.are_cells else oracle.scratch(0, *shape)
    np.multiply(radius[:, None, None], steps, out=cells)
    lo, hi = rows.box(owner)
    # Passes over all cells are what costs here: clip only where a step can leave the box.
    reach = radius[:, None] * rows.scale
    inside = rows.exact and bool((base - reach >= lo).all() and (base + reach <= hi).all())
    if across is None:
        cells += base[:, None, :]
    else:
        # One small matrix product adds the point and takes the parts away in the same pass.
        shares, both = np.empty((m, n, 2)), np.empty((m, 2, base.shape[1]))
        shares[..., 0], both[:, 0] = 1.0, base
        np.multiply(across[0], -radius[:, None], out=shares[..., 1])
        both[:, 1] = across[1]
        cells += np.matmul(shares, both, out=oracle.scratch(1, *shape))
    if not inside:
        rows.fit(cells, lo[:, None, :], hi[:, None, :])
    flat = cells.reshape(m * n, -1)
    whose = np.repeat(owner, n)
    if rows.repair is not None:
        flat = rows.settle(flat, whose)
        cells = flat.reshape(cells.shape)
    if len(flat) <= oracle.batch_rows and n_asked.min() == n:
        return cells, oracle.ask(flat, whose, lend=True).reshape(m, n), None
    asked = np.arange(n) < n_asked[:, None]
    chosen = np.flatnonzero(asked.ravel())
    fooled = np.zeros(m * n, dtype=bool)
    for begin in range(0, len(chosen), oracle.batch_rows):
        part = chosen[begin : begin + oracle.batch_rows]
        fooled[part] = oracle.ask(flat[part], whose[part])
    return cells, fooled.reshape(m, n), asked
