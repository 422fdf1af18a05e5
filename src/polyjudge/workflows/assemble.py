"""Build the objects of a run from its settings: backends, judge, optimizer, gate and samplers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from polyjudge.datasets.demonstrations import own_demonstrations, with_training_rows, without_demonstrated
from polyjudge.datasets.leaks import LeakReport, leaks
from polyjudge.datasets.split import paper_batch, paper_split, split
from polyjudge.domain.dataset import Dataset, Split
from polyjudge.domain.example import Example
from polyjudge.domain.layout import AUTO, Layout, layout
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.prompt_template import DEMONSTRATIONS
from polyjudge.engine import Setup
from polyjudge.errors import ConfigError, ModelError
from polyjudge.gates import Gate
from polyjudge.gates.early import EarlyReject
from polyjudge.judge.expected import ExpectedScoring
from polyjudge.judge.measure import primary_metric, rated_rows
from polyjudge.judge.own_prompt import item_first, layout_refusal
from polyjudge.judge.predict import Judge
from polyjudge.judge.reasoned import ReasonedJsonScoring
from polyjudge.judge.sampled import SampledScoring
from polyjudge.judge.scoring import Scoring
from polyjudge.llm.request import SIMULATED, Abilities, Asker, Backend, Role
from polyjudge.metrics.rated import RatedRows
from polyjudge.optimizers.base import Context, Optimizer, as_optimizer
from polyjudge.optimizers.bounded import BoundedOptimizer, CountingAsker
from polyjudge.optimizers.demonstrations import balanced
from polyjudge.registry import lookup
from polyjudge.results.outcome import simulated
from polyjudge.settings.config import DIAGNOSTIC, MEASURED_DEMONSTRATIONS, STAGES, RunConfig
from polyjudge.settings.objects import NOTHING, Objects
from polyjudge.settings.optimizer import OptimizerChoice, choose_optimizer
from polyjudge.workflows.gate_setup import check_ratings, gate_of


def open_judge(
    scoring: Scoring,
    layout_used: Layout,
    prompt: JudgePrompt,
    role: Role,
    asker: Asker,
    *,
    parse_retries: int,
    max_concurrency: int,
    remedy: str = "choose another --scoring or --layout",
) -> Judge:
    """A judge that asks for a prompt's criteria in a layout.

    Raises:
        ConfigError: model, criteria or layout do not allow the scoring method; the message ends with ``remedy``.
    """
    abilities = asker.abilities(role.model)
    reason = layout_refusal(prompt, layout_used)
    if reason:
        raise ConfigError(f"layout {str(layout_used)!r} cannot be used with this prompt: {reason}; choose another")
    reason = refusal(scoring, layout_used, prompt, abilities)
    if reason:
        raise ConfigError(f"scoring {scoring.name!r} cannot be used with {role.model!r}: {reason}; {remedy}")
    slots = asyncio.Semaphore(min(abilities.slots, max_concurrency)) if abilities.slots else None
    return Judge(asker, role, layout_used, scoring, parse_retries, slots)


def refusal(scoring: Scoring, layout_used: Layout, prompt: JudgePrompt, abilities: Abilities) -> str:
    """Why a scoring method cannot ask in a layout; "" when it can."""
    asked = (scoring.refusal(prompt.only(group), abilities) for group in layout_used.groups)
    return layout_refusal(prompt, layout_used) or next(filter(None, asked), "")


@dataclass(frozen=True, slots=True)
class Option:
    """One way to ask the judge: its scoring method, its layout, and the examples that it sees."""

    scoring: Scoring
    layout: Layout
    demonstrations: tuple[Example, ...] = ()


def options_of(
    config: RunConfig,
    prompt: JudgePrompt,
    role: Role,
    abilities: Abilities,
    wish: str | None,
    shown: tuple[Example, ...],
    passed: Scoring | type[Scoring] | None = None,
    *,
    own: bool = False,
) -> tuple[Option, ...]:
    """The configurations of the judge that a run may choose among, the judge as it stands first.

    What the settings name is fixed, and so is a data set's ``wish`` for an embedded model. Of the rest, the rung
    ``configure`` measures what the model can do: scores as written and as expected, criteria judged jointly and
    apart, demonstrations or none. The judge as it stands writes all its scores in one reply, and sees no example.

    Args:
        config: the settings.
        prompt: the initial one.
        role: the judge's.
        abilities: of its model.
        wish: the data set's scoring method for an embedded model.
        shown: the examples that may be demonstrated.
        passed: a scoring method that was passed instead of a name.
        own: whether the user's own are among the examples, which are then always shown.

    Raises:
        ConfigError: a layout that does not fit the mode or the criteria, or one that the scoring method refuses.
    """
    methods = [passed] if passed is not None else scoring_names(config, prompt, wish, abilities)
    scorings = [open_scoring(m, prompt, role, structured=config.structured, samples=config.samples) for m in methods]
    examples = ((), shown) if config.configures("demonstrations") and shown and not own else (shown,)
    found = []
    for demonstrations in examples:
        asked = replace(prompt, demonstrations=demonstrations)
        for scoring in scorings:
            layouts = layouts_of(config, asked, scoring, abilities)
            found += [Option(scoring, one, demonstrations) for one in layouts]
    return tuple(found)


def layouts_of(config: RunConfig, prompt: JudgePrompt, scoring: Scoring, abilities: Abilities) -> tuple[Layout, ...]:
    """The one layout that the settings name, or the two that are measured: jointly, and apart.

    Apart is ``forked`` where the backend caches prefixes, else ``separate``. There is nothing to choose under ST,
    which judges each criterion alone, with one criterion, and where the scoring method asks for one at a time. The
    user's own prompt is asked as it stands: for all criteria, or one at a time where it has one place for whichever.

    Raises:
        ConfigError: a layout that does not fit the mode or the criteria.
    """
    names = prompt.names
    if config.mode == "ST":
        layout_used = layout("separate" if config.layout == AUTO else config.layout, names)
        if len(names) > 1 and len(layout_used.groups) < len(names):
            raise ConfigError(f"mode 'ST' judges each criterion alone; leave out --layout {config.layout}")
        return (layout_used,)
    if config.layout != AUTO:
        return (layout(config.layout, names),)
    jointly = layout("joint", names)
    if len(names) == 1:
        return (jointly,)
    first = prompt.template is None or item_first(prompt.template)
    apart = layout("forked" if abilities.prefix_cache and first else "separate", names)
    if prompt.template is not None:
        return (apart,) if prompt.template.generic else (jointly,)
    if refusal(scoring, jointly, prompt, abilities):
        return (apart,)
    return (jointly, apart) if config.configures("layout") else (jointly,)


def scoring_names(config: RunConfig, prompt: JudgePrompt, wish: str | None, abilities: Abilities) -> list[str]:
    """The scoring methods that the settings allow, the one of the judge as it stands first.

    Without a name it is ``expected`` if ``samples`` is above 1, else the data set's ``wish`` for an embedded model.
    Otherwise ``json`` and, if the endpoint is known to give enough token probabilities, ``expected``, of which the
    latter alone is used where nothing is measured.
    """
    if config.scoring != "auto":
        return [config.scoring]
    if config.samples > 1:
        return ["expected"]
    if config.model.startswith("local/") and wish and prompt.template is None:
        return [wish]
    refused = ExpectedScoring.of(prompt, config.structured).refusal(prompt, abilities)
    able = not abilities.assumed and not refused
    if not config.configures("scoring"):
        return ["expected"] if able else ["json"]
    reasons = ["reasoned"] if config.configures("reasoned") and prompt.template is None else []
    return ["json", *reasons, *(["expected"] if able else [])]


def open_scoring(method: str | Any, prompt: JudgePrompt, role: Role, *, structured: bool, samples: int = 1) -> Scoring:
    """A scoring method by its name, or from an object or class.

    Raises:
        ConfigError: ``samples`` is above 1 for another method than ``expected`` and ``reasoned``, or at temperature 0.
    """
    if samples == 1:
        scoring: Scoring = (lookup("scoring", method) if isinstance(method, str) else method).of(prompt, structured)
        return scoring
    if method not in ("expected", "reasoned"):
        raise ConfigError(f"--samples {samples} belongs to --scoring expected or reasoned, not to scoring {method!r}")
    if role.sampling.temperature == 0:
        raise ConfigError(
            f"--samples {samples} needs a temperature above 0, because all answers at temperature 0 are the same; in "
            f"the settings file: [parameters.judge] temperature = 1.0"
        )
    sampled = SampledScoring.of(prompt, structured)
    if method == "reasoned":
        sampled = replace(sampled, asking=ReasonedJsonScoring.of(prompt, structured), name=method)
    return replace(sampled, samples=samples)


@dataclass(frozen=True, slots=True)
class RunSetup:
    """The objects of a run that is ready to start.

    Attributes:
        dataset: what is judged.
        split: its three parts.
        validation_rows: the validation part as people rated it.
        test_rows: the test part as people rated it.
        prompt: the initial one, over all criteria.
        setups: one, or one a criterion under ST.
        judge: judges all criteria of the test rows, with a lower priority than the steps.
        metric: the primary one.
        options: the configurations to choose among, the judge as it stands first; until one is chosen, the judge has
            the last.
        writers: the roles that the optimizer asks.
        simulated: the names of the parts that a simulated world provides; empty for a real run.
    """

    dataset: Dataset
    split: Split
    validation_rows: RatedRows
    test_rows: RatedRows
    prompt: JudgePrompt
    setups: tuple[Setup, ...]
    judge: Judge
    metric: str
    options: tuple[Option, ...]
    writers: tuple[str, ...] = ()
    simulated: tuple[str, ...] = ()

    @property
    def notice(self) -> str:
        """The notice in every record of the run; "" for a real run."""
        return SIMULATED if self.simulated else ""

    def asked(self, config: RunConfig) -> tuple[str, ...]:
        """The roles that are asked in this invocation."""
        return ("judge", *self.writers, *((DIAGNOSTIC,) if config.diagnostics else ()))

    def under(self, option: Option) -> RunSetup:
        """The same run with a judge that is configured so."""
        scoring, layout_used, shown = option.scoring, option.layout, option.demonstrations
        setups = tuple(
            replace(
                setup,
                judge=replace(setup.judge, layout=layout_used, scoring=scoring),
                prompt=replace(setup.prompt, demonstrations=shown),
            )
            for setup in self.setups
        )
        judge = replace(self.judge, layout=layout_used, scoring=scoring)
        return replace(self, judge=judge, prompt=replace(self.prompt, demonstrations=shown), setups=setups)

    def settled(self, option: Option) -> RunSetup:
        """The same run with its final configuration, and nothing left to choose."""
        return replace(self.under(option), options=(option,))

    @property
    def layout(self) -> str:
        """The layout's name; "auto" while there is a choice."""
        return AUTO if len({str(option.layout) for option in self.options}) > 1 else str(self.judge.layout)

    @property
    def scoring(self) -> str:
        """The scoring method's name; "auto" while there is a choice."""
        return "auto" if len({option.scoring.name for option in self.options}) > 1 else self.judge.scoring.name


