"""Prototype."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from specreg_sklearn.attacks.frame import BlackBoxAttack
from specreg_sklearn.attacks.questions import METHODS, Margins, ScoredPredict, ScoreMethod
from specreg_sklearn.space import as_norm

SHARES = np.array([1, 1, 1, 0.5, 0.5, 0.25])
P = dict(
    scales=12, per_scale=6, K=32, polish_prefix=8, lam=1.0, wins=None, mix=(12, 8, 6, 6), seedless=0, restart=8
)


@dataclass(kw_only=True, eq=False, repr=False)
class ScoreSearch(BlackBoxAttack):
    _norms: ClassVar[tuple[float, ...]] = (1, 2, np.inf)
    _from_boundary: ClassVar[bool] = True
    scores: ScoreMethod = "auto"

    def _predict_of(self, estimator):
        return ScoredPredict(estimator, self.scores, needed_by=type(self).__name__)

    def _search(self, task):
        _Search(task).run()


class _Search:
    def __init__(self, task):
        self.task, self.o = task, task.oracle
        self.m = Margins(task.oracle)
        self.x = task.x
        self.p = task.oracle.norm
        self.n, self.d = task.x.shape
        self.norm = as_norm(self.p)
        self.t = 0
        self.log = []

    def rng(self):
        self.t += 1
        return self.task.rng(self.t)

    def measure(self, Z, rows):
        """Z (r, K, d) -> margins (r, K)."""
        r, K, d = Z.shape
        return self.m.measure(Z.reshape(-1, d), np.repeat(rows, K)).reshape(r, K)

    def dist(self, Z, rows):
        r, K, d = Z.shape
        return self.task.distance(Z.reshape(-1, d), np.repeat(rows, K)).reshape(r, K)

    def clip(self, Z, rows):
        r, K, d = Z.shape
        return self.task.clip(Z.reshape(-1, d), np.repeat(rows, K)).reshape(r, K, d)

    def draws(self, rng, n, shares, rows):
        """Moves (r, n, d): infinite corners or rows of a wrong class, on a share of the columns."""
        pool = self.task.pool
        x = self.x[rows]
        u = rng.random(n)
        signs = rng.choice([-np.inf, np.inf], size=(n, self.d))
        from_pool = rng.random(n) < 0.7
        share = rng.choice(shares, size=n)
        on = rng.random((n, self.d)) < share[:, None]
        on[np.arange(n), rng.integers(self.d, size=n)] = True
        moves = np.broadcast_to(signs, (len(rows), n, self.d)).copy()
        labels = self.o.labels[rows]
        if pool is not None:
            for code in np.unique(labels):
                who = np.flatnonzero(labels == code)
                cand = np.flatnonzero(pool.codes != code)
                if not len(cand):
                    continue
                pick = cand[(u * len(cand)).astype(int)]
                mv = pool.x[pick][None] - x[who][:, None]
                k = np.flatnonzero(from_pool)
                moves[np.ix_(who, k)] = mv[:, k]
        return np.where(on, moves, 0.0)

    def run(self):
        rows = self.task.active()
        # clean margins
        self.m0 = np.full(self.n, np.nan)
        self.m0[rows] = self.m.ask(self.x[rows], rows)[1]
        self.scales(rows)
        self.polish_best()
        self.polished = self.o.best_distance.copy()
        self.S = None
        k = 0
        while True:
            rows = self.task.active()
            if not len(rows) or k > 3000:
                break
            self.climb(rows, k)
            k += 1

    def active(self):
        return self.task.active()

    def scales(self, rows):
        rng = self.rng()
        K = P["scales"] * P["per_scale"]
        mv = self.draws(rng, K, SHARES, rows)
        start = np.full(self.n, np.inf)
        gap = np.abs(self.task.starts - self.x[self.task.owner]).max(axis=1)
        np.minimum.at(start, self.task.owner, gap)
        r = 0.7 * start[rows][:, None] / 2.0 ** np.repeat(np.arange(P["scales"]), P["per_scale"])
        Z = self.x[rows][:, None] + np.clip(mv, -r[..., None], r[..., None])
        Z = self.clip(Z, rows)
        m = self.measure(Z, rows)
        self.hits = (Z, m, rows)
        D = self.dist(Z, rows)
        # polish the three smallest hits by linf half width
        size = np.where(m <= 0, np.abs(Z - self.x[rows][:, None]).max(axis=2), np.inf)
        for j in range(2):
            which = size.argmin(axis=1)
            ok = np.isfinite(size[np.arange(len(rows)), which])
            i = np.flatnonzero(ok)
            self.polish(Z[i, which[i]], rows[i], m[i, which[i]])
            size[np.arange(len(rows)), which] = np.inf

    def polish_best(self):
        rows = self.active()
        Z = self.o.best[rows]
        m = self.measure(Z[:, None], rows)[:, 0]
        self.polish(Z, rows, m)

    def cost(self, steps):
        a = np.abs(steps)
        return a**2 if self.p == 2 else a

    def polish(self, Z, rows, m):
        """Margin-guided strip and shrink, in place on the oracle."""
        Z, m, rows = Z.copy(), m.copy(), rows.copy()
        if not len(rows):
            return Z
        x = self.x[rows]
        alive = np.ones(len(rows), bool)
        for turn in range(4):
            G = 24 if turn == 0 else 16
            i = np.flatnonzero(alive & (self.o.left(rows) > 0))
            if not len(i):
                break
            gap = Z[i] - x[i]
            size = np.abs(gap)
            order = np.argsort(-size, axis=1, kind="stable")
            place = np.argsort(order, axis=1, kind="stable")
            nm = (size > 0).sum(axis=1)
            # groups: columns by size; each group about equal count; the largest ones alone
            group = np.where(size > 0, (place * G) // np.maximum(nm, 1)[:, None] if turn == 0 else np.minimum(place, G - 1), -1)
            small = nm <= G
            group[small] = np.where(size[small] > 0, place[small], -1)
            ng = np.minimum(nm, G)
            g = np.arange(G)
            mask = group[:, None, :] == g[None, :, None]  # (r, G, d)
            C = Z[i][:, None] - mask * gap[:, None]
            used = g[None] < ng[:, None]
            mm = np.full((len(i), G), np.inf)
            a, b = np.nonzero(used)
            mm[a, b] = self.m.measure(C[a, b], rows[i][a])
            loss = mm - m[i][:, None]
            sav = (mask * self.cost(gap)[:, None]).sum(axis=2)
            ratio = np.where(used, np.maximum(loss, 0) / np.maximum(sav, 1e-300), np.inf)
            ratio = np.where(used & (mm > 0), np.maximum(ratio, 0), ratio)
            # order: those that alone go (mm<=0) by ratio
            key = np.where(used & (mm <= 0), ratio, np.inf)
            # zero-loss ones: by saving, largest first
            o2 = np.lexsort((-sav, key), axis=1)
            n_ok = (used & (mm <= 0)).sum(axis=1)
            rank = np.argsort(o2, axis=1, kind="stable")
            cum = np.cumsum(np.take_along_axis(np.maximum(loss, 0), o2, 1), axis=1)
            # predicted crossing
            kstar = (np.where(np.isfinite(cum), cum, np.inf) <= -m[i][:, None]).sum(axis=1)
            fr = np.array([0.4, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0, 4.0])
            ks = np.clip(np.round(np.maximum(kstar, 1)[:, None] * fr), 1, None).astype(int)
            ks = np.minimum(ks, n_ok[:, None])
            um = (rank[:, None, :] < ks[..., None])  # (r, 8, G) groups removed
            rem = (um[..., None] & mask[:, None]).any(axis=2)  # (r, 8, d)
            C = Z[i][:, None] - rem * gap[:, None]
            ask = (ks > 0) & np.concatenate([np.ones((len(i), 1), bool), ks[:, 1:] > ks[:, :-1]], 1)
            a, b = np.nonzero(ask)
            mm2 = np.full(ks.shape, np.inf)
            mm2[a, b] = self.m.measure(C[a, b], rows[i][a])
            good = np.where(mm2 <= 0, (rem * self.cost(gap)[:, None]).sum(axis=2), -1)
            bst = good.argmax(axis=1)
            ok = good[np.arange(len(i)), bst] > 0
            Z[i[ok]] = C[ok, bst[ok]]
            m[i[ok]] = mm2[ok, bst[ok]]
            alive[i[~ok]] = False
        return self.shrink(Z, rows, m)

    def shrink(self, Z, rows, m, rounds=6):
        x = self.x[rows]
        low = np.zeros_like(Z)
        high = np.ones_like(Z)
        full = Z - x
        shares = np.array([0.25, 0.5, 0.75])
        for _ in range(rounds):
            b = self.o.best_distance[rows]
            cur = self.norm.length(high * full)
            least = self.norm.length(low * full)
            if self.p == 2:
                matter = (high - low) * high * full**2 > 1e-3 * (b**2)[:, None]
            else:
                matter = (high - low) * np.abs(full) > 1e-3 * b[:, None]
            matter &= ((self.o.left(rows) > 0) & (least < b))[:, None]
            i, j = np.nonzero(matter)
            if not len(i):
                break
            mid = low[i, j][:, None] + shares * (high - low)[i, j][:, None]  # (q,3)
            C = np.repeat((x + high * full)[i][:, None], 3, axis=1)
            C[np.arange(len(i))[:, None], np.arange(3), j[:, None]] = x[i, j][:, None] + mid * full[i, j][:, None]
            mm = self.m.measure(C.reshape(-1, self.d), np.repeat(rows[i], 3)).reshape(-1, 3)
            hit = mm <= 0
            # smallest share that still fools, contiguous from the top
            top = np.logical_and.accumulate(hit[:, ::-1], axis=1).sum(axis=1)
            ends = np.concatenate([low[i, j][:, None], mid, high[i, j][:, None]], axis=1)
            newh = ends[np.arange(len(i)), 4 - top]
            newl = ends[np.arange(len(i)), 3 - top]
            H = high.copy()
            H[i, j] = newh
            L = low.copy()
            L[i, j] = newl
            # unions: all, then largest savings
            sav = self.cost(high * full) - self.cost(H * full)
            o = np.argsort(-sav, axis=1, kind="stable")
            rank = np.argsort(o, axis=1, kind="stable")
            cnt = (sav > 0).sum(axis=1)
            if not cnt.any():
                low = L
                continue
            ks = np.stack([cnt, -(-cnt * 3 // 4), -(-cnt // 2), -(-cnt // 4)], axis=1)
            sel = rank[:, None] < ks[..., None]
            Hs = np.where(sel, H[:, None], high[:, None])
            C = x[:, None] + Hs * full[:, None]
            ask = (ks > 0) & np.concatenate([np.ones((len(ks), 1), bool), ks[:, 1:] < ks[:, :-1]], 1)
            a, bb = np.nonzero(ask)
            mm = np.full(ks.shape, np.inf)
            mm[a, bb] = self.m.measure(C[a, bb], rows[a])
            good = mm <= 0
            first = good.argmax(axis=1)
            ok = good.any(axis=1)
            ok1 = np.flatnonzero(ok)
            high2 = high.copy()
            high2[ok1] = Hs[ok1, first[ok1]]
            # brackets of accepted columns
            acc = high2 == H
            low = np.where(acc, L, low)
            high = high2
        return x + high * full

    def climb(self, rows, k):
        """One round around states: Lagrangian greedy."""
        o = self.o
        b = o.best_distance[rows]
        B = b if self.p != 2 else b**2
        if self.S is None:
            self.S = o.best.copy()
            self.mS = np.zeros(self.n)
            self.vain = np.zeros(self.n, int)
            self.u = np.full(self.n, 0.8)
            self.fresh = np.ones(self.n, bool)
        rng = self.rng()
        x = self.x[rows]
        S = self.S[rows]
        # rows that begin a new climb
        fr = np.flatnonzero(self.fresh[rows])
        if len(fr):
            # shrink the largest move so that the state lies inside u*b
            u = rng.choice([0.5, 0.7, 0.85, 0.95])
            kind = rng.integers(3)
            s = o.best[rows[fr]].copy()
            gap = s - x[fr]
            if kind == 0:
                big = np.abs(gap).argmax(axis=1)
                s[np.arange(len(fr)), big] = x[fr][np.arange(len(fr)), big]
            elif kind == 1:
                s = x[fr] + gap * u
            else:
                odds = self.cost(gap)
                cum = np.cumsum(odds, 1) / odds.sum(1)[:, None]
                j = (cum < rng.random()).sum(1).clip(max=self.d - 1)
                s[np.arange(len(fr)), j] = x[fr][np.arange(len(fr)), j]
            S[fr] = s
            self.u[rows[fr]] = u
            self.mS[rows[fr]] = self.measure(s[:, None], rows[fr])[:, 0]
            self.mS[rows[fr]] = np.where(np.isfinite(self.mS[rows[fr]]), self.mS[rows[fr]], self.m0[rows[fr]])
            self.fresh[rows] = False
            self.vain[rows[fr]] = 0
        gap = S - x
        u = self.u[rows]
        R = (u * b) ** (2 if self.p == 2 else 1)
        n1, n2, n3, n4 = P["mix"]
        K = n1 + n2 + n3 + n4
        C = np.repeat(S[:, None], K, axis=1)
        rad = np.exp(rng.uniform(np.log(0.03), 0, size=K))
        mv = self.draws(rng, K, np.array([1, 1, 0.5]), rows)
        lim = (u * b)[:, None] * rad
        mvc = np.clip(mv, -lim[..., None], lim[..., None])
        # singles
        jr = rng.integers(self.d, size=K)
        keep = np.zeros((K, self.d), bool)
        keep[np.arange(n1), jr[:n1]] = True
        sh = rng.choice([0.06, 0.12, 0.25], size=n2)
        keep[n1 : n1 + n2] = rng.random((n2, self.d)) < sh[:, None]
        sh = rng.choice([0.5, 1.0], size=n3)
        keep[n1 + n2 : n1 + n2 + n3] = rng.random((n3, self.d)) < sh[:, None]
        larger = np.abs(mvc) > np.abs(gap)[:, None]
        single = (np.arange(K) < n1)[:, None]
        use = keep & (larger | single) & (mv != 0)
        C = np.where(use, x[:, None] + mvc, C)
        # drops
        odds = self.cost(gap)
        cum = np.cumsum(odds, 1) / np.maximum(odds.sum(1), 1e-300)[:, None]
        f = rng.choice([0, 0, 0.5, 0.8, 0.9], size=n4)
        q = rng.random(n4)
        for a in range(n4):
            if a % 2 == 0:
                j = (cum < q[a]).sum(1).clip(max=self.d - 1)
            else:
                moved = np.abs(gap) > 0
                cm = np.cumsum(moved, 1)
                j = (cm < q[a] * cm[:, -1:]).sum(1).clip(max=self.d - 1)
            ii = np.arange(len(rows))
            C[ii, K - n4 + a, j] = x[ii, j] + f[a] * gap[ii, j]
        C = self.clip(C, rows)
        m = self.measure(C, rows)
        mS = self.mS[rows][:, None]
        m0 = self.m0[rows]
        Cc = self.costsum(C - x[:, None])
        cS = self.costsum(gap[:, None])
        if self.p == np.inf:
            f_new = m / m0[:, None] + np.where(Cc > R[:, None], np.inf, 0)
            f_old = mS / m0[:, None]
        else:
            f_new = m / m0[:, None] + Cc / R[:, None]
            f_old = mS / m0[:, None] + cS / R[:, None]
        gain = f_old - f_new
        # union of gains (singles and drops are disjoint mostly)
        bst = gain.argmax(axis=1)
        ii = np.arange(len(rows))
        newS, newm, newg = C[ii, bst].copy(), m[ii, bst].copy(), gain[ii, bst].copy()
        several = np.flatnonzero((gain > 1e-9).sum(axis=1) > 1)
        if len(several):
            o2 = np.argsort(-gain[several], axis=1, kind="stable")
            U = np.repeat(S[several][:, None], 3, axis=1)
            npos = (gain[several] > 1e-9).sum(axis=1)
            for a, kk in enumerate([2, 4, 8]):
                for q_ in range(min(kk, K) - 1, -1, -1):
                    c = C[several, o2[:, q_]]
                    ch = (c != S[several]) & (q_ < npos)[:, None]
                    U[:, a] = np.where(ch, c, U[:, a])
            um = self.measure(U, rows[several])
            Uc = self.costsum(U - x[several][:, None])
            if self.p == np.inf:
                ug = (f_old[several] - um / m0[several][:, None]) - np.where(Uc > R[several][:, None], np.inf, 0)
            else:
                ug = f_old[several] - um / m0[several][:, None] - Uc / R[several][:, None]
            ub = ug.argmax(axis=1)
            bett = ug[np.arange(len(several)), ub] > newg[several]
            w = several[bett]
            newS[w], newm[w], newg[w] = U[bett, ub[bett]], um[bett, ub[bett]], ug[bett, ub[bett]]
            hU = (um <= 0)
        acc = newg > 1e-9
        S = np.where(acc[:, None], newS, S)
        self.S[rows] = S
        self.mS[rows] = np.where(acc, newm, self.mS[rows])
        self.vain[rows] = np.where(acc, 0, self.vain[rows] + 1)
        # hits: state fools -> polish, begin anew
        hit = np.flatnonzero((self.mS[rows] <= 0))
        if len(hit):
            self.polish(S[hit], rows[hit], self.mS[rows][hit])
            self.fresh[rows[hit]] = True
        # any improved best
        imp = np.flatnonzero(o.best_distance[rows] < 0.999 * b)
        self.fresh[rows[self.vain[rows] >= P["restart"]]] = True

    def costsum(self, steps):
        if self.p == np.inf:
            return np.abs(steps).max(axis=-1)
        return self.cost(steps).sum(axis=-1)
