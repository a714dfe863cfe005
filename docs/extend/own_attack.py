"""An attack of one's own: from the best point so far, undo the changes column by column."""

from __future__ import annotations

from specreg_sklearn.attacks import BlackBoxAttack


class UndoColumns(BlackBoxAttack):
    """Restore columns of the clean row, one after the other, while the model stays fooled."""

    def _search(self, task):
        for column in task.rng(0).permutation(task.x.shape[1]):
            rows = task.active()
            trial = task.oracle.best[rows].copy()
            trial[:, column] = task.x[rows, column]
            task.oracle.decide(trial, rows)  # keeps what is adversarial and nearer
        task.report(len(task.x))


attack = UndoColumns(n_starts=5, random_state=0)
