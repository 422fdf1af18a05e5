"""What a packing planner found: what criteria cost each other, what was tested, and the layout to use."""

from __future__ import annotations

from dataclasses import dataclass

from polyjudge.metrics.packing import PairLoss, Tested


@dataclass(frozen=True, slots=True)
class CallCost:
    """What a layout costs for an item, measured on the confirming rows.

    Attributes:
        layout: as ``--layout`` takes it.
        calls: for an item.
        prompt: tokens of the prompts.
        cached: those of them that a prefix cache served.
        completion: tokens of the replies.
        estimated: whether the model told no usage for some.
    """

    layout: str
    calls: float
    prompt: float
    cached: float
    completion: float
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Packing:
    """The plan of a packing.

    Attributes:
        data: name of the data.
        model: the judge.
        metric: the agreement.
        margin: the largest loss of the mean agreement.
        searched: rows that the pairs were judged on.
        confirmed: rows that partitions were tested on.
        documents: units of the confirming rows.
        unit: "documents", "different texts" or "rows".
        pairs: what each criterion loses beside each other one.
        tested: the partitions that were judged on the confirming rows, in order.
        layout: the layout to use, as ``--layout`` takes it.
        certified: whether it shares calls and keeps the margin.
        separate: the cost of separate calls.
        packed: the cost of the layout.
        detectable: the loss that these rows can hardly tell from the margin: 2.5 standard errors; nan = unknown.
        verdict: one sentence.
        simulated: the names of the parts that a simulated world provides.
    """

    data: str
    model: str
    metric: str
    margin: float
    searched: int
    confirmed: int
    documents: int
    unit: str
    pairs: tuple[PairLoss, ...]
    tested: tuple[Tested, ...]
    layout: str
    certified: bool
    separate: CallCost
    packed: CallCost
    detectable: float
    verdict: str
    simulated: tuple[str, ...] = ()
