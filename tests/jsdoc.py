"""Reads the types that a JavaScript module declares in its comments, and checks values against them.

Of JSDoc: @typedef with @property, string literals, unions, arrays T[], tuples with or without names, string, number,
boolean, null, unknown.
"""

import re

PLAIN = {"string": str, "number": (int, float), "boolean": bool, "null": type(None), "unknown": object}


def types(source):
    """{name: the text of its type, or {property: (type, whether it may be missing)}} of every @typedef."""
    found = {}
    for comment in re.findall(r"/\*\*(.*?)\*/", source, re.S):
        text = re.sub(r"^\s*\* ?", "", comment, flags=re.M)
        for kind, rest in re.findall(r"@typedef \{(.*?)\} (.*?)(?=@typedef|\Z)", text, re.S):
            name = rest.split()[0]
            properties = re.findall(r"@property \{(.*?)\} (\[?)(\w+)", rest)
            found[name] = {key: (of, bool(may)) for of, may, key in properties} if kind == "object" else kind
    return found


def literals(kind):
    """The strings of a union of them."""
    return re.findall(r'"(.*?)"', kind)


def problem(value, kind, known):
    """None for a value of this type, else a sentence that says why not."""
    kind = kind.strip()
    if isinstance(declared := known.get(kind), dict):
        return _of_object(value, kind, declared, known)
    if declared is not None:
        return problem(value, declared, known)
    if len(options := _split(kind, "|")) > 1:
        found = [problem(value, option, known) for option in options]
        return None if None in found else f"{value!r} is none of {kind}"
    if kind.endswith("[]"):
        if not isinstance(value, list):
            return f"{value!r} is no {kind}"
        return next(filter(None, (problem(item, kind[:-2], known) for item in value)), None)
    if kind.startswith("["):
        parts = [re.sub(r"^\s*\w+:", "", part) for part in _split(kind[1:-1], ",")]
        if not isinstance(value, list) or len(value) != len(parts):
            return f"{value!r} is no {kind}"
        return next(filter(None, (problem(*pair, known) for pair in zip(value, parts, strict=True))), None)
    if kind.startswith('"'):
        right = value == kind[1:-1]
    else:
        right = isinstance(value, PLAIN[kind]) and not (kind == "number" and isinstance(value, bool))
    return None if right else f"{value!r} is no {kind}"


def _of_object(value, name, declared, known):
    if not isinstance(value, dict):
        return f"{value!r} is no {name}"
    missing = {key for key, (_, may) in declared.items() if not may} - value.keys()
    if missing or value.keys() - declared.keys():
        return f"{name}: missing {sorted(missing)}, not declared {sorted(value.keys() - declared.keys())}"
    for key, item in value.items():
        if why := problem(item, declared[key][0], known):
            return f"{name}.{key}: {why}"
    return None


def _split(text, separator):
    """At separators that are not within brackets or quotes."""
    parts, depth, quoted = [""], 0, False
    for character in text:
        quoted ^= character == '"'
        depth += (character in "[({") - (character in "])}")
        if character == separator and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return parts
