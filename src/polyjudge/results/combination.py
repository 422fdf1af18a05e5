"""The record of combining recorded scores: what was chosen on one half, and what it is worth on the other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from polyjudge.formatting.notebook import snippet
from polyjudge.formatting.text import interval, number, signed
from polyjudge.metrics.estimates import Estimate
from polyjudge.results.jury_file import JuryFile

COLUMNS = ("rung", "judges an item", "agreement", "gain over the single best", "MAE")


@dataclass(frozen=True, slots=True)
class Rung:
    """One way of scoring, measured on the sealed half.

    Attributes:
        name: "single best", "jury", "jury, calibrated", "ridge over the jury", "mean of all judges", "constant" or
            "one annotator".
        judges: how many judges are asked an item; 0 = none.
        agreement: mean over the criteria, each by its own metric; NaN = undefined. Interval by document, 95 %.
        gain: agreement minus that of the single best, on the rows that both scored; NaN = not tested. The intervals
            and p-values of all rungs are corrected together by Holm's rule.
        p_holm: the corrected p-value.
        mae: mean absolute error over the ordered criteria; NaN = not on the scale, or no such criterion.
        coverage: the share of the rated items that are scored.
    """

    name: str
    judges: int
    agreement: Estimate
    gain: Estimate
    p_holm: float
    mae: float
    coverage: float


@dataclass(frozen=True, slots=True)
class CriterionGain:
    """The final rung on one criterion, beside the single best judge, on the sealed half; corrected by Holm's rule."""

    criterion: str
    metric: str
    single: float
    final: float
    gain: Estimate
    p_holm: float
    one_annotator: float


@dataclass(frozen=True, slots=True)
class Repeated:
    """The same choice on further halves: the estimate, beside the one claim.

    Attributes:
        splits: how many.
        gain: mean over the splits of the final rung's gain over the single best; NaN = undefined.
        low: the 5th percentile over the splits. It is no confidence interval: the splits share their documents.
        high: the 95th.
        rungs: name of a rung -> its mean agreement over the splits.
        taken: judge -> in which share of the splits it was a member.
    """

    splits: int
    gain: float
    low: float
    high: float
    rungs: Mapping[str, float]
    taken: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Saturation:
    """What judges like these would reach together: their mean agreement, correlation, and members -> agreement."""

    agreement: float
    correlation: float
    at: Mapping[str, float]
    limit: float


@dataclass(frozen=True, slots=True)
class Combination:
    """One judge made of the scores of several, chosen on one half of the documents and measured on the other.

    Attributes:
        source: the files.
        metric: the statistic of agreement.
        unit: what is resampled and split: "documents" or "rows".
        items: all of them; ``chosen_on`` and ``sealed`` are the items of the halves.
        candidates: judge -> its mean agreement on the choosing half; NaN = undefined.
        jury: the final rung, as jury.yaml holds it.
        history: the agreement on the choosing half as members entered: (members, value), too good by the choice.
        rungs: measured on the sealed half.
        criteria: the final rung on each criterion.
        repeated: the same on further halves.
        saturation: of further members.
        ridge: why it was picked, or not.
        notes: what the user should know of the files.
        columns: how the columns were read.
        verdict: one sentence.
    """

    source: str
    metric: str
    unit: str
    items: int
    units: int
    chosen_on: int
    sealed: int
    seed: int
    candidates: Mapping[str, float]
    jury: JuryFile
    history: tuple[tuple[str, float], ...]
    rungs: tuple[Rung, ...]
    criteria: tuple[CriterionGain, ...]
    repeated: Repeated
    saturation: Saturation
    ridge: str
    verdict: str
    notes: tuple[str, ...] = ()
    columns: tuple[str, ...] = field(default=())

    @property
    def members(self) -> tuple[str, ...]:
        """The names of the jury's judges, in the order of their entrance."""
        return self.jury.fitted.members

    @property
    def single(self) -> str:
        """The best single judge of the choosing half."""
        return self.members[0]

    def rung(self, name: str) -> Rung:
        """The rung of a name.

        Raises:
            KeyError: there is none.
        """
        for rung in self.rungs:
            if rung.name == name:
                return rung
        raise KeyError(f"no rung {name!r}; there are {', '.join(repr(rung.name) for rung in self.rungs)}")

    @property
    def final(self) -> Rung:
        """The rung that jury.yaml holds."""
        names = [rung.name for rung in self.rungs]
        return self.rung(RIDGE if RIDGE in names else CALIBRATED)

    def _repr_html_(self) -> str:
        return snippet("Combination", [self.verdict], COLUMNS, rung_rows(self.rungs))


SINGLE, JURY, CALIBRATED, RIDGE = "single best", "jury", "jury, calibrated", "ridge over the jury"
ALL, CONSTANT, ANNOTATOR = "mean of all judges", "constant", "one annotator"


def rung_rows(rungs: tuple[Rung, ...]) -> list[tuple[str, ...]]:
    """The cells of the main table, one row a rung."""
    return [
        (
            rung.name,
            str(rung.judges) if rung.judges else "-",
            _with_interval(rung.agreement),
            "-"
            if math.isnan(rung.gain.value)
            else f"{signed(rung.gain.value)} [{interval(rung.gain.low, rung.gain.high, 'not given')}]",
            number(rung.mae, "-"),
        )
        for rung in rungs
    ]


def _with_interval(estimate: Estimate) -> str:
    ends = interval(estimate.low, estimate.high, "", form=number)
    return number(estimate.value, "-") + (f" [{ends}]" if ends else "")
