"""Steps of the multipliers as compiled loops; to the last bit those of NumPy."""

from __future__ import annotations

from specreg_sklearn.certificates.trees.search._as_loop import as_loop


@as_loop
def improve(
    low, high, near, rate, growth, least_pool, small_pool,
    home, start, price, pool, asking, forbidding,
    asked_to, forbidden_to, pool_to, total_pool, firsts, lasts,
):  # fmt: skip
    """Shift shares and pools of a box's crossings by one step."""
    n_trees = firsts.shape[1]
    for c in range(len(low)):
        farthest, nearest = low[c], high[c]
        for t in range(n_trees):
            farthest, nearest = max(farthest, firsts[c, t]), min(nearest, lasts[c, t])
        above, below = start[c + 1], start[c] - 1
        for k in range(low[c], high[c] + 1):
            if k == near[c]:
                continue
            g, up = start[c] + k, k > near[c]
            wanted = farthest >= k if up else nearest <= k
            if not (wanted or pool[g] > small_pool):
                continue
            if g > start[c] + home[c]:
                above = min(above, g)
            else:
                below = max(below, g)
            paid_asking, paid_forbidding, all_asking, all_forbidding = 0.0, 0.0, 0.0, 0.0
            for t in range(n_trees):
                asks = firsts[c, t] >= k if up else lasts[c, t] <= k
                forbids = lasts[c, t] < k if up else firsts[c, t] > k
                if asks:
                    paid_asking += asking[g, t]
                    asking[g, t] *= growth
                if forbids:
                    paid_forbidding += forbidding[g, t]
                    forbidding[g, t] *= growth
                all_asking += asking[g, t]
                all_forbidding += forbidding[g, t]
            whole = price[g] + pool[g]
            used = (paid_asking / whole if whole > 0 else 0.0) + (
                paid_forbidding / pool[g] if pool[g] > 0 else 0.0
            )
            half = 0.5 * (rate * (used - 1.0))
            new = max(pool[g] * ((1.0 + half) / (1.0 - half)), least_pool)
            if not (all_asking > 0 and all_forbidding > 0):
                new = 0.0
            pool[g] = new
            by_asking = (price[g] + new) / all_asking if all_asking > 0 else 0.0
            by_forbidding = new / all_forbidding if all_forbidding > 0 else 0.0
            for t in range(n_trees):
                asking[g, t] *= by_asking
                forbidding[g, t] *= by_forbidding
        _sum_up(above, start[c + 1], 1, pool, asking, forbidding, asked_to, forbidden_to, pool_to)
        _sum_up(below, start[c] - 1, -1, pool, asking, forbidding, asked_to, forbidden_to, pool_to)
    total = 0.0
    for g in range(len(pool)):
        total += pool[g]
    total_pool[0] = total


@as_loop
def sum_up(start, home, pool, asking, forbidding, asked_to, forbidden_to, pool_to):
    """Make the sums of all columns those of their shares."""
    for c in range(len(home)):
        at_home = start[c] + home[c]
        for g in range(start[c], start[c + 1]):
            if g == at_home + 1 or g == at_home - 1:
                pool_to[g] = pool[g]
                for t in range(asking.shape[1]):
                    asked_to[g, t] = asking[g, t]
                    forbidden_to[g, t] = forbidding[g, t]
        above, below = at_home + 2, at_home - 2
        _sum_up(above, start[c + 1], 1, pool, asking, forbidding, asked_to, forbidden_to, pool_to)
        _sum_up(below, start[c] - 1, -1, pool, asking, forbidding, asked_to, forbidden_to, pool_to)


@as_loop
def _sum_up(begin, end, step, pool, asking, forbidding, asked_to, forbidden_to, pool_to):
    """Make the sums of a column those of its shares again, outwards from a cell that changed."""
    for g in range(begin, end, step):
        pool_to[g] = pool_to[g - step] + pool[g]
        for t in range(asking.shape[1]):
            asked_to[g, t] = asked_to[g - step, t] + asking[g, t]
            forbidden_to[g, t] = forbidden_to[g - step, t] + forbidding[g, t]
