"""Passes over all leaves as compiled loops; to the last bit those of NumPy."""

from __future__ import annotations

import numpy as np

from specreg_sklearn.certificates.trees.search._as_loop import as_loop


@as_loop
def too_dear(
    cost, radius, additive, home, missing, leaf_out, cell_start,
    column, low, high, entry_start, out, entries,
):  # fmt: skip
    """Mark leaves beyond a radius, and list the entries of the others; return how many."""
    floor = cost.copy()
    for j in range(len(home)):
        for k in range(cell_start[j] + 1, home[j] + 1):
            floor[k] = min(floor[k], floor[k - 1])
        for k in range(cell_start[j + 1] - 2, home[j] - 1, -1):
            floor[k] = min(floor[k], floor[k + 1])
    n = 0
    for leaf in range(len(out)):
        out[leaf] = leaf_out[leaf]
        if leaf_out[leaf]:
            continue
        total = 0.0
        for e in range(entry_start[leaf], entry_start[leaf + 1]):
            j = column[e]
            if missing[j]:
                continue
            nearest = min(max(home[j], low[e]), high[e])
            if additive:
                total += floor[nearest]
            elif nearest != home[j]:
                total = max(total, floor[nearest])
            if total >= radius:
                out[leaf] = True
                break
        if not out[leaf]:
            for e in range(entry_start[leaf], entry_start[leaf + 1]):
                entries[n] = e
                n += 1
    return n


@as_loop
def moves(cells, value, tree, n_trees, entry_start, entry_column, first, last, start):
    """Return the score of a point, and that after each move of one column to a cell."""
    n_leaves, n_cells = len(value), start[-1]
    now, alone = np.zeros(n_trees), np.full(n_leaves, -1)
    for leaf in range(n_leaves):
        end = entry_start[leaf + 1] if leaf + 1 < n_leaves else len(first)
        n_outside = 0
        for e in range(entry_start[leaf], end):
            here = cells[entry_column[e]]
            if here < first[e] or here > last[e]:
                n_outside += 1
                if n_outside > 1:
                    break
                alone[leaf] = e
        if n_outside == 0:
            now[tree[leaf]] = value[leaf]
        if n_outside != 1:
            alone[leaf] = -1
    begins, ends = np.zeros(n_cells + 1), np.zeros(n_cells + 1)
    for leaf in range(n_leaves):
        e = alone[leaf]
        if e >= 0:
            gain = value[leaf] - now[tree[leaf]]
            begins[start[entry_column[e]] + first[e]] += gain
            ends[start[entry_column[e]] + last[e] + 1] += gain
    score = 0.0
    for t in range(n_trees):
        score += now[t]
    after, gained = np.zeros(n_cells), 0.0
    for k in range(n_cells):
        gained += begins[k] - ends[k]
        after[k] = score + gained
    return score, after


@as_loop
def ascent(
    cells, column, cost, value, tree, n_trees, entry_start, entry_column, first, last, start,
    target, radius, rooted, weight, most_moves,
):  # fmt: skip
    """Climb to the target by what gains most for a cost, or its root; return whether it did."""
    n_cells, d = len(cost), len(cells)
    least = 1e-12 * (1e-300 + cost.max())
    for _ in range(most_moves):
        score, after = moves(
            cells, value, tree, n_trees, entry_start, entry_column, first, last, start
        )
        if score >= target:
            return True
        spent = 0.0
        for j in range(d):
            spent += cost[start[j] + cells[j]]
        best, at = -np.inf, -1
        for k in range(n_cells):
            j = column[k]
            extra = cost[k] - cost[start[j] + cells[j]]
            gain = min(after[k], target) - score
            if gain > 1e-12 * (1 + abs(score)) and spent + extra < radius:
                price = max(extra, least)
                rate = weight[k] * gain / (np.sqrt(price) if rooted else price)
                if rate > best:
                    best, at = rate, k
        if at < 0:
            return False
        cells[column[at]] = at - start[column[at]]
    return False


@as_loop
def reached(rows, column, threshold, left, right, missing_left, roots, leaves):
    """Note the leaf that each row reaches in each tree whose tests are all of numbers."""
    for i in range(len(rows)):
        for t in range(len(roots)):
            at = roots[t]
            while column[at] >= 0:
                x = rows[i, column[at]]
                go_left = x <= threshold[at] or (missing_left[at] and np.isnan(x))
                at = left[at] if go_left else right[at]
            leaves[i, t] = at
