"""Which module imports which, in Python and in the page: no circle anywhere, and no import that FORBIDDEN names.

Imports inside functions and under TYPE_CHECKING count. `from ddpm_core import name` counts as an import of the module
that the name comes from, and the lists of such names in ddpm_core/__init__.py and train/__init__.py as none. Modules of
the page have names like those of Python: `ui.web.plans.facts` is ui/web/plans/facts.js.
"""

import ast
import graphlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import resolve_name
from pathlib import Path

import pytest

import ddpm_core
from ui.web import scripts

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("ddpm_core", "ui", "train", "benchmarks", "course")
PAGE = ROOT / "ui" / "web"
ROOMS_OF_PAGE = {file.parent for room in PAGE.iterdir() if room.name != "node_modules" for file in room.rglob("*.*js")}


@dataclass(frozen=True)
class Import:
    importer: str
    imported: str
    at_top: bool  # runs when the importer is imported
    for_types: bool = False  # under TYPE_CHECKING: never runs

    def __str__(self) -> str:
        return f"{self.importer} imports {self.imported}"


def sources() -> dict[str, Path]:
    """Every module by its full name; a package stands for its __init__.py."""
    files = [ROOT / "app.py", *(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))]
    parts = {path: path.relative_to(ROOT).with_suffix("").parts for path in files}
    return {".".join(names[:-1] if names[-1] == "__init__" else names): path for path, names in parts.items()}


def under(module: str, *rooms: str) -> bool:
    return any(f"{module}.".startswith(f"{room}.") for room in rooms)


def imports_of(module: str, path: Path, modules: dict[str, Path]) -> Iterator[Import]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]

    def visit(node: ast.AST, at_top: bool, for_types: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(module, alias.name, at_top, for_types)
            elif isinstance(child, ast.ImportFrom):
                origin = resolve_name("." * child.level + (child.module or ""), package)
                for alias in child.names:
                    yield Import(module, source_of(origin, alias.name, modules), at_top, for_types)
            elif not isinstance(child, ast.expr):  # in which nothing is imported
                function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
                types = for_types or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test))
                yield from visit(child, at_top and not function and not types, types)

    yield from visit(ast.parse(path.read_text(encoding="utf-8")), True, False)


def source_of(origin: str, name: str, modules: dict[str, Path]) -> str:
    """The module that `from origin import name` needs."""
    if f"{origin}.{name}" in modules:
        return f"{origin}.{name}"
    if origin == "ddpm_core":
        return getattr(ddpm_core, name).__module__
    return origin


def name_in_the_page(path: str) -> str:
    return "ui.web." + re.sub(r"(\.d)?\.[jt]s$", "", path).replace("/", ".")


def imports_of_the_page() -> Iterator[Import]:
    """Those of its modules, as the bundler reads them."""
    for path in scripts.modules():
        for form, at_top in ((scripts.IMPORT, True), (scripts.LATER, False)):
            for _, imported in form.findall(scripts.module(path)):
                for one in scripts.resolve_all(path, imported):
                    yield Import(name_in_the_page(path), name_in_the_page(one), at_top)


def types_of_the_page() -> Iterator[Import]:
    """Those that its modules name in comments. Two modules of one room may name each other's."""
    for file in (file for room in (PAGE, *ROOMS_OF_PAGE) for file in (*room.glob("*.js"), *room.glob("*.d.ts"))):
        path, text = file.relative_to(PAGE).as_posix(), file.read_text(encoding="utf-8")
        for named in re.findall(r"""(?:@import [^*]* from|\bimport type [^;]* from|\bimport\() ?"(\.[^"]+)\"""", text):
            yield Import(name_in_the_page(path), name_in_the_page(scripts.resolve(path, named)), False, for_types=True)


@pytest.fixture(scope="module")
def imports() -> list[Import]:
    modules = sources()
    lists = ("ddpm_core", "train")  # of names that other modules have
    python = [found for name, path in modules.items() if name not in lists for found in imports_of(name, path, modules)]
    return [*python, *imports_of_the_page()]


