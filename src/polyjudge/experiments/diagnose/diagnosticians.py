"""Who rates a run's texts, and who writes the texts that these are compared with."""

from __future__ import annotations

from polyjudge.diagnosis.dilution import Controls
from polyjudge.diagnosis.meters import Diagnostician
from polyjudge.domain.decomposition import decomposition
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.experiments.assemble import role_of
from polyjudge.experiments.settings.config import DIAGNOSTIC, RunConfig
from polyjudge.llm.request import Asker
from polyjudge.optimizers.asking import Stage
from polyjudge.optimizers.textgrad import TextGrad


def diagnostician_of(config: RunConfig, prompt: JudgePrompt, asker: Asker) -> Diagnostician:
    """The diagnostic model, for all criteria of a run."""
    return Diagnostician(Stage(asker, role_of(config, DIAGNOSTIC), config.re_asks), prompt.criteria)


def controls_of(config: RunConfig, prompt: JudgePrompt, asker: Asker) -> Controls:
    """Writers of separate and of joint gradients, as the run's own models would have written them.

    A joint gradient hears the losses that the run has. A separate one hears separate losses, because what was said of
    all criteria at once cannot be taken apart.
    """
    return Controls(_critic("SSS", config, prompt, asker), _critic(joint_mode(config.mode), config, prompt, asker))


def joint_mode(mode: str) -> str:
    """The mode with joint gradients and the losses of another."""
    return "CCC" if mode[0] == "C" else "SCC"


def _critic(mode: str, config: RunConfig, prompt: JudgePrompt, asker: Asker) -> TextGrad:
    loss, gradient, optimizer = (
        Stage(asker, role_of(config, stage), config.re_asks) for stage in ("loss", "gradient", "optimizer")
    )
    parts = decomposition(mode, prompt.names)
    return TextGrad(parts, loss, gradient, optimizer, loss_shows_item=config.loss_shows_item)
