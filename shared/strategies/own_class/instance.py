"""Makes a strategy of a class that is not shipped, with settings that refuse what they do not know."""

from __future__ import annotations

from typing import Any, cast

from pydantic import BaseModel, ConfigDict, RootModel

from shared.strategies.own_class.errors import UnusableStrategyError
from shared.strategies.own_class.failure import describe_failure
from shared.strategies.port import Strategy


def strict_settings(model: type[BaseModel]) -> type[BaseModel]:
    """Return the model with unknown keys refused and defaults converted, as far as it says nothing else about them.

    pydantic ignores an unknown key by default, so that a misspelt setting would be its default without a word; and it leaves a
    default as it is, so that `stop_pct: Decimal = 2` would be an int that turns amounts into floats.
    """
    if issubclass(model, RootModel):
        return model
    wanted = ConfigDict(extra="forbid", validate_default=True)
    return type(model.__name__, (model,), {"model_config": wanted | model.model_config, "__module__": model.__module__})


def make_strategy(spelt: str, found: Any, chosen: BaseModel) -> Strategy:  # Any: a class of a stranger
    """Make a strategy; a class without `__init__` gets no settings. Raises UnusableStrategyError."""
    try:
        strategy = found() if found.__init__ is object.__init__ else found(chosen)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # the code of a stranger: whatever it raises is described
        raise UnusableStrategyError(f"{spelt}(settings) failed: {describe_failure(error)}") from None
    needs = getattr(strategy, "needs", None)
    if not isinstance(needs, int) or isinstance(needs, bool) or not 1 <= needs <= 700:
        raise UnusableStrategyError(f"{spelt}.needs must be a number of candles from 1 to 700, not {needs!r}")
    held = getattr(strategy, "needs_held", needs)
    if not isinstance(held, int) or isinstance(held, bool) or not 1 <= held <= needs:
        raise UnusableStrategyError(f"{spelt}.needs_held must be a number of candles from 1 to {needs}, not {held!r}")
    return cast("Strategy", strategy)
