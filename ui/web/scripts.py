"""The page's modules as a browser gets them: few files in the place of many, as each request takes its time.

`page.js` has the modules of the first screen, and `local/worker.js` those of the worker. What both need is in
`common.js`, which they import. Every other module is a file. `$need` of `common.js` gives what a module exports, and
runs it when it is first asked for.

Figures stand in pages of others, too, so `figures.js` and its worker need none of these files: each has all that its
module imports. What it imports later lies in a folder of its name.
"""

from __future__ import annotations

import posixpath
import re
from functools import cache
from pathlib import Path

FILES = Path(__file__).parent
PAGE, COMMON, WORKER = "page.js", "common.js", "local/worker.js"
ENTRY = "app.js"  # runs when the page opens
FIRST = ("parts/watch/mount.js", "parts/watch/plan.js")  # are asked for at once by what runs then
FIRST_RUN = ("parts/watch/compute.js", "parts/compare/compute.js", "parts/grid/compute.js")  # of the worker
FIGURES = "figures.js"
DOOR = "figures/worker.js"
ALONE = {FIGURES: "figures/figure.js", "figures/worker/all.js": DOOR}  # each file, and its module
PAGES = ("essay/essay.js", "essay/embed.js")  # run beside figures.js
FIRST_FIGURES = ("figures/kinds/pad.js", "figures/kinds/noise.js")  # of the essay
OTHER_PAGES = ("figures/", "essay/")  # rooms that the lab's page does not use
IMPORT = re.compile(r'^import \{([^}]*)\} from "(\.[^"]+)";$', re.M)
LATER = re.compile(r'\bimport\((["`])(\.[^"`]+)\1\)')  # import("./x.js")
EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const) (\w+))", re.M)
# What nobody runs of JavaScript and CSS: a fifth of the first page's.
REMARK = re.compile(r"""(?<![^\s(])/\*(?:(?!\*/).)*\*/ ?|^ *//[^\n]*\n|(?<=[;{},)\]]) // [^\n'"`]*$""", re.M | re.S)
RUNTIME = """const held = {};
const made = {};
export const $hold = (modules) => Object.assign(held, modules);
export const $need = (name) => (made[name] ??= held[name]());
export const $load = async (name) => (held[name] ? $need(name) : import(`./FOLDER${name}`));
"""


@cache
def modules() -> list[str]:
    """All modules, by their paths in ui/web."""
    found = (file.relative_to(FILES).as_posix() for file in sorted(FILES.rglob("*.js")))
    return [name for name in found if not name.startswith(("node_modules/", "tests/"))]


@cache
def module(name: str) -> str:
    """The text of a module without its remarks, by its path in ui/web; and without its indentation, unless a text of
    several lines may need that.
    """
    text = re.sub(REMARK, "", (FILES / name).read_text(encoding="utf-8"))
    has_long_text = any(line.count("`") % 2 for line in text.splitlines())
    return text if has_long_text else re.sub(r"^ +", "", text, flags=re.M)


