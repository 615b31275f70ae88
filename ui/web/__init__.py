"""The page's own JavaScript and CSS: ES modules that the browser loads as they are, without a bundler."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

FILES = Path(__file__).parent
SERVED = ("shared", "player", "forward", "latents", "likelihood", "plane", "train", "page")

PARTS = ("run", "status")  # of shared/, where a template says <!-- run -->
gr.set_static_paths([FILES / folder for folder in SERVED])


def text(name: str) -> str:
    """The text of a file, by its path in ui/web."""
    return (FILES / name).read_text(encoding="utf-8")


def component(
    name: str, given: dict[str, Any] | None = None, filled: dict[str, str] | None = None, **options: Any
) -> gr.HTML:
    """A gr.HTML of web/NAME: NAME.html with NAME.css, started by `mount` of NAME.js. options: of gr.HTML.

    mount({ element, server, upload, trigger, given }) may return, or promise, a function that takes the component's
    values, those from before it was loaded included. filled: replacements for the placeholders of NAME.html.

    gradio evaluates templates: no HTML or CSS file may contain a backtick, ${ or {{.
    """
    # The styles are part of the template, as gradio would write a css_template into the page again with every value.
    styles = "\n".join(text(file) for file in ("shared/shared.css", "shared/form.css", f"{name}/{name}.css"))
    template = text(f"{name}/{name}.html")
    for part in PARTS:
        template = template.replace(f"<!-- {part} -->", text(f"shared/{part}.html"))
    for placeholder, html in (filled or {}).items():
        template = template.replace(placeholder, html)
    return gr.HTML(
        html_template=f"<style>{styles}</style>\n{template}",
        js_on_load=_mount(name, given),
        apply_default_css=False,
        elem_id=name,
        **options,
    )


def functions(*methods: Callable[[Any], Any]) -> list[Callable[[Any], Any]]:
    """Methods as the functions that `server_functions` needs: gradio marks each one, and a method can't be marked."""

    def function(method: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def call(asked: Any) -> Any:
            return method(asked if isinstance(asked, dict) else {})

        call.__name__ = method.__name__
        return call

    return [function(method) for method in methods]


_MOUNT = """
const root = element.querySelector("section");
root.inert = true; // until somebody listens: a click would be lost
const early = [props.value];
let take = (value) => early.push(value);
watch("value", () => take(props.value));
{others};
{module}.then(({{ mount }}) => mount({{ element, server, upload, trigger, given: {given} }})).then((taker) => {{
  take = taker ?? (() => {{}});
  early.forEach(take);
  root.inert = false;
}}).catch((error) => {{
  console.error(error);
  element.prepend("This part of the page could not be loaded: reload the page.");
}});
"""


def _mount(name: str, given: dict[str, Any] | None) -> str:
    first = f"{name}/{name}.js"
    # All are fetched at once, not one after another as each is found to import the next.
    files = [file.relative_to(FILES).as_posix() for part in (name, "shared") for file in FILES.glob(f"{part}/*.js")]
    others = ", ".join(module(file) for file in sorted(files) if file != first)
    return _MOUNT.format(others=f"Promise.allSettled([{others}])", module=module(first), given=json.dumps(given))


def module(name: str) -> str:
    """JavaScript: the promise of a module. Its address is relative to the page's, as that may have a root path."""
    return f"import(new URL({json.dumps(_address(name))}, document.baseURI))"


class Fresh:
    """ASGI middleware: browsers fetch the modules again with every page. Otherwise they would use their copies for
    days, together with new modules after an update of the app.
    """

    def __init__(self, app: Callable[..., Awaitable[None]]):
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def marked(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"cache-control", b"no-cache")]
            await send(message)

        ours = scope["type"] == "http" and FILES.as_posix() in scope["path"]
        await self.app(scope, receive, marked if ours else send)


def _address(name: str) -> str:
    return f"gradio_api/file={quote((FILES / name).as_posix())}"
