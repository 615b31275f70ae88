"""Write the folder of the static page: the page, the data that Python computes for it, the model files, the licences,
and the files for installing it as an app.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import ddpm_core
from ddpm_core.checkpoint import refs
from ddpm_core.checkpoint.hub import snapshots
from ddpm_core.checkpoint.refs import CheckpointError
from ddpm_core.coordinates import inner
from ui import web
from ui.forms import emoji
from ui.forms.fields import sentence
from ui.models import catalogue, facts, figures
from ui.models.facts import answer
from ui.models.home import home
from ui.pictures.encoded import SETS
from ui.runs.log import Values
from ui.serving.server import App, build
from ui.static.packing import SUFFIX, pack
from ui.web.scripts import scripts

ROOT = Path(__file__).resolve().parents[2]
# The address is not hf.co, because its redirect lacks the headers that allow other sites to read the response.
HUB = "https://huggingface.co"
STORES = "https://*.huggingface.co https://*.hf.co"  # hosts to which the Hub redirects browsers for large files
PRECISION = "fp32"
ENGINE = f"WebAssembly · {PRECISION}"
COMPUTED = ("UNet2DModel", "UNet2DConditionModel")  # classes of networks that ui/web/network implements
RECORDED = ["likelihood"]  # parts that only show a recording
README = """---
title: DDPM Lab
emoji: 🌫️
colorFrom: gray
colorTo: indigo
sdk: static
app_file: index.html
short_description: Watch a diffusion model turn noise into an image
license: mit
---

# DDPM Lab, in the browser alone

Any web server can send this folder, under any path. `python -m ui.static` of DDPM Lab wrote it.

## Licences

- The page: MIT, [LICENSE](LICENSE)
- Pictures of the page: [PICTURES.md](PICTURES.md)
- The digits that a network learns: [DIGITS.md](DIGITS.md)
"""
CLIENT = "local/client.js"  # module of the client that computes in the browser
ESSAY, FRAME, MODULE = "essay.html", "figure.html", "figure.js"
FIGURE = """// <ddpm-figure name="guess" t="560"></ddpm-figure>: figures in a page of another site. See docs/page.md.
globalThis.ddpmFigures = {{ base: new URL("./", import.meta.url).href, {given} }};
await import("./web/{version}/figures.js");
"""
SHARED = 100_000  # bytes; a larger file that two models share is written once
FREE = 3_000_000  # bytes; the size of larger models is shown in the list


def write(out: Path, checkpoints: Sequence[str], hub: str = HUB, address: str = "") -> list[str]:
    """Write the folder. The folder may be new, empty, or an older folder of this kind. Return a sentence for each
    checkpoint that the folder can't contain.

    hub: the Hub whose files the page may fetch. address: the URL of the folder; without it, other sites show no picture
    beside a link to the page. Raises CheckpointError if a checkpoint does not exist, or if the folder has other files.
    """
    if out.exists() and any(out.iterdir()) and not ((out / "sw.js").is_file() and (out / "knowledge").is_dir()):
        raise CheckpointError(f"{out} has other files in it: give a new folder")
    app = build(checkpoints[0], device="cpu")
    models, refused = {}, []
    for ref in dict.fromkeys(checkpoints):
        try:
            name = _name(ref)
            if name in models:
                raise CheckpointError(f"two checkpoints are called {name}: rename the folder of one")
            models[name] = _data_of(app, ref, name)
        except CheckpointError as error:
            refused.append(sentence(error))
    if not models:
        raise CheckpointError(" ".join(refused))
    shutil.rmtree(out, ignore_errors=True)
    placed: dict[tuple[str, tuple[int, str]], str] = {}  # for each file: the first model that has it
    for ref, (_, known, contents) in models.items():
        for name, content in contents.items():
            entry = known["files"][name]
            root = placed.setdefault((name, entry), f"checkpoints/{ref}")
            if root == f"checkpoints/{ref}" or entry[0] < SHARED:
                _write(out / "checkpoints" / ref / name, content)
            else:
                known["files"][name] = (*entry, root)
    given = _given(app, {ref: known for ref, (_, known, _) in models.items()})
    first = models[given["first"]][1]
    # a small first model is included in the page, to save a request
    if sum(size for size, *_ in first["files"].values()) < FREE:
        given["known"] = {name: value for name, value in first.items() if name != "examples"}
    given["knowledge"] = _write_knowledge(out, app, given, hub, {ref: known for ref, (_, known, _) in models.items()})
    here = out / "web" / web.version()
    for name, file in web.list_files().items():
        _copy(file, here / name)
    for name, text in scripts(CLIENT).items():
        _write(here / name, text)
    _write(here / web.STYLE, web.style())
    address = address and f"{address.rstrip('/')}/"
    preview = f"{address}web/{web.version()}/icons/preview.png"
    essay = _write_essay(out, {ref: known["files"] for ref, (_, known, _) in models.items()}, preview, address)
    if essay:
        given |= {"frame": FRAME, "figures": MODULE}
    _write_page(out / "index.html", web.page(given, preview, address, essay), hub, STORES)
    _write(out / "app.webmanifest", web.text("manifest.webmanifest").replace("VERSION", web.version()))
    _write(out / ".nojekyll", "")  # with this file, GitHub Pages serves all files unchanged
    _licences(out, {ref: checkpoint.folder for ref, (checkpoint, *_) in models.items()})
    files = sorted(file.relative_to(out).as_posix() for file in out.rglob("*") if file.is_file())
    # The files that a visitor's browser stores at the first visit. The digits (half a megabyte) are needed only for
    # training. The essay is a separate page, whose files are stored when they are first used.
    others = tuple(f"web/{web.version()}/{name}" for name in (web.DIGITS.name, "figures", "essay", "examples/essay"))
    of_page = [name for name in files if name.startswith(("web/", given["knowledge"])) and not name.startswith(others)]
    version = hashlib.sha256(b"".join((out / name).read_bytes() for name in files)).hexdigest()[:12]
    service = (
        web.text("local/service.js")
        .replace('"VERSION"', f'"{version}"')
        .replace('"FILES"', json.dumps(["./", "app.webmanifest", *of_page]))
    )
    _write(out / "sw.js", service)
    return refused


def _write_page(file: Path, page: str, *connect: str) -> None:
    """Write a page that contains its own Content-Security-Policy, because we can't set headers on other servers."""
    policy = html.escape(web.policy(page.encode(), *connect), quote=False)
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    _write(file, page.replace('<meta charset="utf-8">', f'<meta charset="utf-8">\n{meta}', 1))