def meant(name: str, path: str) -> str:
    """The module that a module means by a path."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), path))


def named(name: str, path: str) -> list[str]:
    """The modules that a module can mean by a path: with a folder as `${part}`, those of all folders."""
    path = meant(name, path)
    pattern = re.sub(r"\\\$\\\{\w+\\\}", "[^/]+", re.escape(path))
    return [path] if "$" not in path else [one for one in modules() if re.fullmatch(pattern, one)]


def imported(*names: str, later: bool = False) -> list[str]:
    """Return these modules and all that they import, directly or not. Each comes after what it imports.

    later: with what they import only when they need it.
    """
    found: dict[str, None] = {}
    begun: set[str] = set()

    def visit(name: str) -> None:
        if name in begun:
            return
        begun.add(name)
        for _, path in IMPORT.findall(module(name)) + LATER.findall(module(name)) * later:
            for one in named(name, path):
                visit(one)
        found[name] = None

    for name in names:
        visit(name)
    return list(found)


@cache
def scripts(client: str) -> dict[str, str]:
    """The text of each file of JavaScript, by its path. client: the module of what computes for the page."""
    page, worker = imported(*FIRST, client, ENTRY), imported(*FIRST_RUN, WORKER)
    # A file outside can be one of the page and of the worker. Each of them runs its own copy of what such a file needs.
    both = set(imported(*page, later=True)) & set(imported(WORKER, later=True))
    bundles = {
        COMMON: [name for name in dict.fromkeys(page + worker) if name in both],
        PAGE: [name for name in page if name not in both],
        WORKER: [name for name in worker if name not in both],
    }
    inside = frozenset(name for names in bundles.values() for name in names)
    outside = [name for name in modules() if name not in inside and not name.startswith(OTHER_PAGES)]
    files = {name: linked(name, name, inside) for name in outside}
    files |= {file: bundle(file, names, inside) for file, names in bundles.items()}
    return {file: with_runtime(file, text) for file, text in files.items()} | figures()


@cache
def figures() -> dict[str, str]:
    """The text of each file that the essay and the pages of others need, by its path."""
    files: dict[str, str] = {}
    for file, module in ALONE.items():
        inside, folder = frozenset(imported(module)), f"{file.removesuffix('.js')}/"
        text = hold(imported(module), file, inside) + f'$need("{module}");\n'
        files[file] = RUNTIME.replace("FOLDER", posixpath.basename(folder[:-1]) + "/") + text
        for name in imported(module, later=True):
            if name not in inside:
                files[folder + name] = with_runtime(folder + name, linked(name, folder + name, inside), file)
    # WebKit runs the first module of a worker anew where another one imports it: so it holds nothing.
    files[DOOR] = 'import "./worker/all.js";\n'
    inside = frozenset(imported(ALONE[FIGURES]))
    return files | {name: with_runtime(name, linked(name, name, inside), FIGURES) for name in PAGES}


def first_of_essay() -> list[str]:
    """The files that the first figures of the essay need: a browser asks for all of them at once."""
    inside = imported(ALONE[FIGURES])
    later = [name for name in imported(*FIRST_FIGURES) if name not in inside]
    return [FIGURES, *(f"{FIGURES.removesuffix('.js')}/{name}" for name in later)]


def bundle(file: str, names: list[str], inside: frozenset[str]) -> str:
    """Modules as one file. The last one runs at once, but in common.js. inside: the modules of all bundles."""
    held, entries = (names, []) if file == COMMON else (names[:-1], names[-1:])
    return hold(held, file, inside) + "".join(EXPORT.sub("", linked(name, file, inside)) for name in entries)


def hold(names: list[str], file: str, inside: frozenset[str]) -> str:
    """Modules as functions that `$need` finds, in a file."""
    functions = "".join(f'"{name}"() {{\n{function(linked(name, file, inside))}}},\n' for name in names)
    return f"$hold({{\n{functions}}});\n"


def function(text: str) -> str:
    """The body of a function that does what a module does, and returns what it exports."""
    return f"{EXPORT.sub('', text)}return {{ {', '.join(EXPORT.findall(text))} }};\n"


def linked(name: str, file: str, inside: frozenset[str]) -> str:
    """The text of a module in a file. What it imports of bundles comes from $need and $load."""

    def taken(found: re.Match[str]) -> str:
        names, path = found[1].replace(" as ", ": "), meant(name, found[2])
        return f'const {{{names}}} = $need("{path}");' if path in inside else found[0]

    text = LATER.sub(lambda found: f"$load({found[1]}{meant(name, found[2])}{found[1]})", module(name))
    here = f'new URL("{relative(name, file)}", import.meta.url)'
    return IMPORT.sub(taken, text if name == file else text.replace("import.meta.url", here))


def relative(name: str, file: str) -> str:
    """A path as a file writes it."""
    path = posixpath.relpath(name, posixpath.dirname(file) or ".")
    return path if path[0] == "." else f"./{path}"


def with_runtime(file: str, text: str, common: str = COMMON) -> str:
    """The text of a file, with what it needs of common.js, or of another file with a runtime."""
    if file == COMMON:
        return RUNTIME.replace("FOLDER", "") + text
    names = sorted(set(re.findall(r"\$(?:hold|need|load)\b(?=\()", text)))
    return f'import {{ {", ".join(names)} }} from "{relative(common, file)}";\n{text}' if names else text
