"""The model of a user's file: every setting, its type, its bounds, and which settings depend on each other.

Unknown keys are refused, so that a misspelt limit is noticed; so is a setting without effect, since the user might rely on it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from functools import partial
from typing import Annotated, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from shared.domain.limits.policy import (
    BelowMinimum,
    ExitPolicy,
    FollowedMaster,
    GuardPolicy,
    LimitPolicy,
    OnJoin,
    OnLeave,
    OrdersMode,
    SizingMode,
    SizingPolicy,
    StopOutAction,
    SymbolPolicy,
    UserPolicy,
)
from shared.domain.stages.stage import Stage, StagePolicy, rank
from shared.domain.values.fees import dearest_taker_fee
from shared.domain.values.group_name import GROUP_WORDS, is_group_name
from shared.domain.values.master_name import NAME_WORDS, is_master_name
from shared.domain.values.money import plain
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VENUES, VenueName

_DURATION: Final = re.compile(r"(\d{1,15})(ms|s|m|h|d)")
_UNIT_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_OFF: Final = "off"
_WHOLE: Final = Decimal(100)


def exact(value: object) -> object:
    """Return a number as written: TOML has floats, and their shortest representation is what was written in the file."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    try:
        return Decimal(str(value))
    except ValueError:  # Python formats no integer of more than 4,300 digits
        raise ValueError("must not have thousands of digits") from None


def _milliseconds(value: object, most: int, words: str) -> object:
    """Parse `30` (seconds) or `"30s"`, `"500ms"`, `"5m"` to ms, up to `most` ms (`words` is the same for people)."""
    if isinstance(value, str) and (match := _DURATION.fullmatch(value)):
        found = int(match[1]) * _UNIT_MS[match[2]]
    elif (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, float) and math.isfinite(value)
    ):
        # Compared before it is multiplied: a thousand times 1e306 overflows.
        found = round(value * 1_000) if abs(value) <= most else most + 1
    else:
        raise ValueError('must be a number of seconds, or a text like "30s", "500ms" or "5m"')
    if not 0 < found <= most:
        raise ValueError(f"must be above 0 and at most {words}")
    return found


def _none_if_off(value: object) -> object:
    return None if value == _OFF else value


def symbol(value: object) -> object:
    """Parse a symbol."""
    if isinstance(value, Symbol):
        return value
    if not isinstance(value, str):
        raise ValueError('must be a symbol like "BTC/USD"')  # noqa: TRY004  # pydantic turns only ValueErrors into its own
    return Symbol.parse(value)


