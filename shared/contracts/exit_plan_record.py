"""An exit plan as JSON text: in the record of the order that opens a position, and then in the position's own record."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Final

from pydantic import Field

from shared.contracts.fields import MalformedMessageError, Message, Number, Positive, read_json_object, type_or_blank
from shared.domain.values.money import ONE, plain
from shared.strategies.exit_plan import DueExit, ExitPlan, Target

_NUMBER: Final = r"[0-9]{1,18}(?:\.[0-9]{1,60})?"
_AT: Final = "@"
_TARGET: Final = rf"{_NUMBER}{_AT}{_NUMBER}"


class ExitPlanRecord(Message):
    """`targets` are `fraction@price`, the nearest first, with spaces between them; prices are quote per base."""

    stop: Number
    """A stop may be below zero: a volatile coin of a low price has one that is never reached."""
    targets: Annotated[str, Field(pattern=rf"^(?:{_TARGET}(?: {_TARGET})*)?$")] = ""
    break_even: Annotated[Positive | None, type_or_blank] = None
    trail: Annotated[Positive | None, type_or_blank] = None
    highest: Annotated[Positive | None, type_or_blank] = None


def write_exit_plan(plan: ExitPlan | None) -> str:
    """Return a plan as the text of its field; an empty text for None."""
    if plan is None:
        return ""
    targets = " ".join(f"{plain(target.fraction)}{_AT}{plain(target.price)}" for target in plan.targets)
    record = ExitPlanRecord(
        stop=plan.stop, targets=targets, break_even=plan.break_even, trail=plan.trail, highest=plan.highest
    )
    return json.dumps(record.fields())


def read_exit_plan(written: str) -> ExitPlan | None:
    """Parse a plan; None for an empty text. Raises MalformedMessageError."""
    if not written:
        return None
    record = ExitPlanRecord.parse(read_json_object(written))
    targets = tuple(_target(part) for part in record.targets.split())
    if any(later.price <= earlier.price for earlier, later in pairwise(targets)):
        raise MalformedMessageError("ExitPlanRecord.targets: must rise")
    return ExitPlan(record.stop, targets, record.break_even, record.trail, record.highest)


def _target(part: str) -> Target:
    fraction, _, price = part.partition(_AT)
    found = Target(Decimal(price), Decimal(fraction))
    if not 0 < found.fraction <= ONE or found.price <= 0:
        raise MalformedMessageError(f"ExitPlanRecord.targets: {part} is no target")
    return found


def write_due_exit(due: DueExit | None) -> str:
    """Return which step of a plan an order carries out, for its record; an empty text for an order of none."""
    return "" if due is None else f"{due.targets_done}{_AT}{plain(due.fraction)}"


def read_due_exit(written: str) -> DueExit | None:
    """Parse a step of a plan. Raises ValueError or ArithmeticError for what is none."""
    if not written:
        return None
    done, _, fraction = written.partition(_AT)
    due = DueExit(Decimal(fraction), int(done), "")
    if not 0 < due.fraction <= ONE or due.targets_done < 0:
        raise ValueError(f"no step of an exit plan: {written}")
    return due
