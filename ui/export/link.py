"""The address of the page that restores its controls. web/page/page.js writes it, with the names of settings.PAGE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ui.runs.settings import PAGE, limits_of


def from_address(query: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """The values of controls in the query of an address, by the names of PAGE, and a sentence for each value that is
    left out because it is not allowed.
    """
    values, refused = {}, []
    for name in PAGE:
        text = query.get(name)
        if text is None:
            continue
        try:
            value = limits_of(name).read(text)
        except ValueError as error:
            refused.append(f"In the address, {name}: {error}")
        else:
            values[name] = str(value) if name == "seed" else value  # its control is a text box
    return values, refused
