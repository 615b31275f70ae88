"""What the page does without the server when a button is pressed: calls of web/page/page.js, as js= of events."""

from __future__ import annotations

import json

from ui import web
from ui.runs.settings import MAX_SEED, PAGE

_PAGE = web.module("page/page.js")
_NAMES = json.dumps(PAGE)

DRAW = f"() => {_PAGE}.then((page) => page.draw({MAX_SEED}))"
# The values are followed by the seed's lock and the revisions of the models.
ON_RUN = f"""(...values) => {{
  const [locked, ...revisions] = values.splice(-3);
  return {_PAGE}.then((page) => page.run({_NAMES}, {MAX_SEED}, values, locked, revisions));
}}"""
ON_COPY_LINK = f"""(...values) => {{
  const revisions = values.splice(-2);
  return {_PAGE}.then((page) => page.copyLink({_NAMES}, values, revisions));
}}"""
# Another value, so that the component says that it has changed.
NEXT = "(last) => String(Number(last) + 1)"
ON_CHANGE = "(...values) => { window.ddpmPlayer?.settings(values); }"
ON_SUMMARY = f"() => {_PAGE}.then((page) => page.toggleSettings())"


def copy_text(button: str) -> str:
    """Copy a text. button: the id of the button that was pressed."""
    return f"(text) => {_PAGE}.then((page) => page.copy(text, {json.dumps(button)}, 'The script:'))"
