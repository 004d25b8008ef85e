"""Hands what was decided to the decision log."""

import time
from collections.abc import Sequence
from typing import Literal

from loan_default.api.call import Call
from loan_default.api.loaded import Loaded
from loan_default.api.scorer import Score
from loan_default.decision_log import Decided, DecisionLog, new_decision_id


async def record(
    log: DecisionLog, face: Literal["rest", "native"], loaded: Loaded, decisions: Sequence[tuple[Score, Call]]
) -> list[str | None]:
    """Record decisions of one moment: before the answer where the log is required, soon after it otherwise.

    Returns:
        The id of each decision; None for all when there is no log.

    Raises:
        DecisionLogUnavailable: a required log cannot be written.
    """
    if not log.enabled:
        return [None] * len(decisions)
    now = time.time()
    decided = [
        Decided(new_decision_id(), now, *call, face, score.pd, score.features, loaded) for score, call in decisions
    ]
    if log.required:
        await log.append_required(decided)
    else:
        for one in decided:
            log.append(one)
    return [one.decision_id for one in decided]