@dataclass(frozen=True, slots=True)
class SeededSampler:
    """Draws batches without replacement within a turn, from the run's seed and the turn."""

    train: tuple[Example, ...]
    batch: int
    seed: int

    def __call__(self, turn: int) -> tuple[Example, ...]:
        return tuple(Random(f"{self.seed}/{turn}/batch").sample(self.train, min(self.batch, len(self.train))))


@dataclass(frozen=True, slots=True)
class PaperSampler:
    """The batches of the paper's protocol: the same in every run, whatever its seed."""

    train: tuple[Example, ...]
    batch: int

    def __call__(self, turn: int) -> tuple[Example, ...]:
        return tuple(self.train[row] for row in paper_batch(turn, len(self.train), self.batch))


def assemble(config: RunConfig, dataset: Dataset, asker: Asker, objects: Objects = NOTHING) -> RunSetup:
    """Build all objects of a run.

    Args:
        config: the settings.
        dataset: the rows.
        asker: the client.
        objects: those that were passed instead of names.

    Raises:
        ConfigError: settings that do not fit each other, the data or the models' abilities.
    """
    dataset = ordered(config, dataset)
    split_rows = split_of(config, dataset)
    prompt = initial_prompt(config, dataset, split_rows)
    shown = prompt.demonstrations
    role, abilities = role_of(config, "judge"), asker.abilities(config.model)
    wish, own = dataset.rubric.scoring, bool(dataset.rubric.demonstrations)
    options = options_of(config, prompt, role, abilities, wish, shown, objects.scoring, own=own)
    last = options[-1]
    prompt = replace(prompt, demonstrations=last.demonstrations)
    judge = open_judge(
        last.scoring,
        last.layout,
        prompt,
        role,
        asker,
        parse_retries=config.parse_retries,
        max_concurrency=config.max_concurrency,
    )
    metric = primary_metric(prompt.criteria)
    validation, test = (rated_rows(prompt.criteria, part) for part in (split_rows.validation, split_rows.test))
    check_ratings(config, prompt, validation)
    gate = gate_of(config, prompt, last.scoring, metric, objects.gate)
    groups = [(name,) for name in prompt.names] if config.mode == "ST" else [prompt.names]
    proposer = choose_optimizer(config.optimizer if objects.optimizer is None else objects.optimizer)
    setups = tuple(
        _setup(config, split_rows, shown, validation, prompt.only(group), judge, gate, asker, proposer)
        for group in groups
    )
    simulated_parts = simulated(map(config.model_of, STAGES), asker, dataset)
    return RunSetup(
        dataset,
        split_rows,
        validation,
        test,
        prompt,
        setups,
        judge.behind,
        metric,
        options,
        proposer.roles,
        simulated_parts,
    )


