"""Puts a registered model up for promotion: its gates, the champion, and the callers of a running service decide."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loan_default.errors import PromotionRefused
from loan_default.model import LoanModel
from loan_default.promotion import STAGES, Promotions, promotions
from loan_default.registry import Registered
from loan_default.settings import Settings, Stage
from loan_default.training.challenge import challenge
from loan_default.training.gates import GateResult


@dataclass(frozen=True)
class Candidate:
    """A registered model that would like to be promoted, and the file it was trained on."""

    model: LoanModel
    registered: Registered
    data_path: Path


def nominate(
    settings: Settings, candidate: Candidate, gates: list[GateResult], tell: Callable[[str], None]
) -> tuple[list[Stage], list[str]]:
    """Promote to every stage that nothing speaks against; returns these, and what spoke against the others."""
    promoted: list[Stage] = []
    held_back: list[str] = []
    with promotions(settings, lambda text: tell(f"Warning: {text}")) as desk:
        for stage in STAGES:
            try:
                reason = _reason_to_promote(desk, candidate, stage, gates, tell)
                served = desk.promote(candidate.registered, stage, reason)
            except PromotionRefused as error:
                desk.refuse(candidate.registered, stage, error.message)
                held_back.append(error.message)
            else:
                promoted.append(stage)
                tell(f"Promoted to {stage}: {served.tag} in the BentoML store")
    return promoted, held_back


def _reason_to_promote(
    desk: Promotions, candidate: Candidate, stage: Stage, gates: list[GateResult], tell: Callable[[str], None]
) -> str:
    """Why a candidate may be promoted; raises PromotionRefused when a gate or the champion stands in the way."""
    version = candidate.registered.version
    failed = [str(gate) for gate in gates if gate.stage == stage and not gate.passed]
    if failed:
        raise PromotionRefused(f"Version {version} was not promoted to {stage}: {'; '.join(failed)}.")
    champion = desk.champion(stage) if stage == "production" else None
    if champion is None:
        return "passed its gates"
    model = LoanModel.load(champion.model_folder)
    verdict = challenge(candidate.model, model, candidate.data_path, candidate.model.about.seed)
    tell(f"Champion {champion.tag}: {verdict.text}")
    if verdict.refused:
        raise PromotionRefused(f"Version {version} was not promoted to {stage}: {verdict.text}.")
    return f"passed its gates; {verdict.text}"