def circle(imports: list[Import]) -> list[str]:
    graph: dict[str, set[str]] = {}
    for found in imports:
        graph.setdefault(found.importer, set()).add(found.imported)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def test_the_reader_sees_every_kind_of_import(imports):
    """What the other tests look at is there: in functions, for types only, of lazy names."""
    assert Import("ddpm_core.runs", "ddpm_core.model", True) in imports
    assert Import("ddpm_core.commands.chain", "ddpm_core.checkpoint.load", False) in imports  # lazy, in a function
    assert Import("ddpm_core.commands.chain", "ddpm_core.model", False, for_types=True) in imports  # lazy, for types
    assert any(found.importer == "app" and under(found.imported, "ui") for found in imports)
    assert Import("ui.web.plans.captions", "ui.web.process.runs", True) in imports
    assert Import("ui.web.run.saving", "ui.web.run.share", True) in imports
    assert Import("ui.web.local.worker", "ui.web.parts.watch.compute", False) in imports  # of every part
    assert Import("ui.web.process.runs", "ui.web.process.predict", False, for_types=True) in types_of_the_page()
    written = "".join(map(scripts.module, scripts.modules()))
    read = len(scripts.IMPORT.findall(written)) + len(scripts.LATER.findall(written))
    assert read == len(re.findall(r"^import\b|^export .*\bfrom |\bimport\(", written, re.M))


def test_a_circle_is_found():
    pairs = [("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")]
    assert set(circle([Import(*pair, False) for pair in pairs])) == {"b", "c"}


def test_no_modules_import_each_other_in_a_circle(imports):
    assert circle(imports) == []


PAPER = {name for name in sources() if name.count(".") == 1 and under(name, "ddpm_core")} - {"ddpm_core.__main__"}
TRAINER = ("train.fit", "train.data", "train.distill", "train.common")
SLOW = ("diffusers", "openvino", "datasets", "accelerate")  # seconds each
# Rooms of a house, from the top floor down: a room may import from those below it, and none from those above.
FLOORS = {
    "ui": [
        "static",
        "recorded",
        "serving",
        "parts",
        "export",
        "runs",
        "models",
        "pictures",
        "forms",
        "machine",
        "web",
    ],
    "train": ["emoji", "tuning", "evaluate", "distill", "autoencoder", "fit", "data", "common"],
    "train.fit": ["outputs", "inputs", "flags"],
    "ddpm_core": ["commands", "checkpoint", "few_steps", "plane", "engines", "data", "imaging", "disk", "errors"],
    "ddpm_core.checkpoint": ["openai", "hub", "sidecars", "config"],
    "ui.web": [
        "local",
        "server",
        "essay",
        "parts",
        "run",
        "figures",
        "learning",
        "files",
        "player",
        "computing",
        "plans",
        "form",
        "pictures",
        "drawing",
        "words",
        "network",
        "messages",
        "process",
    ],
    "ui.web.local": ["files"],
}
LISTS = ("ui.parts", "ui.web.parts.index")  # of all parts
FORBIDDEN = {
    "the library knows nothing of app and trainer": lambda found: (
        under(found.importer, "ddpm_core") and under(found.imported, "gradio", "ui", "train", "app")
    ),
    "nobody needs the course, and the course needs no app": lambda found: (
        (under(found.imported, "course") and not under(found.importer, "course"))
        or (under(found.importer, "course") and under(found.imported, "gradio", "ui", "app"))
    ),
    "the paper's modules know no files and no engines": lambda found: (
        found.importer in PAPER
        and under(found.imported, "ddpm_core.checkpoint", "ddpm_core.engines", "ddpm_core.commands")
        and found != Import("ddpm_core.solvers", "ddpm_core.engines.from_diffusers", False)
    ),
    "the trainer knows nothing of the app": lambda found: (
        under(found.importer, "train") and under(found.imported, "gradio", "ui", "app")
    ),
    "the app knows nothing of the trainer": lambda found: (
        under(found.importer, "ui", "app") and under(found.imported, *TRAINER)
    ),
    "of train, only Likelihood knows what was published": lambda found: (
        under(found.importer, "ui", "app")
        and under(found.imported, "train")
        and not under(found.importer, "ui.parts.likelihood")
    ),
    "the app leaves tensors and networks to the library": lambda found: (
        under(found.importer, "ui", "app")
        and (under(found.imported, "torch") or (not found.for_types and under(found.imported, *SLOW)))
    ),
    "no part imports another": lambda found: (
        found.importer not in LISTS
        and under(found.importer, "ui.parts")
        and under(found.imported, "ui.parts")
        and found.imported not in SHARED
    ),
    "no part of the page imports another, but that Watch begins the course": lambda found: (
        found.importer not in LISTS
        and under(found.importer, "ui.web.parts")
        and under(found.imported, "ui.web.parts")
        and found.importer.split(".")[3] != found.imported.split(".")[3]
        and found != Import("ui.web.parts.watch.mount", "ui.web.parts.course.bar", False)
    ),
    "of a part, the worker knows how it is computed, and nobody else does": lambda found: (
        under(found.imported, "ui.web.parts")
        and (found.importer == "ui.web.local.worker") != found.imported.endswith(".compute")
        and (under(found.importer, "ui.web.local", "ui.web.server") or found.imported.endswith(".compute"))
    ),
    "the worker's files know nothing of the worker": lambda found: (
        under(found.importer, "ui.web.local.files")
        and under(found.imported, "ui.web.local")
        and not under(found.imported, "ui.web.local.files")
    ),
    "the page itself is imported by nobody": lambda found: found.imported == "ui.web.app",
    "only the server knows gradio": lambda found: (
        under(found.importer, "ui")
        and under(found.imported, "gradio", "fastapi", "starlette")
        and not under(found.importer, "ui.serving", "ui.web")
    ),
    "a job knows no sampler": lambda found: (
        found.importer in ("ui.runs.jobs", "ui.runs.log", "ui.runs.pages")
        and under(found.imported, "ui.runs.asked", "ddpm_core.samplers", "ddpm_core.runs", "ddpm_core.process")
    ),
}
SHARED = ("ui.parts.picture_rows", "ui.parts.part")  # by several parts