def _write_essay(out: Path, models: Mapping[str, Mapping[str, Sequence[int | str]]], preview: str, address: str) -> str:
    """Write the essay, the page of one figure, and figure.js for pages of other sites. Return the path of the essay.

    Write nothing and return "" if the folder does not contain the model that the essay explains. models: the files of
    each model, in the form of `_data_of`.
    """
    if figures.REFS[0] not in models:
        return ""
    own = {
        ref: {
            path: (f"{root[0] if root else f'checkpoints/{ref}'}/{path}?{mark}", int(size))
            for path, (size, mark, *root) in models[ref].items()
        }
        for ref in figures.REFS
        if ref in models
    }
    given = figures.start_data(own, FRAME)
    _write_page(out / ESSAY, web.essay(given, preview, address and f"{address}{ESSAY}"))
    _write_page(out / FRAME, web.figure(given, ESSAY))
    _write(out / MODULE, FIGURE.format(given=_compact(given)[1:-1], version=web.version()))
    return ESSAY


def _write_knowledge(out: Path, app: App, given: Values, hub: str, models: Mapping[str, Values]) -> str:
    """Write the data that Python computes for the page. Return its folder, whose name changes with the content."""
    knowledge = {"models": list(models), "answers": _answers(given) | {"hub": hub}, "words": given["words"]}
    made = {
        "knowledge.json": _compact(knowledge),
        "cards.json": json.dumps(app.parts["course"].questions["cards"]({})),
        "emoji.json": _compact(emoji.NAMES),
    }
    for i, known in enumerate(models.values()):
        made[f"models/{i}-examples.json"] = _compact(known.pop("examples"))
        made[f"models/{i}.json"] = _compact(known)
    contents = {name: text.encode() for name, text in made.items()}
    folder = f"knowledge/{hashlib.sha256(b''.join(contents.values())).hexdigest()[:12]}"
    for name, content in contents.items():
        _write(out / folder / name, content)
    return folder


def _name(ref: str) -> str:
    """Return the name of a checkpoint in the page: for a folder, only its last part, because the path may
    be private.
    """
    return (
        ref
        if ref in refs.embedded()
        else re.sub(r"[^A-Za-z0-9.-]+", "-", Path(ref).resolve().name).strip("-.") or "own"
    )


