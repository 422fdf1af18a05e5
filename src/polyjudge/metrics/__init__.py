"""Agreement with human ratings, and its uncertainty.

The parts: metrics (`metric`, `statistics`, by name in `agreement`), rated rows (`rated`), grouping by document
(`grouping`), intervals (`estimates`, `uncertainty`), tests (`significance`), power (`power`), baselines (`baselines`)
and collapse (`collapse`). Every function takes columns or matrices of numbers in which NaN is missing, and returns
NaN, never 0, for what is undefined. The room depends on numpy and on this package's registry and errors only.
"""

from polyjudge.metrics.agreement import metric_of, names
from polyjudge.metrics.baselines import ConstantBaseline, OneAnnotator, constant_baseline, one_annotator
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
    "ConstantBaseline",
    "DetectableDifference",
    "Estimate",
    "Estimates",
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
    "constant_baseline",
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