def ordered(config: RunConfig, dataset: Dataset) -> Dataset:
    """The dataset under the setting ``order``, where one is set.

    Raises:
        ConfigError: it is set, and nothing is compared.
    """
    if not config.order:
        return dataset
    if dataset.rubric.pair is None:
        raise ConfigError(
            f"--order {config.order}: nothing is compared here; write kind: preference into the criteria file, or "
            f"leave the option out"
        )
    return replace(dataset, rubric=replace(dataset.rubric, order=config.order))


def split_of(config: RunConfig, dataset: Dataset) -> Split:
    """The data's three parts under the preset's protocol.

    A published split of a registered data set serves the paper's protocol only, because SummEval's shares articles
    between its parts; a split that the user's own file names is kept. What the user's own demonstrations show belongs
    to the training rows.
    """
    if config.protocol == "paper":
        if dataset.rubric.demonstrations:
            raise ConfigError("the paper's protocol knows no demonstrations; leave them out, or choose another preset")
        return paper_split(dataset, validation=config.validation)
    splittable = dataset if dataset.rubric.split else replace(dataset, splits=None)
    splittable, shown = without_demonstrated(splittable, own_demonstrations(dataset))
    parts = split(splittable, seed=config.split_seed, by=config.split_by, validation=config.validation)
    return with_training_rows(parts, shown)


