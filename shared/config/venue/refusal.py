"""Describes in one line what is wrong with a value in a file or a variable: the key, the permitted values, and the value.

pydantic's own words ("Input should be greater than 0") are never shown to people. A value is shortened, and not shown at all if
it could contain a secret.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

_SHOWN: Final = 60
_OWN_WORDS: Final = "Value error, "
_BOUNDS: Final = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
_BOUND_ERRORS: Final = {
    "greater_than": "gt",
    "greater_than_equal": "ge",
    "less_than": "lt",
    "less_than_equal": "le",
}
_KINDS: Final = (
    ("bool_", "must be true or false"),
    ("int_", "must be a whole number"),
    ("decimal_", "must be a number"),
    ("float_", "must be a number"),
    ("finite_number", "must be a number, neither nan nor inf"),
    ("string_", "must be a text in quotes"),
    ("list_", "must be a list in square brackets"),
    ("tuple_", "must be a list in square brackets"),
    ("dict_", "must be a table of keys and values"),
    ("model_", "must be a section with settings of its own"),
    ("mapping_", "must be a table of keys and values"),
    ("path_", "must be a path"),
    ("is_instance_of", "is of a type that cannot be used here"),
    ("none_required", "must be left out"),
    ("missing", "is missing"),
)
"""What a value must be, by the prefix of the type of pydantic's error: the first match counts."""
_UNUSABLE: Final = "cannot be used"


def in_one_line(
    error: ValidationError,
    model: type[BaseModel] | None = None,
    *,
    variables: bool = False,
    secret: Collection[str] = (),
) -> str:
    """Return a description of all errors in the values of a file or an environment.

    With the validated `model` the description includes the whole range of a number, and the nearest known key. `variables`: keys
    are environment variables. The values of `secret` keys are not shown.
    """
    return "; ".join(_described(item, model, variables, secret) for item in error.errors(include_url=False))


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint at the known name that is most similar, or at all of them, with a space before it."""
    names = sorted(known)
    if found := get_close_matches(name, names, n=1, cutoff=0.7):
        return f" (did you mean {found[0]}?)"
    return f" (known: {', '.join(names)})" if names else ""


def shown(value: object) -> str:
    """Return a value as text for one line: at most about sixty characters, without line breaks."""
    try:
        text = repr(value)
    except ValueError:  # Python formats no integer of more than 4,300 digits
        return "a number with thousands of digits"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _described(item: ErrorDetails, model: type[BaseModel] | None, variables: bool, secret: Collection[str]) -> str:
    path, value, kind = item["loc"], item["input"], item["type"]
    key = ".".join(_name(part) for part in path if part != "[key]")
    key = key.upper() if variables else key
    if kind == "extra_forbidden":
        return f"{key} is not a known setting{_nearest_key(path, model)}"
    said = _sentence(item, model)
    if not key:
        return said
    hidden = key in secret or kind == "missing"
    # For a rule between settings of a section, the section's content adds nothing.
    if hidden or (isinstance(value, (dict, BaseModel)) and kind == "value_error"):
        return f"{key}: {said}"
    return f"{key}: {said} (got {shown(value)})"


def _sentence(item: ErrorDetails, model: type[BaseModel] | None) -> str:
    kind, context = item["type"], item.get("ctx", {})
    if kind == "value_error":
        return item["msg"].removeprefix(_OWN_WORDS)
    if kind in _BOUND_ERRORS:
        name = _BOUND_ERRORS[kind]
        bounds = {name: context[name]} | _bounds(item["loc"], model)
        return f"must be {_range(bounds)}"
    if kind in {"literal_error", "enum"}:
        return f"must be {context['expected']}"
    if kind in {"too_short", "too_long"}:
        most = context.get("max_length")
        return f"must have at most {most} items" if most else f"must have at least {_items(context['min_length'])}"
    return next((words for begin, words in _KINDS if kind.startswith(begin)), _UNUSABLE)


def _items(count: int) -> str:
    return f"{count} item" if count == 1 else f"{count} items"


def _range(bounds: Mapping[str, Any]) -> str:
    return " and ".join(f"{words} {bounds[name]}" for name, words in _BOUNDS.items() if name in bounds)


def _bounds(path: tuple[int | str, ...], model: type[BaseModel] | None) -> dict[str, Any]:
    """Return the bounds of the number at a path, as far as the model has them."""
    field = _field(path, model)
    return {} if field is None else dict(_constraints([field.annotation, *field.metadata]))


def _constraints(parts: Iterable[Any]) -> Iterable[tuple[str, Any]]:
    for part in parts:
        if isinstance(part, FieldInfo):
            yield from _constraints(part.metadata)
            continue
        yield from ((name, getattr(part, name)) for name in _BOUNDS if hasattr(part, name))
        yield from _constraints([*get_args(part), *getattr(part, "__metadata__", ())])


def _field(path: tuple[int | str, ...], model: type[BaseModel] | None) -> FieldInfo | None:
    """Return the innermost setting of a model that a path leads to."""
    found: FieldInfo | None = None
    for part in path:
        if model is None or part not in model.model_fields:
            break
        found = model.model_fields[str(part)]
        model = _section(found)
    return found


def _nearest_key(path: tuple[int | str, ...], model: type[BaseModel] | None) -> str:
    for part in path[:-1]:
        inner = model.model_fields.get(str(part)) if model is not None else None
        model = _section(inner) if inner is not None else None
    return nearest(str(path[-1]), model.model_fields) if model is not None and path else ""


def _section(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _name(part: int | str) -> str:
    text = str(part)
    return text if text.isprintable() and len(text) <= _SHOWN else shown(text)
