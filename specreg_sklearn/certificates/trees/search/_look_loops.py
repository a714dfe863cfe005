"""Looks at boxes as compiled loops.

The numbers are those of NumPy's looks, to the last bit: sums run in the same order.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn.certificates.trees.search._as_loop import as_loop
from specreg_sklearn.certificates.trees.search._boxes import (
    AT_TARGET,
    BOUNDED,
    PRUNED,
)
from specreg_sklearn.certificates.trees.search._constants import (
    LESSER_SIDE,
    MOST_ROUNDS,
    MOST_TANGENTS,
    ROUNDING,
)


@as_loop
def _at_price(price, target, charge, value, begin, chosen):
    """Return the bound at a price of the score, and its slope; note the leaves that attain it."""
    total, taken = 0.0, 0.0
    for t in range(len(chosen)):
        least, best, at = np.inf, -np.inf, begin[t]
        for i in range(begin[t], begin[t + 1]):
            paid = charge[i] - price * value[i]
            if paid < least:
                least, best, at = paid, value[i], i
            elif paid == least and value[i] > best:
                best = value[i]
        total += least
        taken += best
        chosen[t] = at
    return price * target + total, target - taken


@as_loop
def _by_price(
    charge, value, begin, chosen, target, margin, base, fixed, pools, radius, start, least
):
    """Return the bound, the price of the score from tangents, and what it lacks to the radius."""
    best, slope = _at_price(0.0, target, charge, value, begin, chosen)
    best_price = 0.0
    left, at_left, rising = 0.0, best, slope
    right, at_right, falling = -1.0, 0.0, 0.0
    guess = start
    for _ in range(MOST_TANGENTS):
        here, slope = _at_price(guess, target, charge, value, begin, chosen)
        if here > best:
            best_price, best = guess, here
        if base + (best - fixed) >= radius:
            break
        if slope > 0:
            left, at_left, rising = guess, here, slope
        else:
            right, at_right, falling = guess, here, slope
        if right < 0:
            guess = 4.0 * guess
            continue
        if not rising > falling:
            break
        crossing = (at_right - at_left + rising * left - falling * right) / (rising - falling)
        highest = at_left + rising * (crossing - left)
        if highest <= best + 1e-9 * abs(best) or not (left < crossing and crossing < right):
            break
        guess = crossing
    _at_price(best_price, target, charge, value, begin, chosen)
    paid = 0.0
    for t in range(len(chosen)):
        least[t] = charge[chosen[t]] - best_price * value[chosen[t]]
        paid += abs(least[t])
    size = abs(best_price * target) + paid + (base + pools)
    gained = (best - fixed) - (margin + ROUNDING * size)
    return base + max(gained, 0.0), best_price, radius - (base + gained)


@as_loop
def _by_radius(
    charge, value, cost, begin, chosen, target, margin, base, fixed, pools, radius, levels, least
):
    """Return the cost at which leaves no dearer reach the target, and what all have to spare."""
    n_trees, needed = len(chosen), target - (margin + ROUNDING * pools)
    total = 0.0
    for t in range(n_trees):
        least[t] = np.inf
        for i in range(begin[t], begin[t + 1]):
            least[t] = min(least[t], charge[i] - value[i])
        total += least[t]
    spare = (fixed - total) - needed
    if spare < 0:
        return radius, spare
    low, high = 0, len(levels)
    while low < high:
        middle = (low + high) // 2
        total = 0.0
        for t in range(n_trees):
            smallest = np.inf
            for i in range(begin[t], begin[t + 1]):
                if cost[i] <= levels[middle]:
                    smallest = min(smallest, charge[i] - value[i])
            total += smallest
        if fixed - total >= needed:
            high = middle
        else:
            low = middle + 1
    key = radius if low == len(levels) else max(levels[low], base)
    for t in range(n_trees):
        smallest, at = np.inf, begin[t]
        for i in range(begin[t], begin[t + 1]):
            if cost[i] <= key and charge[i] - value[i] < smallest:
                smallest, at = charge[i] - value[i], i
        chosen[t] = at
    return key, spare


@as_loop
def look_at(
    low, high, is_open, radius, price, past_near, additive, shared, target, margin, home, start,
    cost, levels, value, tree_start, entry_start, entry_column, entry_first, entry_last,
    asked_to, forbidden_to, pool_to, total_pool, prices, pools, asking,
    near, alive, leaf_cost, charge, values, begin, chosen, least, firsts, lasts, up, down,
    asking_leaves, smallest, largest, out, point, cut,
):  # fmt: skip
    d, n_trees = len(home), len(tree_start) - 1
    for again in range(MOST_ROUNDS):
        base = 0.0
        for c in range(d):
            near[c] = min(max(home[c], low[c]), high[c])
            here = cost[start[c] + near[c]]
            base = base + here if additive else max(base, here)
        out[0] = out[2] = base
        if base >= radius:
            return PRUNED
        fixed, all_pools = 0.0, 0.0
        if shared:
            all_pools = total_pool[0]
            for c in range(d):
                at_near = pool_to[start[c] + near[c]]
                fixed += (pool_to[start[c] + high[c]] - at_near) + (
                    pool_to[start[c] + low[c]] - at_near
                )
        # One pass over the leaves: which meet the box, at what cost, and what they are charged.
        n, n_inside, most, score = 0, 0, 0.0, 0.0
        for t in range(n_trees):
            begin[t] = n
            best = -np.inf
            for leaf in range(tree_start[t], tree_start[t + 1]):
                if not is_open[leaf]:
                    continue
                extra, charged, inside, out_of_reach = 0.0, 0.0, True, False
                for e in range(entry_start[leaf], entry_start[leaf + 1]):
                    c = entry_column[e]
                    first, last = max(entry_first[e], low[c]), min(entry_last[e], high[c])
                    if first > last:
                        out_of_reach = True
                        break
                    s, k = start[c], near[c]
                    need = min(max(k, first), last)
                    if need != k:
                        inside = False
                        if additive:
                            extra += cost[s + need] - cost[s + k]
                            out_of_reach = base + extra >= radius
                        else:
                            extra = max(extra, cost[s + need])
                            out_of_reach = extra >= radius
                        if out_of_reach:
                            break
                    if shared:
                        above = forbidden_to[s + high[c], t] - forbidden_to[s + max(last, k), t]
                        below = forbidden_to[s + low[c], t] - forbidden_to[s + min(first, k), t]
                        asked = asked_to[s + need, t] - asked_to[s + k, t]
                        charged += (above + below) + asked
                if out_of_reach:
                    is_open[leaf] = 0
                    continue
                alive[n], charge[n], values[n] = leaf, charged, value[leaf]
                leaf_cost[n] = base + extra if additive else max(base, extra)
                n += 1
                best = max(best, value[leaf])
                if inside:
                    score += value[leaf]
                    n_inside += 1
            if best == -np.inf:
                return PRUNED
            most += best
        begin[n_trees] = n
        if most < target:
            return PRUNED
        out[1] = score
        # A leaf that was closed before holds no point that counts: the nearest one is none if it is
        # there, and its score is not known.
        if n_inside == n_trees and score >= target and not past_near:
            return AT_TARGET
        if additive and shared:
            key, rate, spare = _by_price(
                charge, values, begin, chosen, target, margin, base, fixed, all_pools, radius,
                price, least,
            )  # fmt: skip
            price = rate if rate != 0 else price
        else:
            key, spare = _by_radius(
                charge, values, leaf_cost, begin, chosen, target, margin, base, fixed, all_pools,
                radius, levels, least,
            )  # fmt: skip
            price, rate = 0.0, 1.0
        out[2], out[3] = key, price
        if key >= radius:
            return PRUNED
        # A leaf that pays so much more than the best one of its tree takes the bound beyond the
        # radius.
        for t in range(n_trees):
            for i in range(begin[t], begin[t + 1]):
                if (charge[i] - rate * values[i]) - least[t] > spare:
                    is_open[alive[i]] = 0
        if again == MOST_ROUNDS - 1:
            break
        tightened = _tighten(
            low, high, is_open, tree_start, entry_start, entry_column, entry_first, entry_last,
            asking_leaves, smallest, largest,
        )  # fmt: skip
        if tightened < 0:
            return PRUNED
        if tightened == 0:
            break
    points = 0.0
    for c in range(d):
        firsts[c, :], lasts[c, :] = low[c], high[c]
    for t in range(n_trees):
        points += values[chosen[t]]
        leaf = alive[chosen[t]]
        for e in range(entry_start[leaf], entry_start[leaf + 1]):
            c = entry_column[e]
            firsts[c, t] = max(low[c], entry_first[e])
            lasts[c, t] = min(high[c], entry_last[e])
    out[4] = _meeting(firsts, lasts, home, start, cost, additive, point)
    out[5] = points
    if points < target:
        out[4] = np.inf
    cut[0], cut[1] = -1, 0
    _cut(
        low, high, near, price if additive and shared else 1.0, shared, start,
        entry_start, entry_column, entry_first, entry_last, prices, pools, asking,
        alive, values, begin, chosen, firsts, lasts, up, down, cut,
    )  # fmt: skip
    return BOUNDED


@as_loop
def _tighten(
    low, high, is_open, tree_start, entry_start, entry_column, entry_first, entry_last,
    asking_leaves, smallest, largest,
):  # fmt: skip
    """Shrink a box to what the open leaves of each tree cover; return whether it did, or -1."""
    changed, d = 0, len(low)
    for t in range(len(tree_start) - 1):
        n = 0
        for c in range(d):
            asking_leaves[c], smallest[c], largest[c] = 0, high[c] + 1, low[c] - 1
        for leaf in range(tree_start[t], tree_start[t + 1]):
            if not is_open[leaf]:
                continue
            n += 1
            for e in range(entry_start[leaf], entry_start[leaf + 1]):
                c = entry_column[e]
                smallest[c] = min(smallest[c], entry_first[e])
                largest[c] = max(largest[c], entry_last[e])
                asking_leaves[c] += 1
        for c in range(d):
            if asking_leaves[c] < n:
                continue
            if smallest[c] > low[c]:
                low[c], changed = smallest[c], 1
            if largest[c] < high[c]:
                high[c], changed = largest[c], 1
            if low[c] > high[c]:
                return -1
    return changed


@as_loop
def _meeting(firsts, lasts, home, start, cost, additive, point):
    """Return the cost of the cheapest point that lies in all the chosen leaves."""
    total = 0.0
    for c in range(len(home)):
        first, last = firsts[c, 0], lasts[c, 0]
        for t in range(1, firsts.shape[1]):
            first, last = max(first, firsts[c, t]), min(last, lasts[c, t])
        if first > last:
            return np.inf
        point[c] = min(max(home[c], first), last)
        here = cost[start[c] + point[c]]
        total = total + here if additive else max(total, here)
    return total


@as_loop
def _cut(
    low, high, near, price, shared, start, entry_start, entry_column, entry_first, entry_last,
    prices, pools, asking, alive, values, begin, chosen, firsts, lasts, up, down, cut,
):  # fmt: skip
    """Note where the chosen leaves disagree most: both halves lose a heavy tree, or pay."""
    d, n_trees = len(low), len(chosen)
    for g in range(len(up)):
        up[g] = down[g] = 0.0
    for t in range(n_trees):
        smallest, largest = np.inf, -np.inf
        for i in range(begin[t], begin[t + 1]):
            smallest, largest = min(smallest, values[i]), max(largest, values[i])
        weight = (largest - smallest) * price
        leaf = alive[chosen[t]]
        for e in range(entry_start[leaf], entry_start[leaf + 1]):
            c = entry_column[e]
            if entry_first[e] > low[c]:
                up[start[c] + entry_first[e]] += weight
            if entry_last[e] < high[c]:
                down[start[c] + entry_last[e] + 1] += weight
    best = -1.0
    for c in range(d):
        for q in range(low[c] + 1, high[c] + 1):
            g = start[c] + q
            if not (up[g] > 0 or down[g] > 0):
                continue
            if shared:
                entered = g if q > near[c] else g - 1
                outwards = q > near[c]
                whole = prices[entered] + pools[entered]
                # No more than this if nobody is charged: most places need no closer look.
                above, below = (up[g], down[g] + whole) if outwards else (up[g] + whole, down[g])
                if min(above, below) + LESSER_SIDE * max(above, below) <= best:
                    continue
                charged = 0.0
                for t in range(n_trees):
                    asks = firsts[c, t] >= q if q > near[c] else lasts[c, t] <= q - 1
                    if asks:
                        charged += asking[entered, t]
                unpaid = max(whole - charged, 0.0)
                # The half that has to cross pays what nobody is charged for.
                if outwards:
                    down[g] += unpaid
                else:
                    up[g] += unpaid
            score = min(up[g], down[g]) + LESSER_SIDE * max(up[g], down[g])
            if score > best:
                best, cut[0], cut[1] = score, c, q
    if best < 0:
        width = 0
        for c in range(d):
            if high[c] - low[c] > width:
                width = high[c] - low[c]
                cut[0], cut[1] = c, low[c] + 1 + (width - 1) // 2