def _data_of(app: App, ref: str, name: str) -> tuple[refs.LocalCheckpoint, Values, dict[str, bytes]]:
    """Return a checkpoint, the data that the page needs about it, and the contents of its files. name: its name in the
    page. Raises CheckpointError if a browser can't evaluate it.
    """
    here = app.services.models.parse(ref)
    model = app.services.models.known(ref)
    if here.folder is None or model is None:
        raise CheckpointError(f"{ref} is not on this machine: save it to a folder with `python -m ddpm_core export`")
    checkpoint = refs.in_folder(here.folder, here.name)
    layout = checkpoint.layout
    pickles = [name for name in layout.files if name.endswith(".bin")]
    if pickles:
        raise CheckpointError(f"{ref} has its weights in {pickles[0]}, which a browser can't read: save it anew")
    read = {
        name: json.loads(checkpoint.file(name).read_text("utf-8")) for name in layout.files if name.endswith(".json")
    }
    kind = str(read[layout.config].get("_class_name"))
    corrects = (model.snr, model.corrections) != (None, 1)
    other = inner(model.coordinates) is not None
    if other or corrects or kind not in COMPUTED:
        what = "a score or consistency model" if other else f"of the class {kind}"
        what = "a model with corrections of its own" if corrects and not other else what
        raise CheckpointError(f"{ref} is {what}, which a browser does not compute yet: use the installed lab")
    spec, place = facts.spec(model), home(model)
    if read[layout.config].get("time_embedding_type") == "learned":
        spec["whole_times"] = True
    if name != ref:
        assert model.source is not None
        spec["source"] = {"name": name, "weights": model.source.weights, "file": model.source.file}
        place["where"] = repr(name)
    found = answer(app.services, ref, pictures=True)
    assert found["facts"] is not None
    contents = dict(_packed(name, checkpoint.file(name).read_bytes()) for name in layout.files)
    known = {
        "examples": found.get("examples"),  # the examples are larger than the rest, and not needed at first
        "set": found.get("set"),
        "spec": spec,
        "home": place,
        "colours": _colours(ref, model.channels) if model.latent else None,
        "scheduler": read[layout.scheduler] if model.trained_on is model.schedule else dict(model.schedule.config),
        "sidecars": found["facts"]["sidecars"],
        "files": {name: _size_and_hash(content) for name, content in contents.items()},
    }
    return checkpoint, known, contents


def _packed(name: str, content: bytes) -> tuple[str, bytes]:
    """Return the name and the content that a checkpoint's file has in the folder: weights are packed."""
    if name.endswith(".safetensors") and name != refs.READERS:
        return name + SUFFIX, pack(content)
    return name, content


def _colours(ref: str, channels: int) -> list[list[float]]:
    """Return the linear map from latent channels to colours, for previews: see ddpm_core/engines/latent.py."""
    decoder = ddpm_core.load(ref, device="cpu", engine="torch").decoder
    return decoder.colours(channels).tolist()  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]


def _size_and_hash(content: bytes) -> tuple[int, str]:
    """Return the size of a file, and a hash that becomes part of its URL, because browsers cache files by URL."""
    return len(content), hashlib.sha256(content).hexdigest()[:12]


def _given(app: App, models: dict[str, Values]) -> Values:
    """Return the data that the page needs when it opens: the data that a server sends, but with the client that
    computes in the browser.
    """
    choices = []
    for ref, known in models.items():
        choice = catalogue.choice(ref, snapshots.Status("embedded"))
        size = sum(size for size, *_ in known["files"].values())
        if size > FREE:
            choice["bytes"] = size
        choices.append(choice)
    given: Values = app.given() | {"first": next(iter(models))}
    given["words"] |= {"static": True}
    given["initial"].pop("train", None)  # without a server, the page can't follow the folder of a training
    given["recordings"] = RECORDED
    given |= {"client": CLIENT, "models": choices, "takesAny": True, "precision": PRECISION}
    return given | {"device": {"engine": ENGINE, "precision": PRECISION}}


def _answers(given: Mapping[str, object]) -> dict[str, object]:
    """Return the answers to the page's questions that are the same for all visitors."""
    return {
        "models": {"models": given["models"], "device": given["device"]},
        "room": "static",
    }


def _compact(content: object) -> str:
    """Return a value as JSON without spaces."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _licences(out: Path, folders: Mapping[str, Path]) -> None:
    """Copy the licences of everything in the folder, and write a README.md with the header that Spaces read."""
    _copy(ROOT / "LICENSE", out / "LICENSE")
    _copy(SETS / "README.md", out / "PICTURES.md")
    _copy(web.DIGITS.with_name("README.md"), out / "DIGITS.md")
    cards = [ref for ref, folder in folders.items() if (folder / "README.md").is_file()]
    for ref in cards:
        _copy(folders[ref] / "README.md", out / "checkpoints" / ref / "README.md")
    rows = [f"- `checkpoints/{ref}`: its [card](checkpoints/{ref}/README.md)" for ref in cards]
    _write(out / "README.md", README + "\n".join([*rows, ""]))


def _copy(file: Path, to: Path) -> None:
    """Copy a file, and create its folder if necessary."""
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, to)


def _write(file: Path, content: str | bytes) -> None:
    """Write a file, text as UTF-8, and create its folder if necessary."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
