"""What the decision log is told of an answer."""

import time
from collections.abc import Sequence

from loan_default.api.call import Call
from loan_default.api.loaded import Loaded
from loan_default.api.scorer import Face, Score
from loan_default.decision_log import Decided, DecisionLog, new_decision_id


async def record_all(
    log: DecisionLog, loaded: Loaded, face: Face, scores: Sequence[Score], call: Call
) -> Sequence[str | None]:
    """Record the decisions that the scores lead to: before the answer where the log is required.

    Returns:
        The id of each decision; None for all when there is no log.

    Raises:
        DecisionLogUnavailable: a required log cannot be written.
    """
    if not log.enabled:
        return [None] * len(scores)
    decided = [_decision(score, call, face, loaded) for score in scores]
    if log.required:
        await log.append_required(decided)
    else:
        for one in decided:
            log.append(one)
    return [one.decision_id for one in decided]


def _decision(score: Score, call: Call, face: Face, loaded: Loaded) -> Decided:
    """A decision that is made now, under an id of its own."""
    request_id, key_id, reference = call
    return Decided(
        new_decision_id(), time.time(), request_id, key_id, reference, face, score.pd, score.features, loaded
    )
