"""Plain values, as YAML gives them, beside the dataclass fields that they are to fill."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import MISSING, Field
from typing import Any

MAPPING = (dict,), 'a mapping'
KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    'bool': ((bool,), 'true or false'),
    'float': ((int, float), 'a number (1e-3 is text in YAML, 1.0e-3 a number)'),
    'int': ((int,), 'a whole number'),
    'Path': ((str,), 'a path'),
    'str': ((str,), 'text'),
    'tuple': ((list,), 'a list'),
}
"""What YAML has to give for a field annotated so; for all others, a mapping."""


def unlike_fields(found: Any, wanted: Iterable[Field[Any]], where: str) -> Iterator[str]:
    """Yield what is unknown, missing or of another kind in a mapping.

    Args:
        found: the mapping, unless that is wrong already.
        wanted: the fields that it is to fill.
        where: it stands in the recipe.
    """
    if not isinstance(found, dict):
        yield f'expected a mapping under {where!r}, found {found!r}'
        return
    own = {field.name: field for field in wanted}
    yield from unknown_keys(found, own, where)
    missing = [field for name, field in own.items() if name not in found and _is_needed(field)]
    if missing:
        names, kinds = zip(*((field.name, _kind(field)[1]) for field in missing), strict=True)
        yield f'{where}: missing {", ".join(names)} ({", ".join(kinds)})'
    for name, value in found.items():
        if name in own and not _fits(value, own[name]):
            kind = _kind(own[name])[1]
            yield f'expected {kind} at {name} under {where!r}, found {value!r}'


def below_one(found: dict[str, Any], names: Iterable[str], where: str) -> Iterator[str]:
    """Yield numbers of things of which there have to be some."""
    for name in names:
        value = found.get(name, 1)
        if isinstance(value, int) and value < 1:
            yield f'expected at least 1 at {name} under {where!r}, found {value}'


def unknown_keys(found: Collection[Any], known: Collection[str], where: str) -> Iterator[str]:
    """Yield the keys that there are not."""
    for key in sorted(set(found) - set(known), key=str):
        yield f'unknown key {key!r} under {where!r} (known: {", ".join(sorted(known))})'


def _is_needed(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _kind(field: Field[Any]) -> tuple[tuple[type, ...], str]:
    name = str(field.type).removesuffix(' | None').partition('[')[0]
    return KINDS.get(name, MAPPING)


def _fits(value: Any, field: Field[Any]) -> bool:
    if value is None:
        return str(field.type).endswith(' | None')
    kinds = _kind(field)[0]
    return isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