def leaks_of(config: RunConfig, parts: Split) -> LeakReport:
    """What the parts share; under the paper's protocol also which batches hit the gate's rows."""
    if config.protocol == "paper":
        return leaks(parts, steps=config.steps, batch=config.batch)
    return leaks(parts)


def initial_prompt(config: RunConfig, dataset: Dataset, parts: Split) -> JudgePrompt:
    """The prompt before any fit; demonstrations are training rows, which batches may then not draw."""
    prompt = JudgePrompt.initial(dataset.rubric, _demonstrations(config, dataset, parts))
    if prompt.demonstrations and prompt.template is not None and not prompt.template.holds(DEMONSTRATIONS):
        raise ConfigError(
            f"{len(prompt.demonstrations)} demonstrations are wanted, and the prompt has no place for them; write "
            f"{{{{ demonstrations }}}} into it, or leave out --demonstrations and the key"
        )
    if config.definitions:
        return prompt
    return replace(prompt, criteria=tuple(replace(criterion, definition="") for criterion in prompt.criteria))


def models_of(config: RunConfig) -> tuple[str, ...]:
    """The different models of an invocation, the judge's first.

    Raises:
        ModelError: no model was named.
    """
    if not config.model:
        raise ModelError("no model named; pass --model PROVIDER/MODEL, for example --model local/smollm2-135m")
    return tuple(dict.fromkeys(config.model_of(stage) for stage in config.stages))


