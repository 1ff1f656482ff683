"""Parses a settings file in TOML into its model; every error is one plain sentence."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from shared.config.errors import ConfigurationError
from shared.config.text_file import read_text
from shared.config.venue.refusal import in_one_line

Model = TypeVar("Model", bound=BaseModel)


def read_toml(path: Path, model: type[Model]) -> Model:
    """Parse a file into its model. Raises ConfigurationError in one line with the file, the key and its permitted values."""
    try:
        return parse_toml(read_text(path), model)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def parse_toml(text: str, model: type[Model]) -> Model:
    """Parse a text into its model. Raises ConfigurationError with the reason, which does not name the file."""
    return check_table(parse_table(text), model)


def parse_table(text: str) -> dict[str, Any]:
    """Parse a text in TOML. Raises ConfigurationError with the reason, which does not name the file."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"not valid TOML: {error}") from None
    except RecursionError:
        raise ConfigurationError("not valid TOML: brackets are nested too deeply") from None
    except ValueError:  # Python parses no integer of more than 4,300 digits, and no date like 31 February
        raise ConfigurationError("not valid TOML: a number has thousands of digits, or a date does not exist") from None


def check_table(content: Mapping[str, Any], model: type[Model]) -> Model:
    """Check the content of a file by its model. Raises ConfigurationError with the reason, which does not name the file."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ConfigurationError(in_one_line(error, model)) from None
