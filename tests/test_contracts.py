"""The public contracts, kept by what we ship; a metric or backend that breaks one is told so."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from polyjudge.errors import CallFailed
from polyjudge.llm.backends.scripted import Scripted
from polyjudge.llm.request import Backend, Message, Reply, Request, TokenChoice, Usage
from polyjudge.metrics import metric, names, scalar_metric, statistics
from polyjudge.metrics.metric import Metric
from polyjudge.testing.backend import BackendContract
from polyjudge.testing.metric import MetricContract


class TestSpearman(MetricContract):
    metric = statistics.spearman


class TestKendall(MetricContract):
    metric = statistics.kendall


class TestPearson(MetricContract):
    metric = statistics.pearson


class TestQuadraticKappa(MetricContract):
    metric = statistics.qwk


class TestKappa(MetricContract):
    metric = statistics.kappa


class TestMeanAbsoluteError(MetricContract):
    metric = statistics.mae


class TestRootMeanSquaredError(MetricContract):
    metric = statistics.rmse


class TestOffByOne(MetricContract):
    metric = statistics.off_by_one


class TestAccuracy(MetricContract):
    metric = statistics.accuracy


class TestMacroF1(MetricContract):
    metric = statistics.macro_f1


class TestPrimary(MetricContract):
    metric = statistics.primary


def test_every_metric_keeps_the_contract() -> None:
    kept = {contract.metric.name for contract in MetricContract.__subclasses__() if contract.__module__ == __name__}
    assert kept == set(names())


def answer(request: Request) -> Reply | Exception:
    if request.messages[0].content == "Refuse.":
        return CallFailed("the endpoint refuses", retryable=True, retry_after=1.5)
    top = (("one", -0.1), ("two", -2.5))[: request.top_logprobs]
    return Reply("one", "stop", usage=Usage(3, 1, 2), tokens=(TokenChoice("one", -0.1, top),) if top else ())


class TestScripted(BackendContract):
    def make(self) -> Backend:
        return Scripted(answer)

    def refused(self) -> Request:
        return replace(self.request(), messages=(Message("user", "Refuse."),))


LENIENT = scalar_metric("lenient", range=(math.inf, 0.0), kinds=("ordinal", "float"))(lambda predicted, human: -1.0)
REVERSED = replace(statistics.mae, higher_is_better=True)
ORDERED = scalar_metric("ordered", range=(0.0, 1.0))(lambda predicted, human: float(predicted[0] > human[0]))
COUNTING = metric("counting", range=(0.0, math.inf))(lambda pairs, weights, levels: (weights > 0).sum(axis=1) / 1.0)


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (LENIENT, "test_a_value_lies_in_the_range_or_is_nan"),
        (LENIENT, "test_perfect_agreement_has_the_best_value"),
        (COUNTING, "test_counted_rows_equal_repeated_rows"),
        (REVERSED, "test_its_range_has_the_better_end_where_its_direction_says"),
        (ORDERED, "test_the_order_of_the_rows_means_nothing"),
    ],
)
def test_a_broken_metric_fails_its_contract(broken: Metric, test: str) -> None:
    contract = MetricContract()
    contract.metric = broken
    with pytest.raises(AssertionError):
        getattr(contract, test)()


@pytest.mark.parametrize(
    "reply",
    [
        Reply("one", usage=Usage(prompt=-1)),
        Reply("one", usage=Usage(prompt=2, cached=3)),
        Reply("one", tokens=(TokenChoice("one", 0.5),)),
        Reply("one", tokens=(TokenChoice("one", -1.0, (("one", -1.0),)),)),
    ],
)
def test_a_broken_backend_fails_its_contract(reply: Reply) -> None:
    class Sloppy(BackendContract):
        def make(self) -> Backend:
            return Scripted(lambda request: reply)

    with pytest.raises(AssertionError):
        Sloppy().test_it_answers()


def test_a_leaked_key_fails_the_contract() -> None:
    class Leaky(BackendContract):
        secret = "sk-not-a-key"

        def make(self) -> Backend:
            return Scripted(lambda request: "one", identity="https://example.org?key=sk-not-a-key")

    with pytest.raises(AssertionError):
        Leaky().test_its_identity_is_stable_and_no_secret()
