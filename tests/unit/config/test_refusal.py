"""What is wrong with a value is said in our own words, with the key and what it may be (case N14)."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from services.ops.system.paper_accounts import AccountsFile as PaperAccountsFile
from services.paper_exchange.market_file import PaperFile
from shared.config.settings import Settings
from shared.config.users.file import UserFile
from shared.config.venue.refusal import in_one_line
from shared.strategies.settings import StrategySettings


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    share: Annotated[Decimal, Field(gt=0, le=100)] | None = None
    size: Annotated[float, Field(ge=1, lt=9)] = 2.0


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    flag: bool = True
    count: Annotated[int, Field(strict=True, ge=1)] = 1
    exact: Decimal = Decimal(1)
    ratio: float = 1.0
    name: str = ""
    mode: Literal["one", "two"] = "one"
    colour: Colour = Colour.RED
    items: Annotated[list[int], Field(min_length=1, max_length=3)] = [1]
    pair: tuple[str, ...] = ()
    table: dict[str, int] = {}
    folder: Path = Path()
    inner: Inner = Inner()
    own: int = 0

    @field_validator("own")
    @classmethod
    def _own(cls, value: int) -> int:
        if value:
            raise ValueError("must be even on Sundays")
        return value


class Demanding(BaseModel):
    needed: int


def said(model: type[BaseModel], values: Any) -> str:
    """Validate and return the line that refuses."""
    with pytest.raises(ValidationError) as wrong:
        model.model_validate(values)
    return in_one_line(wrong.value, model)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"flag": 2}, "flag: must be true or false (got 2)"),
        ({"flag": []}, "flag: must be true or false (got [])"),
        ({"count": 2.5}, "count: must be a whole number (got 2.5)"),
        ({"count": 0}, "count: must be at least 1 (got 0)"),
        ({"count": "x"}, "count: must be a whole number (got 'x')"),
        ({"own": 1.5}, "own: must be a whole number (got 1.5)"),
        ({"own": "9" * 5000}, f"own: must be a whole number (got '{'9' * 59}...)"),
        ({"exact": "x"}, "exact: must be a number (got 'x')"),
        ({"exact": []}, "exact: must be a number (got [])"),
        ({"exact": "nan"}, "exact: must be a number, neither nan nor inf (got 'nan')"),
        ({"ratio": "x"}, "ratio: must be a number (got 'x')"),
        ({"ratio": []}, "ratio: must be a number (got [])"),
        ({"name": 5}, "name: must be a text in quotes (got 5)"),
        ({"mode": "three"}, "mode: must be 'one' or 'two' (got 'three')"),
        ({"colour": "green"}, "colour: must be 'red' or 'blue' (got 'green')"),
        ({"items": []}, "items: must have at least 1 item (got [])"),
        ({"items": [1, 2, 3, 4]}, "items: must have at most 3 items (got [1, 2, 3, 4])"),
        ({"items": 5}, "items: must be a list in square brackets (got 5)"),
        ({"items": ["x"]}, "items.0: must be a whole number (got 'x')"),
        ({"pair": 5}, "pair: must be a list in square brackets (got 5)"),
        ({"table": 5}, "table: must be a table of keys and values (got 5)"),
        ({"folder": 5}, "folder: must be a path (got 5)"),
        ({"inner": 5}, "inner: must be a section with settings of its own (got 5)"),
        ({"inner": {"share": 0}}, "inner.share: must be above 0 and at most 100 (got 0)"),
        ({"inner": {"share": 101}}, "inner.share: must be above 0 and at most 100 (got 101)"),
        ({"inner": {"size": 9}}, "inner.size: must be at least 1 and below 9 (got 9)"),
        ({"inner": {"size": 0}}, "inner.size: must be at least 1 and below 9 (got 0)"),
        ({"inner": {"shaer": 1}}, "inner.shaer is not a known setting (did you mean share?)"),
        ({"inner": {"zzz": 1}}, "inner.zzz is not a known setting (known: share, size)"),
        ({"own": 3}, "own: must be even on Sundays (got 3)"),
        ({"fl\nag": 3}, "'fl\\nag' is not a known setting (did you mean flag?)"),
        ({"flag": 2, "count": 0}, "flag: must be true or false (got 2); count: must be at least 1 (got 0)"),
        ({"exact": "x" * 500}, f"exact: must be a number (got '{'x' * 59}...)"),
    ],
)
def test_every_kind_of_wrong_value_has_a_sentence_with_its_key_and_what_it_may_be(
    values: dict[str, Any], line: str
) -> None:
    assert said(Outer, values) == line


def test_what_is_missing_is_said_without_a_value() -> None:
    assert said(Demanding, {}) == "needed: is missing"


WRONG: tuple[Any, ...] = (
    None,
    True,
    5,
    -1,
    0,
    10**13,
    10**30,
    1.5,
    float("nan"),
    float("inf"),
    "",
    "zzz",
    [],
    [1],
    {},
    {"a": 1},
    ["zzz"],
)


def _paths(model: type[BaseModel], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, field in model.model_fields.items():
        found.append((*path, name))
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found += _paths(field.annotation, (*path, name))
    return found


@pytest.mark.parametrize("model", [UserFile, StrategySettings, PaperFile, PaperAccountsFile, Settings])
def test_no_setting_of_ours_is_refused_in_the_words_of_a_library(model: type[BaseModel]) -> None:
    """Every setting of every file gets every kind of value: what is refused is refused in our words."""
    lines = set()
    for path in _paths(model):
        for value in WRONG:
            values: Any = value
            for name in reversed(path):
                values = {name: values}
            try:
                model.model_validate(values)
            except ValidationError as error:
                lines.add(in_one_line(error, model))
    assert lines
    for line in lines:
        assert line.isprintable()
        for foreign in (
            "Input should",
            "should be",
            "Field required",
            "Extra inputs",
            "valid ",
            "instance",
            "cannot be used",
            "ctx",
        ):
            assert foreign not in line, line