@pytest.mark.parametrize("rule", FORBIDDEN)
def test_imports_go_one_way(rule, imports):
    assert [str(found) for found in imports if FORBIDDEN[rule](found)] == []


def floor(module: str, house: str) -> int | None:
    """Of a room that a module is in; None for one in no room of the house."""
    return next((n for n, room in enumerate(FLOORS[house]) if under(module, f"{house}.{room}")), None)


@pytest.mark.parametrize("house", FLOORS)
def test_rooms_know_only_those_below_them(house, imports):
    all_of_them = [*imports, *types_of_the_page()]
    floors = [(floor(found.importer, house), floor(found.imported, house), found) for found in all_of_them]
    assert [str(found) for above, below, found in floors if None not in (above, below) and above > below] == []
    folder = ROOT / house.replace(".", "/")
    modules = (*folder.glob("*/__init__.py"), *(PAGE / path for path in scripts.modules()))
    rooms = {path.relative_to(folder).parts[0] for path in modules if folder in path.parents[1:]}
    assert rooms == set(FLOORS[house])


def folders() -> Iterator[Path]:
    """Every package of the project, by its folder."""
    for package in PACKAGES:
        yield from (path.parent for path in (ROOT / package).rglob("__init__.py"))


@pytest.mark.parametrize("folder", list(folders()), ids=lambda folder: str(folder.relative_to(ROOT)))
def test_a_folder_says_what_belongs_into_it(folder):
    said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert said and "." in said