_Exact = Annotated[Decimal, BeforeValidator(exact)]
_Percent = Annotated[_Exact, Field(gt=0, le=100)]
_Quote = Annotated[_Exact, Field(gt=0, le=10**12)]
_Basis = Annotated[_Exact, Field(ge=0, le=1_000)]
_Count = Annotated[int, Field(strict=True, ge=1, le=100_000)]
_Lasting = Annotated[int, BeforeValidator(partial(_milliseconds, most=366 * _UNIT_MS["d"], words="366 days"))]
_Age = Annotated[int, BeforeValidator(partial(_milliseconds, most=_UNIT_MS["h"], words="1 hour"))]
_Symbol = Annotated[Symbol, BeforeValidator(symbol)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class _Sizing(_Section):
    mode: SizingMode = SizingMode.EQUITY
    multiplier: Annotated[_Exact, Field(gt=0, le=100)] = Decimal(1)
    quote_amount: _Quote | None = None
    below_minimum: BelowMinimum = BelowMinimum.SKIP

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.mode is SizingMode.FIXED_QUOTE and self.quote_amount is None:
            raise ValueError('mode "fixed_quote" needs sizing.quote_amount')
        if self.mode is not SizingMode.FIXED_QUOTE and self.quote_amount is not None:
            raise ValueError(f'quote_amount has no effect with mode "{self.mode}"; it belongs to "fixed_quote"')
        return self


class _Limits(_Section):
    max_order_pct: _Percent | None = None
    max_order_quote: _Quote | None = None
    max_positions: _Count | None = None
    max_exposure_pct: _Percent | None = None
    max_symbol_pct: _Percent | None = None
    daily_loss_pct: _Percent | None = None
    max_drawdown_pct: _Percent | None = None
    on_stop_out: StopOutAction | None = None
    stop_out_lasts: _Lasting | None = None
    max_trades_per_day: _Count | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.daily_loss_pct is None and self.max_drawdown_pct is None:
            for key in ("on_stop_out", "stop_out_lasts"):
                if getattr(self, key) is not None:
                    raise ValueError(f"{key} has no effect without limits.daily_loss_pct or limits.max_drawdown_pct")
        return self

    def policy(self) -> LimitPolicy:
        return LimitPolicy(
            max_order_pct=self.max_order_pct,
            max_order_quote=self.max_order_quote,
            max_positions=self.max_positions,
            max_exposure_pct=self.max_exposure_pct,
            max_symbol_pct=self.max_symbol_pct,
            daily_loss_pct=self.daily_loss_pct,
            max_drawdown_pct=self.max_drawdown_pct,
            on_stop_out=self.on_stop_out or StopOutAction.BLOCK_ENTRIES,
            stop_out_lasts_ms=self.stop_out_lasts,
            max_trades_per_day=self.max_trades_per_day,
        )


class _Guards(_Section):
    max_signal_age: _Age = 30_000
    max_slippage_bps: _Basis = Decimal(50)
    exit_slippage_bps: _Basis = Decimal(200)


class _Symbols(_Section):
    include: list[_Symbol] = []
    exclude: list[_Symbol] = []
    map: dict[_Symbol, _Symbol] = {}

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if both := sorted(map(str, {*self.include} & {*self.exclude})):
            raise ValueError(f"{both[0]} is in both include and exclude")
        for source, target in self.map.items():
            if source.base != target.base or source == target:
                raise ValueError(f"map changes the quote currency only: {source} cannot become {target}")
        if len(quotes := sorted({target.quote for target in self.map.values()})) > 1:
            raise ValueError(f"map leads to {' and '.join(quotes)}, but an account pays in one currency")
        return self


class _Exits(_Section):
    stop_loss_pct: Annotated[_Percent | None, BeforeValidator(_none_if_off)] = Decimal(5)
    take_profit_pct: Annotated[_Exact, Field(gt=0, le=100_000)] | None = None
    trailing_pct: _Percent | None = None
    max_hold: _Lasting | None = None


_ONLY_AUTO: Final = ("max", "trades", "max_tracking_bps", "faults", "fault_window")


def _stage(value: object) -> object:
    """Return the word for a number: 0.05, 0.25 and 1 are shares of the size."""
    number = exact(value)
    return plain(number.normalize()) if isinstance(number, Decimal) and number.is_finite() else value


def _section_of_stage(value: object) -> object:
    """Return `stage = "shadow"` as the section that it is short for."""
    return value if isinstance(value, (dict, BaseModel)) else {"start": value}


class _Stage(_Section):
    start: Annotated[Stage | None, BeforeValidator(_stage)] = None
    max: Annotated[Stage, BeforeValidator(_stage)] = Stage.FULL
    auto: bool = False
    trades: _Count = 20
    max_tracking_bps: Annotated[_Exact, Field(gt=0, le=1_000)] = Decimal(25)
    faults: _Count = 3
    fault_window: Annotated[int, BeforeValidator(partial(_milliseconds, most=7 * _UNIT_MS["d"], words="7 days"))] = (
        _UNIT_MS["h"]
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.auto:
            for key in _ONLY_AUTO:
                if key in self.model_fields_set:
                    raise ValueError(f"{key} has no effect without stage.auto = true")
            return self
        if self.start is None:
            raise ValueError('auto = true needs stage.start, where it begins, such as "shadow"')
        if self.max is Stage.PAPER:
            raise ValueError('max "paper" is no step of the ladder: it climbs from "shadow" to 1')
        if self.start is not Stage.PAPER and rank(self.max) < rank(self.start):
            raise ValueError(f"max {self.max} is below start {self.start}")
        return self

    def policy(self, *, paper: bool) -> StagePolicy:
        return StagePolicy(
            start=Stage.PAPER if paper else self.start or Stage.FULL,
            max=self.max,
            auto=self.auto,
            trades=self.trades,
            max_tracking_bps=self.max_tracking_bps,
            faults=self.faults,
            fault_window_ms=self.fault_window,
        )


NOT_FOLLOWED: Final = "none"


def _not_followed(value: object) -> object:
    """Return `none` for what else people write to say so."""
    return NOT_FOLLOWED if value is False or value in ("", _OFF) else value


_Target = StrEnum("_Target", {name.upper(): name for name in (*VENUES, NOT_FOLLOWED)})  # type: ignore[misc]
_Place = Annotated[_Target | None, BeforeValidator(_not_followed)]


class _FollowedMaster(_Section):
    """`[follow.<name>]`: a named master, the user's venue on which it is copied, and its share of the equity."""

    venue: VenueName
    share_pct: _Percent


class _Follow(_Section):
    """`[follow]`: on which of the user's venues each master is copied, and `[follow.<name>]` for each named master."""

    model_config = ConfigDict(extra="allow", frozen=True, arbitrary_types_allowed=True)
    __pydantic_extra__: dict[str, _FollowedMaster]

    kraken: _Place = None
    coinbase: _Place = None

    @model_validator(mode="after")
    def _names(self) -> Self:
        for name in self.named():
            if not is_master_name(name):
                raise ValueError(f"{name!r} is neither a venue nor the name of a master: {NAME_WORDS}")
        return self

    def named(self) -> Mapping[str, _FollowedMaster]:
        """Return the named masters."""
        return self.__pydantic_extra__ or {}

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Return master and venue of each entry; the venue is empty for a master that is not followed."""
        given = {name: getattr(self, name) for name in VENUES}
        return tuple(
            (str(name), "" if venue == NOT_FOLLOWED else str(venue))
            for name, venue in given.items()
            if venue is not None
        )


def _group(value: object) -> object:
    """Check the name of a group; an empty one is none."""
    if isinstance(value, str) and value and not is_group_name(value):
        raise ValueError(GROUP_WORDS)
    return value


class UserFile(_Section):
    """A whole file."""

    enabled: bool = True
    group: Annotated[str, BeforeValidator(_group)] = ""
    venues: Annotated[list[VenueName], Field(min_length=1)] = [VenueName.KRAKEN]
    paper: bool = False
    on_join: OnJoin = OnJoin.NEW_ONLY
    on_join_bps: _Basis = Decimal(50)
    on_leave: OnLeave = OnLeave.KEEP
    orders: OrdersMode = OrdersMode.FILLS
    stage: Annotated[_Stage, BeforeValidator(_section_of_stage)] = _Stage()
    follow: _Follow = _Follow()
    sizing: _Sizing = _Sizing()
    limits: _Limits = _Limits()
    guards: _Guards = _Guards()
    symbols: _Symbols = _Symbols()
    exits: _Exits = _Exits()

    @model_validator(mode="before")
    @classmethod
    def _tables_of_masters(cls, content: object) -> object:
        follow = content.get("follow") if isinstance(content, dict) else None
        for name, value in follow.items() if isinstance(follow, dict) else ():
            if name not in _Follow.model_fields and not isinstance(value, dict):
                raise ValueError(f"follow.{name} is not a known setting; a named master has a table, [follow.{name}]")
        return content

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.sizing.below_minimum is BelowMinimum.ROUND_UP and self.limits.max_order_pct is None:
            raise ValueError('sizing.below_minimum "round_up" needs limits.max_order_pct, above which it never rounds')
        if len(set(self.venues)) < len(self.venues):
            raise ValueError("venues contains a venue twice")
        self._check_stage()
        self._check_follow()
        self._check_target()
        return self

    @property
    def _on_paper(self) -> bool:
        return self.paper or self.stage.start is Stage.PAPER

    def _check_stage(self) -> None:
        stage = self.stage
        if self.paper and stage.start not in {None, Stage.PAPER}:
            raise ValueError(f'paper = true is the stage "paper", but stage.start is {stage.start}')
        if self.orders is OrdersMode.MIRROR and stage.policy(paper=self._on_paper).restricts:
            raise ValueError(
                'orders = "mirror" needs stage.start 1 without stage.auto: an order that rests can neither be scaled later nor '
                "only be checked"
            )

    def _check_follow(self) -> None:
        targets: dict[str, str] = {}
        for master, venue in self.follow.pairs():
            if venue and venue not in self.venues:
                raise ValueError(f"follow.{master} is {venue}, which is not among venues")
            if venue and (other := targets.get(venue)):
                raise ValueError(
                    f"follow.{other} and follow.{master} are both {venue}: what two masters buy in one account cannot be "
                    "distinguished; make two users of it"
                )
            targets[venue] = master
        for name, each in self.follow.named().items():
            if each.venue not in self.venues:
                raise ValueError(f"follow.{name}.venue is {each.venue}, which is not among venues")
        if self.follow.named() and self.orders is OrdersMode.MIRROR:
            raise ValueError(
                'orders = "mirror" mirrors the masters of venues only: remove it, or the [follow.<name>] tables'
            )
        shares = sum((each.share_pct for each in self.follow.named().values()), Decimal(0))
        if shares > _WHOLE:
            raise ValueError(f"the share_pct of the named masters add up to {plain(shares)}, more than 100")

    def _check_target(self) -> None:
        """Refuse a target that the fees of buying and selling at the dearest of the user's venues would eat up."""
        target, least = self.exits.take_profit_pct, 2 * 100 * max(map(dearest_taker_fee, self.venues))
        if target is not None and target < least:
            raise ValueError(f"exits.take_profit_pct must be at least {plain(least)}, the fees of buying and selling")

    def policy(self, user: str) -> UserPolicy:
        """Return the settings as domain values."""
        return UserPolicy(
            user=user,
            enabled=self.enabled,
            venues=tuple(self.venues),
            follow=self.follow.pairs(),
            masters=tuple(
                FollowedMaster(name, str(each.venue), each.share_pct)
                for name, each in sorted(self.follow.named().items())
            ),
            sizing=SizingPolicy(
                multiplier=self.sizing.multiplier,
                below_minimum=self.sizing.below_minimum,
                mode=self.sizing.mode,
                quote_amount=self.sizing.quote_amount,
            ),
            limits=self.limits.policy(),
            guards=GuardPolicy(
                max_signal_age_ms=self.guards.max_signal_age,
                max_slippage_bps=self.guards.max_slippage_bps,
                exit_slippage_bps=self.guards.exit_slippage_bps,
            ),
            symbols=SymbolPolicy(
                include=frozenset(self.symbols.include), exclude=frozenset(self.symbols.exclude), map=self.symbols.map
            ),
            exits=ExitPolicy(
                stop_loss_pct=self.exits.stop_loss_pct,
                take_profit_pct=self.exits.take_profit_pct,
                trailing_pct=self.exits.trailing_pct,
                max_hold_ms=self.exits.max_hold,
            ),
            on_join=self.on_join,
            on_join_bps=self.on_join_bps,
            on_leave=self.on_leave,
            orders=self.orders,
            stage=self.stage.policy(paper=self._on_paper),
            paper=self._on_paper,
            group=self.group,
        )
