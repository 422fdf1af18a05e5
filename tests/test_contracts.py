"""The public contracts, kept by what we ship; a metric or backend that breaks one is told so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from polyjudge.errors import CallFailed
from polyjudge.llm.backends.scripted import Scripted
from polyjudge.llm.request import Backend, Message, Reply, Request, TokenChoice, Usage
from polyjudge.metrics import agreement
from polyjudge.metrics.agreement import Metric
from polyjudge.testing.backend import BackendContract
from polyjudge.testing.metric import MetricContract


class TestSpearman(MetricContract):
    metric = agreement.SPEARMAN


class TestKendall(MetricContract):
    metric = agreement.KENDALL


class TestPearson(MetricContract):
    metric = agreement.PEARSON


class TestQuadraticKappa(MetricContract):
    metric = agreement.QWK


class TestKappa(MetricContract):
    metric = agreement.KAPPA


class TestMeanAbsoluteError(MetricContract):
    metric = agreement.MAE


class TestRootMeanSquaredError(MetricContract):
    metric = agreement.RMSE


class TestOffByOne(MetricContract):
    metric = agreement.OFF_BY_ONE


class TestAccuracy(MetricContract):
    metric = agreement.ACCURACY


class TestMacroF1(MetricContract):
    metric = agreement.MACRO_F1


class TestPrimary(MetricContract):
    metric = agreement.PRIMARY


def test_every_metric_keeps_the_contract() -> None:
    kept = {contract.metric.name for contract in MetricContract.__subclasses__() if contract.__module__ == __name__}
    assert kept == set(agreement.names())


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


LENIENT = replace(agreement.MAE, function=lambda predicted, human, levels: -1.0)
REVERSED = replace(agreement.MAE, higher_is_better=True)
ORDERED = replace(
    agreement.SPEARMAN, function=lambda predicted, human, levels: float(predicted[0] > human[0]), weighted=None
)


@pytest.mark.parametrize(
    ("metric", "test"),
    [
        (LENIENT, "test_a_value_lies_in_the_range_or_is_nan"),
        (LENIENT, "test_perfect_agreement_has_the_best_value"),
        (LENIENT, "test_counted_rows_equal_repeated_rows"),
        (REVERSED, "test_its_range_has_the_better_end_where_its_direction_says"),
        (ORDERED, "test_the_order_of_the_rows_means_nothing"),
    ],
)
def test_a_broken_metric_fails_its_contract(metric: Metric, test: str) -> None:
    contract = MetricContract()
    contract.metric = metric
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