def attributes_set(tree: ast.AST) -> Iterator[ast.Attribute]:
    """Those of `x.y = …` and its like."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, (ast.Store, ast.Del)):
            yield node


@pytest.mark.parametrize("room", ["parts", "runs"])
def test_a_computation_never_changes_and_a_plan_is_frozen(room):
    """What `plan` has found is handed to `compute`, not left in an attribute; a recording is what changes."""
    classes = {
        node.name: node
        for path in sorted((ROOT / "ui" / room).glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    }

    def is_a(node: ast.ClassDef | None, name: str) -> bool:
        bases = [base.id for base in node.bases if isinstance(base, ast.Name)] if node else []
        return name in bases or any(is_a(classes.get(base), name) for base in bases)

    plans = [node for name, node in classes.items() if name == "Plan" or is_a(node, "Plan")]
    assert plans and all("dataclass(frozen=True)" in map(ast.unparse, node.decorator_list) for node in plans)
    computations = [node for name, node in classes.items() if name == "Computation" or is_a(node, "Computation")]
    assert computations
    for method in (one for node in (*computations, *plans) for one in node.body if isinstance(one, ast.FunctionDef)):
        allowed = {"self"} if method.name == "__init__" else set()
        assert {ast.unparse(one.value) for one in attributes_set(method)} <= allowed, method.name


def test_what_a_module_of_the_page_exports_is_imported():
    texts = {file: file.read_text(encoding="utf-8") for room in (PAGE, *ROOMS_OF_PAGE) for file in room.glob("*.*js")}
    words = {file: set(re.findall(r"\w+", text)) for file, text in texts.items()}
    unused = [
        f"{file.relative_to(PAGE)} {name}"
        for file, text in texts.items()
        for name in re.findall(r"^export (?:async )?(?:function\*?|const|class) (\w+)", text, re.M)
        if not any(name in used for user, used in words.items() if user != file)
    ]
    assert unused == []


LITERALS = re.compile(r"//[^\n]*|/\*.*?\*/|\"((?:[^\"\\\n]|\\.)*)\"|`((?:[^`\\]|\\.)*)`", re.S)
# A sentence or label of several words; a word between two tags, or in an attribute that is read.
SPOKEN = re.compile(r"\s*[A-Z][a-z’]*[,:]? [\w$“]|.*>[^<>$]*[A-Za-z]{2}[^<>$]*<|.*(?:aria-label|alt|title)=\"\w", re.S)


def test_what_a_visitor_reads_stands_in_the_words_of_the_page():
    files = [
        PAGE / "app.js",
        *(
            file
            for room in ("parts", "run", "figures", "essay", "files", "player", "plans", "form", "pictures", "drawing")
            for file in PAGE.glob(f"{room}/**/*.js")
            if not file.name.endswith("words.js")  # of a part
        ),
    ]
    found = [
        f"{file.relative_to(PAGE)}: {text[:60]}"
        for file in files
        for match in LITERALS.finditer(file.read_text(encoding="utf-8"))
        if (text := match[1] or match[2]) and SPOKEN.match(text)
    ]
    assert found == []


CODES = ("ANY", "SAME")  # values of fields, which stand beside their words


def test_nothing_that_the_page_does_hangs_on_its_words():
    """No module compares with a text of words/, or finds something by it: a translation would break it."""
    hanging, texts = [], 0
    for module in scripts.modules():
        text = scripts.module(module)
        imported = [names for names, path in scripts.IMPORT.findall(text) if re.search(r"words(/|\.js$)", path)]
        for name in re.findall(r"\b[A-Z][A-Z_]+\b", " ".join(imported)):
            one = rf"{name}(?:\.\w+|\[\w+\])*"
            use = rf"[!=]== {one}\b|\b{one} [!=]==|\[{one}\]:|\bcase {one}:|\b(?:includes|startsWith)\({one}\)"
            hanging += [f"{module}: {found}" for found in re.findall(use, text) if name not in CODES]
            texts += 1
    assert hanging == [] and texts > 80


def test_what_computes_a_part_draws_nothing_and_the_page_computes_no_part():
    """The worker and the page import nothing that only the other one needs, directly or not."""
    of_worker = [name for name in scripts.modules() if name.endswith("/compute.js")]
    worker = scripts.imports_of(*of_worker)  # a planner names the module of its files, which the worker never loads
    page = scripts.imports_of(scripts.ENTRY, "local/client.js", "server/client.js", later=True)
    assert "computing/sampling.js" in worker and "parts/network/mount.js" in page
    drawn = ("drawing/", "form/", "player/", "run/", "files/", "learning/")
    assert [name for name in worker if name.startswith(drawn) or name.endswith("/mount.js")] == []
    assert [name for name in page if name.startswith("computing/") or name in of_worker] == []


def imported_with(start: str, imports: list[Import]) -> set[str]:
    """What is imported when `start` is, with the packages around it."""
    direct: dict[str, set[str]] = {}
    for found in imports:
        if found.at_top:
            direct.setdefault(found.importer, set()).add(found.imported)
    seen, waiting = set(), [start]
    while waiting:
        parts = waiting.pop().split(".")
        for name in (".".join(parts[: n + 1]) for n in range(len(parts))):
            if name not in seen:
                seen.add(name)
                waiting += direct.get(name, ())
    return seen


def test_the_page_starts_without_the_slow_libraries(imports):
    """They take seconds, and are imported when the page is there."""
    assert "torch" in imported_with("ui", imports)
    assert "diffusers" in imported_with("ddpm_core.engines.choose", imports)
    assert "gradio" in imported_with("ui.serving.api", imports)
    assert not imported_with("ui", imports) & {*SLOW, "gradio"}


def test_models_of_this_machine_need_no_client_of_the_hub(imports):
    """diffusers imports it by itself; a test of checkpoints goes through the rest without it."""
    assert "ddpm_core.checkpoint.hub.transfer" in imported_with("ddpm_core.checkpoint.load", imports)
    assert "huggingface_hub" not in imported_with("ddpm_core.checkpoint.load", imports)


def test_on_zerogpu_the_package_spaces_comes_before_torch(imports):
    """It changes torch while that is imported. The server first imports ui.serving.before_gradio, which prepares it."""
    for importer, expected in (("ui", "ui.serving.server"), ("ui.serving.server", "ui.serving.before_gradio")):
        (first, *_) = [
            found.imported for found in imports if found.importer == importer and under(found.imported, "ui")
        ]
        assert first == expected
    before = [found for found in imports if found.importer != "ui"]  # whose other imports come later
    assert "ui.machine.zero_gpu" in imported_with(expected, before) and "torch" not in imported_with(expected, before)
