"""What is found after calls were paid does not exit as if nothing had been asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.calling import keywords
from tests.rated import FIVE, JUDGE, Recorder, by_chance, rated

from polyjudge import diagnose, optimize, score
from polyjudge.domain.records import Step
from polyjudge.errors import ConfigError

DATA = rated({"clarity": FIVE, "warmth": FIVE}, documents=12)


def fitted(output: str, blocked: str = "", **options: Any) -> Recorder:
    """A run in which a folder stands in the way of a file, from its first step on."""
    recorder = Recorder(by_chance(DATA))

    def block(event: object) -> None:
        if blocked and isinstance(event, Step):
            (Path(output) / blocked).mkdir(exist_ok=True)

    optimize(
        DATA.rows, criteria=DATA.criteria, output=output, backends={JUDGE: recorder.backend}, observer=block,
        **keywords(**{"model": JUDGE, "steps": 1, "gate": "none", **options}),
    )  # fmt: skip
    return recorder


@pytest.mark.parametrize("name", ["predictions.jsonl", "judge.yaml", "summary.md", "result.json", "report.html"])
def test_a_run_that_cannot_write_exits_by_what_it_paid(name: str, place: Path) -> None:
    with pytest.raises(ConfigError, match=f"cannot write .*{name}") as paid:
        fitted("run", name)
    assert paid.value.exit_code == 1
    if name != "report.html":  # A report that stands already is not written by a run that asked nothing.
        with pytest.raises(ConfigError, match=f"cannot write .*{name}") as free:
            fitted("another", name)
        assert free.value.exit_code == 2


def test_what_is_wrong_before_any_call_exits_as_ever(place: Path) -> None:
    with pytest.raises(ConfigError) as wrong:
        fitted("run", mode="SSQ")
    assert wrong.value.exit_code == 2


def test_a_diagnosis_and_scores_that_cannot_be_written_exit_by_what_was_paid(place: Path) -> None:
    fitted("run")
    (place / "run" / "diagnosis.json").mkdir()
    backends = {JUDGE: Recorder(by_chance(DATA)).backend}
    with pytest.raises(ConfigError, match=r"diagnosis\.json") as paid:
        diagnose("run", data=DATA.rows, only="interference", backends=backends)
    assert paid.value.exit_code == 1
    with pytest.raises(ConfigError) as free:
        score("run/judge.yaml", DATA.rows, output="nowhere/scores.csv", backends=backends)
    assert free.value.exit_code == 2
