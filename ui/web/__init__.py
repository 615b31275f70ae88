"""The page's own JavaScript and CSS: ES modules that the browser loads as they are, without a bundler."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import gradio as gr

FILES = Path(__file__).parent
SERVED = ("shared", "player", "forward", "page")

gr.set_static_paths([FILES / folder for folder in SERVED])


def text(name: str) -> str:
    return (FILES / name).read_text(encoding="utf-8")


def component(name: str, given: dict | None = None, filled: dict[str, str] | None = None, **options) -> gr.HTML:
    """A gr.HTML of web/NAME: NAME.html with NAME.css, brought to life by `mount` of NAME.js.

    mount({ element, server, upload, given }) may return, or promise, a function that takes the component's values, also
    those that came before it was loaded. filled: what stands in NAME.html for its placeholders.

    gradio fills templates in: no HTML or CSS file may hold a backtick, ${ or {{.
    """
    # The styles go into the template: gradio would write a css_template into the page again with every value.
    styles = "\n".join(text(file) for file in ("shared/shared.css", f"{name}/{name}.css"))
    template = text(f"{name}/{name}.html")
    for placeholder, html in (filled or {}).items():
        template = template.replace(placeholder, html)
    return gr.HTML(
        html_template=f"<style>{styles}</style>\n{template}",
        js_on_load=_mount(name, given),
        apply_default_css=False,
        elem_id=name,
        **options,
    )


_MOUNT = """
const early = [props.value];
let take = (value) => early.push(value);
watch("value", () => take(props.value));
{others};
{module}.then(({{ mount }}) => mount({{ element, server, upload, given: {given} }})).then((taker) => {{
  take = taker ?? (() => {{}});
  early.forEach(take);
}}).catch((error) => {{
  console.error(error);
  element.prepend("This part of the page could not be loaded: reload the page.");
}});
"""


def _mount(name: str, given: dict | None) -> str:
    first = f"{name}/{name}.js"
    # All at once, not one after another as each is found to import the next.
    files = [file.relative_to(FILES).as_posix() for part in (name, "shared") for file in FILES.glob(f"{part}/*.js")]
    others = ", ".join(module(file) for file in sorted(files) if file != first)
    return _MOUNT.format(others=f"Promise.allSettled([{others}])", module=module(first), given=json.dumps(given))


def module(name: str) -> str:
    """JavaScript: the promise of a module. Its address is relative to the page's, which may lie behind a root path."""
    return f"import(new URL({json.dumps(_address(name))}, document.baseURI))"


class Fresh:
    """Middleware that has browsers fetch the modules anew with every page. By themselves they would use their copies
    for days, beside new modules after an update of the app.
    """

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send) -> None:
        async def marked(message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"cache-control", b"no-cache")]
            await send(message)

        ours = scope["type"] == "http" and FILES.as_posix() in scope["path"]
        await self.app(scope, receive, marked if ours else send)


def _address(name: str) -> str:
    return f"gradio_api/file={quote((FILES / name).as_posix())}"
