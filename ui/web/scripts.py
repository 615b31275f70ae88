"""Bundle the page's modules into few files, as each request of a browser takes time.

`page.js` has the modules of the first screen, `local/worker.js` those of the worker, and `common.js` those that both
import. Every other module is a separate file. `$need` of `common.js` returns the exports of a module, which runs at the
first call.

Other sites can show figures, too, so `figures.js` and its worker need none of these files: each has all that its module
imports. The modules that it imports later lie in a folder of the same name.
"""

from __future__ import annotations

import posixpath
import re
from functools import cache
from pathlib import Path

FILES = Path(__file__).parent
PAGE, COMMON, WORKER = "page.js", "common.js", "local/worker.js"
ENTRY = "app.js"  # the module that runs when the page opens
FIRST = ("parts/watch/mount.js", "parts/watch/plan.js")  # modules that app.js loads at once
FIRST_RUN = ("parts/watch/compute.js", "parts/compare/compute.js", "parts/grid/compute.js")  # in the worker's bundle
FIGURES = "figures.js"
DOOR = "figures/worker.js"  # the file that starts the figures' worker
ALONE = {FIGURES: "figures/figure.js", "figures/worker/all.js": DOOR}  # bundles for other sites, and the module of each
PAGES = ("essay/essay.js", "essay/embed.js")  # scripts of pages with figures.js
FIRST_FIGURES = ("figures/kinds/pad.js", "figures/kinds/noise.js")  # loaded later by the first figures of the essay
OTHER_PAGES = ("figures/", "essay/")  # folders that the lab's page does not use
IMPORT = re.compile(r'^import \{([^}]*)\} from "(\.[^"]+)";$', re.M)
LATER = re.compile(r'\bimport\((["`])(\.[^"`]+)\1\)')  # matches import("./x.js")
EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const) (\w+))", re.M)
# Comments of JavaScript and CSS, which are a fifth of the first page's bytes and are left out.
REMARK = re.compile(r"""(?<![^\s(])/\*(?:(?!\*/).)*\*/ ?|^ *//[^\n]*\n|(?<=[;{},)\]]) // [^\n'"`]*$""", re.M | re.S)
RUNTIME = """const held = {};
const made = {};
export const $hold = (modules) => Object.assign(held, modules);
export const $need = (name) => (made[name] ??= held[name]());
export const $load = async (name) => (held[name] ? $need(name) : import(`./FOLDER${name}`));
"""


@cache
def modules() -> list[str]:
    """Return the paths of all modules in ui/web."""
    found = (file.relative_to(FILES).as_posix() for file in sorted(FILES.rglob("*.js")))
    return [name for name in found if not name.startswith(("node_modules/", "tests/"))]


@cache
def module(name: str) -> str:
    """Return the text of a module without comments, and without indentation unless a template literal of several lines
    may need it.
    """
    text = re.sub(REMARK, "", (FILES / name).read_text(encoding="utf-8"))
    has_long_text = any(line.count("`") % 2 for line in text.splitlines())
    return text if has_long_text else re.sub(r"^ +", "", text, flags=re.M)


def resolve(name: str, path: str) -> str:
    """Return the module that the import path means in module `name`."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), path))


def resolve_all(name: str, path: str) -> list[str]:
    """Return the modules that an import path can mean in module `name`. A folder `${part}` means all folders."""
    path = resolve(name, path)
    pattern = re.sub(r"\\\$\\\{\w+\\\}", "[^/]+", re.escape(path))
    return [path] if "$" not in path else [one for one in modules() if re.fullmatch(pattern, one)]


def imported(*names: str, later: bool = False) -> list[str]:
    """Return these modules and all that they import, directly or not. Each comes after what it imports.

    later: whether to include what they import with `import()`.
    """
    found: dict[str, None] = {}
    begun: set[str] = set()

    def visit(name: str) -> None:
        if name in begun:
            return
        begun.add(name)
        for _, path in IMPORT.findall(module(name)) + LATER.findall(module(name)) * later:
            for one in resolve_all(name, path):
                visit(one)
        found[name] = None

    for name in names:
        visit(name)
    return list(found)


@cache
def scripts(client: str) -> dict[str, str]:
    """Return the text of each JavaScript file, by its path. client: the module of the page's client."""
    page, worker = imported(*FIRST, client, ENTRY), imported(*FIRST_RUN, WORKER)
    # The page and the worker may both load a separate file, so the bundled modules that it needs are in common.js.
    both = set(imported(*page, later=True)) & set(imported(WORKER, later=True))
    bundles = {
        COMMON: [name for name in dict.fromkeys(page + worker) if name in both],
        PAGE: [name for name in page if name not in both],
        WORKER: [name for name in worker if name not in both],
    }
    inside = frozenset(name for names in bundles.values() for name in names)
    outside = [name for name in modules() if name not in inside and not name.startswith(OTHER_PAGES)]
    files = {name: link(name, name, inside) for name in outside}
    files |= {file: bundle(file, names, inside) for file, names in bundles.items()}
    return {file: with_runtime(file, text) for file, text in files.items()} | figures()


