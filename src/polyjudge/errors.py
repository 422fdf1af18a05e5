"""The tree of errors: who has to act, and what the command line returns.

    PolyjudgeError                1  failed
    ├── InputError                2  wrong before any call: the user mends a file, a key or an option (1 when calls
    │   │                               were paid before it was found)
    │   ├── DataError                a data file, a row, a column, a rating
    │   ├── CriteriaError            criteria.yaml or judge.yaml
    │   ├── ConfigError              an option, a preset, a config file, a run folder
    │   ├── ModelError               an unknown provider, a missing key, a refused parameter
    │   └── MissingExtra             an optional package is not installed
    ├── Stopped                   3  stopped cleanly; the same command goes on
    │   ├── BudgetSpent              calls, tokens or money
    │   └── ProviderGone             the provider failed for longer than the retries last
    ├── TooManyUnscored              more scores are missing than --fail-on-error allows
    ├── QualityGateFailed       100  a judge agrees less than --fail-under asks
    ├── CacheError                   the response cache cannot be read or written (rights, full disk)
    ├── CallFailed                   one attempt of one call failed: the client retries or gives up
    └── ReplyError                   one reply is unusable: asked again, then counted as unscored

A message names the thing with ``!r`` and ends with the remedy.
"""

from __future__ import annotations

from typing import Literal


class PolyjudgeError(Exception):
    """Anything this package raises on purpose."""

    exit_code = 1


class InputError(PolyjudgeError):
    """Something of the user's has to be mended: a file, a key, an option. As a rule it is found before any call."""

    exit_code = 2

    def after_paying(self) -> None:
        """Say by the exit code that this was found after calls were paid, such as a full disk at the report."""
        self.exit_code = PolyjudgeError.exit_code


class DataError(InputError):
    """A data file cannot be used as it is."""


class CriteriaError(InputError):
    """A criteria or judge file cannot be used as it is."""


class ConfigError(InputError):
    """An option, config file or run folder cannot be used as it is."""


class ModelError(InputError):
    """A model cannot be reached as named: provider, key, address or parameter."""


class MissingExtra(InputError):
    """An optional package is needed.

    Args:
        package: the import name that was not found.
        extra: the extra of polyjudge that installs it.
        purpose: what it is needed for.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed; "
            f"install it with: pip install 'polyjudge[{extra}]'"
        )


class Stopped(PolyjudgeError):
    """Stopped cleanly; every answer so far is in the response cache and the same command goes on."""

    exit_code = 3


class BudgetSpent(Stopped):
    """The budget does not cover the next call."""


class ProviderGone(Stopped):
    """The provider kept failing after all retries."""


class TooManyUnscored(PolyjudgeError):
    """More scores are missing than the user allows."""


class QualityGateFailed(PolyjudgeError):
    """A judge agrees less with people than the user asks.

    Args:
        message: who, by how much.
        audit: the whole audit.
    """

    exit_code = 100

    def __init__(self, message: str, audit: object = None) -> None:
        super().__init__(message)
        self.audit = audit


class CacheError(PolyjudgeError):
    """The response cache cannot be read or written; what it holds is kept."""


class CallFailed(PolyjudgeError):
    """One attempt of one call failed.

    Args:
        message: what happened, without keys or other secrets.
        retryable: whether another attempt may succeed (overload, time-out, reset), unlike a refused key.
        retry_after: seconds the provider asks to wait; None when it does not say.
        charged: whether the attempt may have been billed (it reached the provider and no refusal came back).
        scope: what a refusal that is not retryable speaks of: "request" when other requests may well be
            answered (too long, filtered), "endpoint" when none will be (key, address, model, parameter).
        parameter: the field of the request that the provider refuses; "" when it is another fault.
        overloaded: whether fewer calls at once may help.
    """

    def __init__(
        self,
        message: str,
        *,
        retryable: bool,
        retry_after: float | None = None,
        charged: bool = False,
        scope: Literal["request", "endpoint"] = "endpoint",
        parameter: str = "",
        overloaded: bool = False,
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after = retry_after
        self.charged = charged
        self.scope = scope
        self.parameter = parameter
        self.overloaded = overloaded


class ReplyError(PolyjudgeError):
    """A model's reply cannot be read as what was asked for."""
