"""Check whether a value from an engine has a type of ui/protocol.py."""

from types import UnionType
from typing import Literal, TypeVar, get_args, get_origin, get_type_hints, is_typeddict


def fits(value, kind) -> bool:
    """Return whether a value has a type: each field of an object, and each number of an array."""
    origin, parts = get_origin(kind), get_args(kind)
    if is_typeddict(origin or kind):
        fields, required = get_type_hints(origin or kind), (origin or kind).__required_keys__
        known = isinstance(value, dict) and required <= value.keys() <= fields.keys()
        return known and all(fits(value[name], fields[name]) for name in value)
    if isinstance(kind, TypeVar):
        return True
    if origin is UnionType:
        return any(fits(value, one) for one in parts)
    if origin is Literal:
        return value in parts
    if origin is list:
        return isinstance(value, list) and all(fits(one, parts[0]) for one in value)
    if origin is tuple:
        pairs = isinstance(value, list | tuple) and len(value) == len(parts) and zip(value, parts, strict=True)
        return bool(pairs) and all(fits(*pair) for pair in pairs)
    if origin is dict:
        return isinstance(value, dict) and all(
            fits(one, of) for pair in value.items() for one, of in zip(pair, parts, strict=True)
        )
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
