"""Which publishers are one house: the owner table."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from shared.errors import InvalidSetting

SHIPPED = Path(__file__).parent.parent / "owners.toml"


@cache
def read_owners(path: Path) -> Mapping[str, str]:
    """Read an owner table, `owner = ["domain", …]`, as domain to owner. Raises `InvalidSetting` that names the file and the fault."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))["owners"]
        return {domain.lower(): owner for owner, domains in table.items() for domain in domains}
    except (OSError, tomllib.TOMLDecodeError, KeyError, AttributeError, TypeError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"owner table {path}: {type(error).__name__}: {error}; it must hold [owners] with lists of domains") from error
