"""What numbers of some rows say about others: metrics of labels, intervals, paired comparisons."""

from specreg_sklearn.metrics.statistics._bootstrap import bootstrap_interval
from specreg_sklearn.metrics.statistics._label_metric import Answers, LabelMetric
from specreg_sklearn.metrics.statistics._paired import (
    PairedDifference,
    holm,
    mcnemar,
    paired_difference,
    swap_test,
)
from specreg_sklearn.metrics.statistics._proportions import (
    check_confidence,
    effective_rows,
    mean_interval,
    wilson_interval,
)
from specreg_sklearn.metrics.statistics._resolve_metric import (
    METRICS,
    check_metric,
    metric_name,
    resolve_metric,
    takes_weights,
)

__all__ = [
    "METRICS",
    "Answers",
    "LabelMetric",
    "PairedDifference",
    "bootstrap_interval",
    "check_confidence",
    "check_metric",
    "effective_rows",
    "holm",
    "mcnemar",
    "mean_interval",
    "metric_name",
    "paired_difference",
    "resolve_metric",
    "swap_test",
    "takes_weights",
    "wilson_interval",
]
