"""Settings of the processes by environment name; each wrong value is one sentence.

Pure: every function takes the environment as a mapping, and no file is looked at. What is empty is not set.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from consilia.errors import InvalidSetting

Environment = Mapping[str, str]

LONGEST_NUMBER = 20
LONGEST_QUOTE = 60
LARGEST_CLIP = 1e6
_WHOLE = re.compile(r"[+-]?[0-9]+")


def text(environment: Environment, name: str, default: str | None = None) -> str:
    """The value of ``name``; missing without a default is an error."""
    value = environment.get(name) or default
    if value is None:
        raise InvalidSetting(f"{name} is not set: this process needs it")
    return value


def file(environment: Environment, name: str) -> Path:
    """The path in ``name``; whoever reads the file says what is wrong with it."""
    return Path(text(environment, name))


def optional_file(environment: Environment, name: str) -> Path | None:
    """The path in ``name``, or None where it is not set."""
    return file(environment, name) if environment.get(name) else None


def url(environment: Environment, name: str) -> str:
    """The http(s) address in ``name``, without a slash at its end."""
    value = text(environment, name)
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that is not closed
        usable = False
    if not usable:
        raise InvalidSetting(f"{name} is {_quoted(value)}; it must be an address such as https://host:8443")
    return value.rstrip("/")


def integer(environment: Environment, name: str, default: int, low: int, high: int) -> int:
    """A whole number in [low, high]: ASCII digits, with or without a sign."""
    value = environment.get(name)
    if not value:
        return default
    if not _WHOLE.fullmatch(value) or len(value) > LONGEST_NUMBER:
        raise InvalidSetting(f"{name} is {_quoted(value)}; it must be a whole number from {low} to {high}")
    number = int(value)
    if not low <= number <= high:
        raise InvalidSetting(f"{name} is {number}; it must be from {low} to {high}")
    return number


def number(environment: Environment, name: str, default: float) -> float:
    """A finite number of 0 or more."""
    value = environment.get(name)
    if not value:
        return default
    try:
        parsed = float(value)
    except ValueError:
        raise InvalidSetting(f"{name} is {_quoted(value)}; it must be a number") from None
    if not math.isfinite(parsed) or parsed < 0:
        raise InvalidSetting(f"{name} is {value}; it must be 0 or more")
    return parsed


def flag(environment: Environment, name: str) -> bool:
    """``true`` or ``false`` (also 1, 0, yes, no); false when not set."""
    value = environment.get(name, "false").strip().lower()
    if value in ("true", "1", "yes"):
        return True
    if value in ("false", "0", "no", ""):
        return False
    raise InvalidSetting(f"{name} is {_quoted(value)}; it must be true or false")


def port(environment: Environment, name: str, default: int) -> int:
    """A TCP port."""
    return integer(environment, name, default, 1, 65535)


def min_agents(environment: Environment) -> int | None:
    """``MIN_AGENTS``: the quorum where the spec gives none."""
    return integer(environment, "MIN_AGENTS", 0, 1, 500) if environment.get("MIN_AGENTS") else None


def epsilon_cap(environment: Environment) -> float:
    """``DP_EPSILON``: the most that one run may ask a hospital for, which then is in no NON-PRIVATE one; 0: no cap."""
    return number(environment, "DP_EPSILON", 0.0)


def clip_norm(environment: Environment) -> float | None:
    """``DP_CLIP_NORM``: the clip norm where the spec gives none; None where it is not set."""
    if not environment.get("DP_CLIP_NORM"):
        return None
    norm = number(environment, "DP_CLIP_NORM", 1.0)
    if not 0 < norm <= LARGEST_CLIP:
        raise InvalidSetting(f"DP_CLIP_NORM is {norm:g}; it must be above 0 and at most {LARGEST_CLIP:g}")
    return norm


def require_supported(environment: Environment) -> None:
    """Refuse words and numbers that mean nothing, before anything starts."""
    epsilon_cap(environment)
    clip_norm(environment)
    flag(environment, "USE_SPARK")


def _quoted(value: str) -> str:
    return f'"{value[:LONGEST_QUOTE]}…"' if len(value) > LONGEST_QUOTE else f'"{value}"'
