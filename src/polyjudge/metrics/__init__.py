"""Agreement with human ratings, and how far to trust it.

Statistics (`agreement`), their grouping (`grouping`), intervals and paired differences (`uncertainty`), tests
(`significance`), what the data can show (`power`), and what a figure lies between (`ceilings`, `collapse`). All of
it takes columns or matrices of numbers in which NaN is missing, and gives NaN, never 0, for what is undefined. It
knows numpy and nothing else of this package but its errors.
"""

from polyjudge.metrics.agreement import (
    METRICS,
    Metric,
    Range,
    accuracy,
    kappa,
    kendall,
    macro_f1,
    mae,
    metric,
    names,
    off_by_one,
    pearson,
    primary,
    qwk,
    rmse,
    spearman,
)
from polyjudge.metrics.ceilings import Ceiling, Floor, annotators_ceiling, constant_floor
from polyjudge.metrics.collapse import Collapse, Spread, collapsed, spread
from polyjudge.metrics.grouping import Grouped, Grouping, Table, grouped, table
from polyjudge.metrics.levels import Kind, Levels
from polyjudge.metrics.power import DetectableDifference, smallest_detectable_difference
from polyjudge.metrics.significance import Permutation, Permutations, holm, permutation_test
from polyjudge.metrics.uncertainty import Interval, Intervals, bootstrap, paired_bootstrap

__all__ = [
    "METRICS",
    "Ceiling",
    "Collapse",
    "DetectableDifference",
    "Floor",
    "Grouped",
    "Grouping",
    "Interval",
    "Intervals",
    "Kind",
    "Levels",
    "Metric",
    "Permutation",
    "Permutations",
    "Range",
    "Spread",
    "Table",
    "accuracy",
    "annotators_ceiling",
    "bootstrap",
    "collapsed",
    "constant_floor",
    "grouped",
    "holm",
    "kappa",
    "kendall",
    "macro_f1",
    "mae",
    "metric",
    "names",
    "off_by_one",
    "paired_bootstrap",
    "pearson",
    "permutation_test",
    "primary",
    "qwk",
    "rmse",
    "smallest_detectable_difference",
    "spearman",
    "spread",
    "table",
]