def open_backends(
    config: RunConfig,
    given: Mapping[str, Backend],
    notify: Callable[[str], None],
    *,
    planning: bool = False,
    keyless: bool = False,
) -> dict[str, Backend]:
    """One backend a model; ``given`` ones win over names.

    Args:
        config: models, and the address of their server.
        given: model name -> an opened backend.
        notify: called when weights are downloaded, when a request differs from the usual form, and when ``base_url``
            is not used.
        planning: nothing will be asked, so no key is needed.
        keyless: no key is sent to the address.

    Raises:
        ModelError: unknown provider, missing key, bad address.
    """
    from polyjudge.llm.models import open_backend, reached_by_address

    models = models_of(config)
    named = [model for model in models if model not in given]
    at_address = reached_by_address(named) if config.base_url else models
    if named and not at_address:
        notify(f"base_url is not used: {', '.join(named)} {'is' if len(named) == 1 else 'are'} asked at no address")

    def open_one(model: str) -> Backend:
        reached = model in at_address
        return open_backend(
            model,
            base_url=(config.base_url or None) if reached else None,
            endpoint_name=(config.endpoint_name or None) if reached else None,
            threads=config.threads,
            timeout=config.attempt_timeout,
            limit_field=(config.limit_field or None) if reached else None,
            notify=notify,
            planning=planning,
            keyless=keyless and reached,
        )

    return {model: given[model] if model in given else open_one(model) for model in models}


def role_of(config: RunConfig, stage: str) -> Role:
    """A stage's model, sampling and seed."""
    return Role(stage, config.model_of(stage), config.sampling_of(stage), config.seed)


def _setup(
    config: RunConfig,
    parts: Split,
    demonstrated: tuple[Example, ...],
    validation: RatedRows,
    prompt: JudgePrompt,
    judge: Judge,
    gate: Gate,
    asker: Asker,
    proposer: OptimizerChoice,
) -> Setup:
    shown = {example.id for example in demonstrated}
    train = tuple(example for example in parts.train if example.id not in shown)
    sampler = (
        PaperSampler(train, config.batch)
        if config.protocol == "paper"
        else SeededSampler(train, config.batch, config.seed)
    )
    counter = CountingAsker(asker)
    optimizer = _optimizer(config, prompt, asker if config.step_calls is None else counter, gate, proposer)
    if config.step_calls is not None:
        most = config.step_calls // (len(validation.names) if config.mode == "ST" else 1)
        rows = len(parts.validation) if gate.measures else 0
        optimizer = BoundedOptimizer(optimizer, most, lambda: counter.asked, rows, gate.merges)
        judge = replace(judge, asker=counter)
    return Setup(
        prompt=prompt,
        judge=judge,
        optimizer=optimizer,
        gate=gate,
        validation=parts.validation,
        rated=validation.select(prompt.names),
        sampler=sampler,
        batch=min(config.batch, len(train)),
        steps=config.steps,
        early=EarlyReject(config.seed) if config.early_reject else None,
    )


def _optimizer(
    config: RunConfig, prompt: JudgePrompt, asker: Asker, gate: Gate, proposer: OptimizerChoice
) -> Optimizer:
    """The run's optimizer over a prompt's criteria, built from its settings unless it was passed built."""
    settings = proposer.settings(dict(config), config.optimizer_options)
    if not hasattr(settings, "build"):
        return as_optimizer(settings)
    roles = {role: role_of(config, role) for role in proposer.roles}
    context = Context(prompt, asker, roles, config.parse_retries, gate.measures, config.seed, config.structured)
    return as_optimizer(settings.build(context))


def _demonstrations(config: RunConfig, dataset: Dataset, parts: Split) -> tuple[Example, ...]:
    """The user's own, and training rows whose ratings spread over the scales."""
    count, rubric, own = config.demonstrations, dataset.rubric, own_demonstrations(dataset)
    has_place = rubric.template is None or rubric.template.holds(DEMONSTRATIONS)
    if not count and not own and has_place and config.configures("demonstrations"):
        # Half of the training rows stay for batches.
        count = min(MEASURED_DEMONSTRATIONS, len(parts.train) // 2)
    if count >= len(parts.train):
        raise ConfigError(
            f"--demonstrations {count} leaves no training rows for batches; there are {len(parts.train)} training rows"
        )
    seed = f"{config.seed}/0/demonstrations"
    shown = {example.id for example in own}
    train = tuple(example for example in parts.train if example.id not in shown)
    return (*own, *balanced(train, rubric.criteria, count, seed=seed))
