"""Agreement with human ratings, and how far to trust it.

What is measured (`metric`, `statistics`, by name in `agreement`), on which rows (`rated`), how it is grouped
(`grouping`), with which interval (`estimates`, `uncertainty`), by which test (`significance`), what the data can show
(`power`), and what a figure lies between (`ceilings`, `collapse`). All of it takes columns or matrices of numbers in
which NaN is missing, and gives NaN, never 0, for what is undefined. It knows numpy and nothing else of this package
but its registry and its errors.
"""

from polyjudge.metrics.agreement import metric_of, names
from polyjudge.metrics.ceilings import Floor, OneAnnotator, constant_floor, one_annotator
from polyjudge.metrics.collapse import Collapse, collapsed
from polyjudge.metrics.estimates import Estimate, Estimates, Interval
from polyjudge.metrics.grouping import Grouped, Grouping, Table, grouped, table
from polyjudge.metrics.levels import Kind, Levels
from polyjudge.metrics.metric import Metric, Range, metric, scalar_metric
from polyjudge.metrics.power import DetectableDifference, smallest_detectable_difference
from polyjudge.metrics.rated import RatedRows
from polyjudge.metrics.significance import difference_test, holm
from polyjudge.metrics.statistics import (
    accuracy,
    kappa,
    kendall,
    macro_f1,
    mae,
    off_by_one,
    pearson,
    primary,
    qwk,
    rmse,
    spearman,
)
from polyjudge.metrics.uncertainty import bootstrap, paired_bootstrap

__all__ = [
    "Collapse",
    "DetectableDifference",
    "Estimate",
    "Estimates",
    "Floor",
    "Grouped",
    "Grouping",
    "Interval",
    "Kind",
    "Levels",
    "Metric",
    "OneAnnotator",
    "Range",
    "RatedRows",
    "Table",
    "accuracy",
    "bootstrap",
    "collapsed",
    "constant_floor",
    "difference_test",
    "grouped",
    "holm",
    "kappa",
    "kendall",
    "macro_f1",
    "mae",
    "metric",
    "metric_of",
    "names",
    "off_by_one",
    "one_annotator",
    "paired_bootstrap",
    "pearson",
    "primary",
    "qwk",
    "rmse",
    "scalar_metric",
    "smallest_detectable_difference",
    "spearman",
    "table",
]