@cache
def figures() -> dict[str, str]:
    """Return the text of each file that the essay and other sites need, by its path."""
    files: dict[str, str] = {}
    for file, module in ALONE.items():
        inside, folder = frozenset(imported(module)), f"{file.removesuffix('.js')}/"
        text = hold(imported(module), file, inside) + f'$need("{module}");\n'
        files[file] = RUNTIME.replace("FOLDER", posixpath.basename(folder[:-1]) + "/") + text
        for name in imported(module, later=True):
            if name not in inside:
                files[folder + name] = with_runtime(folder + name, link(name, folder + name, inside), file)
    # WebKit runs the first module of a worker again if another module imports it, so this module contains no code.
    files[DOOR] = 'import "./worker/all.js";\n'
    inside = frozenset(imported(ALONE[FIGURES]))
    return files | {name: with_runtime(name, link(name, name, inside), FIGURES) for name in PAGES}


def first_of_essay() -> list[str]:
    """Return the files that the first figures of the essay need, so that a browser can fetch all of them at once."""
    inside = imported(ALONE[FIGURES])
    later = [name for name in imported(*FIRST_FIGURES) if name not in inside]
    return [FIGURES, *(f"{FIGURES.removesuffix('.js')}/{name}" for name in later)]


def bundle(file: str, names: list[str], inside: frozenset[str]) -> str:
    """Return modules as one file. The last one runs at once, except in common.js. inside: all bundled modules."""
    held, entries = (names, []) if file == COMMON else (names[:-1], names[-1:])
    return hold(held, file, inside) + "".join(EXPORT.sub("", link(name, file, inside)) for name in entries)


def hold(names: list[str], file: str, inside: frozenset[str]) -> str:
    """Return a call of `$hold` with the modules as functions, for a file. inside: all bundled modules."""
    functions = "".join(f'"{name}"() {{\n{function_body(link(name, file, inside))}}},\n' for name in names)
    return f"$hold({{\n{functions}}});\n"


def function_body(text: str) -> str:
    """Return the body of a function that runs a module and returns its exports. text: of the module."""
    return f"{EXPORT.sub('', text)}return {{ {', '.join(EXPORT.findall(text))} }};\n"


def link(name: str, file: str, inside: frozenset[str]) -> str:
    """Return the text of a module for a file. It imports bundled modules (inside) with $need and $load."""

    def taken(found: re.Match[str]) -> str:
        names, path = found[1].replace(" as ", ": "), resolve(name, found[2])
        return f'const {{{names}}} = $need("{path}");' if path in inside else found[0]

    text = LATER.sub(lambda found: f"$load({found[1]}{resolve(name, found[2])}{found[1]})", module(name))
    here = f'new URL("{relative(name, file)}", import.meta.url)'
    return IMPORT.sub(taken, text if name == file else text.replace("import.meta.url", here))


def relative(name: str, file: str) -> str:
    """Return the path of `name` relative to the folder of `file`, as an import needs it."""
    path = posixpath.relpath(name, posixpath.dirname(file) or ".")
    return path if path[0] == "." else f"./{path}"


def with_runtime(file: str, text: str, common: str = COMMON) -> str:
    """Return the text of a file with an import of the functions $hold, $need and $load that it uses.

    common: the file that defines them.
    """
    if file == COMMON:
        return RUNTIME.replace("FOLDER", "") + text
    names = sorted(set(re.findall(r"\$(?:hold|need|load)\b(?=\()", text)))
    return f'import {{ {", ".join(names)} }} from "{relative(common, file)}";\n{text}' if names else text
