"""Whether new instructions stand: a test on the training rows, on which no gate decided.

A gate decides many times on the same validation rows, so that what passes it is optimistic: where no instruction
changes anything, most runs still end with another prompt. The training rows inspired the proposals, but nothing was
chosen on them.
"""

from __future__ import annotations

import math

from polyjudge.concurrency import together
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.formatting.text import interval, many, signed
from polyjudge.judge.measure import rated_rows, scores
from polyjudge.metrics import agreement
from polyjudge.metrics.significance import difference_test
from polyjudge.workflows.assemble import RunSetup

# One-sided: so many of the useless fits that pass the gate are taken for useful. Wanted are at most 16 of 200 runs.
ALPHA = 0.08


async def confirmed(run_setup: RunSetup, before: JudgePrompt, after: JudgePrompt) -> tuple[bool, str]:
    """Whether a fitted prompt is credibly better than the one before on the training rows, and what was seen.

    Demonstrated examples are left out. If the rows allow no test, the gate's decision stands.
    """
    shown = {example.id for prompt in (before, after) for example in prompt.demonstrations}
    rows = [example for example in run_setup.split.train if example.id not in shown]
    rated = rated_rows(before.criteria, rows)
    metric = agreement.metric_of(run_setup.metric)
    old, new = await together(run_setup.judge.evaluate(prompt, rows) for prompt in (before, after))
    change = difference_test(metric, scores(rated.names, new), scores(rated.names, old), rated).mean
    sign = 1 if metric.higher_is_better else -1
    where = f"{many(len(rows), 'training rows')}, on which nothing was chosen"
    figures = f"{signed(change.value)} ({interval(change.low, change.high)}) on {where}"
    if math.isnan(change.p_value):
        return True, f"not tested, because {where}, are too few"
    if sign * change.value > 0 and change.p_value / 2 < ALPHA:
        return True, f"confirmed: {figures}"
    return False, f"taken back, because they are not credibly better: {figures}"
