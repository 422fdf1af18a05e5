"""Several judges as one, from scores at hand: juries, calibration, a ridge over criteria, and what they would add.

`select_jury` chooses members on validation rows, `calibrate` moves their scores to where the ratings are,
`choose_ridge` lets criteria help each other where cross-validation says so, and `forecast` tells what more members
would add. Scores are (n, K), NaN = unscored; human ratings are `RatedRows`. The room depends on `metrics` only and
asks no model.
"""

from polyjudge.combining.calibration import Calibration, MonotoneMap, calibrate, calibrated, isotonic
from polyjudge.combining.fitted import FittedJury, JuryFit, fit_jury
from polyjudge.combining.folds import folds, half
from polyjudge.combining.jury import Combined, Footing, Jury
from polyjudge.combining.objective import Objective, Value
from polyjudge.combining.ridge import Ridge, RidgeChoice, choose_ridge, fit_ridge
from polyjudge.combining.saturation import Forecast, forecast, saturation
from polyjudge.combining.selection import Addition, JuryChoice, select_jury

__all__ = [
    "Addition",
    "Calibration",
    "Combined",
    "FittedJury",
    "Footing",
    "Forecast",
    "Jury",
    "JuryChoice",
    "JuryFit",
    "MonotoneMap",
    "Objective",
    "Ridge",
    "RidgeChoice",
    "Value",
    "calibrate",
    "calibrated",
    "choose_ridge",
    "fit_jury",
    "fit_ridge",
    "folds",
    "forecast",
    "half",
    "isotonic",
    "saturation",
    "select_jury",
]
