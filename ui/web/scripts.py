"""Bundle the page's modules into few files, to save requests.

`page.js` contains the modules of the first screen, `local/worker.js` those of the worker, and `common.js` those that
both import. Every other module remains a file. `$need` of `common.js` returns the exports of a module, and runs the
module at the first call.

`figures.js` and its worker also work in pages of other sites, so each bundle contains all modules that it imports.
Modules that a bundle imports later are in a folder with the bundle's name.
"""

from __future__ import annotations

import posixpath
import re
from functools import cache
from pathlib import Path

FILES = Path(__file__).parent
PAGE, COMMON, WORKER = "page.js", "common.js", "local/worker.js"
ENTRY = "app.js"  # the module that runs when the page opens
FIRST = ("parts/watch/mount.js", "parts/watch/plan.js")  # modules that app.js imports at once
# modules in the worker's bundle, because most first runs need them
FIRST_RUN = ("parts/watch/compute.js", "parts/compare/compute.js", "parts/grid/compute.js")
FIGURES = "figures.js"
DOOR = "figures/worker.js"  # the module that starts the figures' worker
# bundles for other sites: modules that most figures import later, then the entry module
ALONE = {
    FIGURES: ("figures/elements.js", "figures/process.js", "figures/figure.js"),
    "figures/worker/all.js": (DOOR,),
}
PAGES = ("essay/essay.js", "essay/embed.js")  # scripts of the pages that use figures.js
# modules that the first figures of the essay import later
FIRST_FIGURES = ("figures/kinds/pad.js", "figures/kinds/noise.js")
OTHER_PAGES = ("figures/", "essay/")  # folders that the lab's page does not use
IMPORT = re.compile(r'^import \{([^}]*)\} from "(\.[^"]+)";$', re.M)
LATER = re.compile(r'\bimport\((["`])(\.[^"`]+)\1\)')  # matches import("./x.js")
EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const) (\w+))", re.M)
# Matches comments of JavaScript and CSS. They are a fifth of the first page's bytes and are removed.
REMARK = re.compile(r"""(?<![^\s(\[])/\*(?:(?!\*/).)*\*/ ?|^ *//[^\n]*\n|(?<=[;{},)\]]) // [^\n'"`]*$""", re.M | re.S)
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
    """Return the text of a module without comments. Also remove indentation and empty lines, unless a template
    literal of several lines may need them.
    """
    text = re.sub(REMARK, "", (FILES / name).read_text(encoding="utf-8"))
    has_long_text = any(line.count("`") % 2 for line in text.splitlines())
    return text if has_long_text else re.sub(r"^\s+", "", text, flags=re.M)


def resolve(name: str, path: str) -> str:
    """Return the path of the module that an import path in module `name` refers to."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), path))


def resolve_all(name: str, path: str) -> list[str]:
    """Return all modules that an import path in module `name` can refer to. `${part}` in the path stands for any
    folder.
    """
    path = resolve(name, path)
    pattern = re.sub(r"\\\$\\\{\w+\\\}", "[^/]+", re.escape(path))
    return [path] if "$" not in path else [one for one in modules() if re.fullmatch(pattern, one)]


def imports_of(*names: str, later: bool = False) -> list[str]:
    """Return these modules and all that they import, directly or indirectly. Each module comes after the modules that
    it imports.

    later: whether to include modules that they import with `import()`.
    """
    found: dict[str, None] = {}
    begun: set[str] = set()

    def visit(name: str) -> None:
        """Add a module to `found`, after those that it imports."""
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
    """Return the text of each JavaScript file of the page, by path. client: the path of the client's module."""
    page, worker = imports_of(*FIRST, client, ENTRY), imports_of(*FIRST_RUN, WORKER)
    # Files outside of the bundles may be loaded by both the page and the worker. So bundled modules that both can need
    # are in common.js.
    both = set(imports_of(*page, later=True)) & set(imports_of(WORKER, later=True))
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
    for file, modules in ALONE.items():
        inside, folder = frozenset(imports_of(*modules)), f"{file.removesuffix('.js')}/"
        text = hold(imports_of(*modules), file, inside) + f'$need("{modules[-1]}");\n'
        files[file] = RUNTIME.replace("FOLDER", posixpath.basename(folder[:-1]) + "/") + text
        for name in imports_of(*modules, later=True):
            if name not in inside:
                files[folder + name] = with_runtime(folder + name, link(name, folder + name, inside), file)
    # WebKit runs the first module of a worker twice if another module imports it, so this module contains no other
    # code.
    files[DOOR] = 'import "./worker/all.js";\n'
    inside = frozenset(imports_of(*ALONE[FIGURES]))
    return files | {name: with_runtime(name, link(name, name, inside), FIGURES) for name in PAGES}


def first_of_essay() -> list[str]:
    """Return the files that the first figures of the essay need, so that the browser can preload them."""
    inside = imports_of(*ALONE[FIGURES])
    later = [name for name in imports_of(*FIRST_FIGURES) if name not in inside]
    return [FIGURES, *(f"{FIGURES.removesuffix('.js')}/{name}" for name in later)]


def bundle(file: str, names: list[str], inside: frozenset[str]) -> str:
    """Return the text of a bundle: the modules `names` in one file. The last module runs at once, except in common.js.
    inside: the modules of all bundles.
    """
    held, entries = (names, []) if file == COMMON else (names[:-1], names[-1:])
    return hold(held, file, inside) + "".join(EXPORT.sub("", link(name, file, inside)) for name in entries)


def hold(names: list[str], file: str, inside: frozenset[str]) -> str:
    """Return a call of `$hold` that registers modules as functions. file: the bundle. inside: the modules of all
    bundles.
    """
    functions = "".join(f'"{name}"() {{\n{function_body(link(name, file, inside))}}},\n' for name in names)
    return f"$hold({{\n{functions}}});\n"


def function_body(text: str) -> str:
    """Return the body of a function that runs a module with this text and returns its exports."""
    return f"{EXPORT.sub('', text)}return {{ {', '.join(EXPORT.findall(text))} }};\n"


def link(name: str, file: str, inside: frozenset[str]) -> str:
    """Return the text of the module `name` as a part of `file`. Imports of bundled modules (`inside`) become calls of
    $need and $load.
    """

    def replace_import(found: re.Match[str]) -> str:
        """Replace the import of a bundled module by a call of $need."""
        names, path = found[1].replace(" as ", ": "), resolve(name, found[2])
        return f'const {{{names}}} = $need("{path}");' if path in inside else found[0]

    text = LATER.sub(lambda found: f"$load({found[1]}{resolve(name, found[2])}{found[1]})", module(name))
    here = f'new URL("{relative(name, file)}", import.meta.url)'
    return IMPORT.sub(replace_import, text if name == file else text.replace("import.meta.url", here))


def relative(name: str, file: str) -> str:
    """Return the path of a module relative to the folder of `file`, in the form of an import."""
    path = posixpath.relpath(name, posixpath.dirname(file) or ".")
    return path if path[0] == "." else f"./{path}"


def with_runtime(file: str, text: str, common: str = COMMON) -> str:
    """Return the text of a file after an import of $hold, $need and $load, as far as the file uses them.

    common: the file that defines these functions. The text of COMMON itself gets their definitions instead.
    """
    if file == COMMON:
        return RUNTIME.replace("FOLDER", "") + text
    names = sorted(set(re.findall(r"\$(?:hold|need|load)\b(?=\()", text)))
    return f'import {{ {", ".join(names)} }} from "{relative(common, file)}";\n{text}' if names else text
