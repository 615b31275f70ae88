"""The files in which a browser gets the page's modules and style sheets."""

import gzip
import json
import re
import subprocess

import pytest

from ui import web
from ui.web import scripts
from ui.web.scripts import COMMON, IMPORT, LATER, PAGE, REMARK, WORKER

CLIENTS = ["local/client.js", web.CLIENT]


def held(client, file):
    """The modules that a bundle has, but for the one that runs at once."""
    return re.findall(r'^"(\S+)"\(\) \{$', scripts.scripts(client)[file], re.M)


@pytest.mark.parametrize("client", CLIENTS)
def test_every_module_is_in_one_file_and_runs_after_those_that_it_imports(client):
    files = scripts.scripts(client)
    bundles = [*held(client, COMMON), *held(client, PAGE), *held(client, WORKER), "app.js"]
    lab = [name for name in scripts.modules() if not name.startswith(scripts.OTHER_PAGES)]
    assert sorted([*bundles, *files]) == sorted([*lab, *scripts.figures(), COMMON, PAGE])
    order = scripts.imports_of("app.js", *scripts.FIRST, client, *scripts.FIRST_RUN, WORKER)
    for at, name in enumerate(order):
        assert {scripts.resolve(name, path) for _, path in IMPORT.findall(scripts.module(name))} <= set(order[:at])


@pytest.mark.parametrize("client", CLIENTS)
def test_what_only_an_open_share_menu_needs_is_not_loaded_with_the_page(client):
    late = {"plans/scripts.js", "plans/pipelines.js", "words/literal.js", "run/slide.js", "run/saving.js"}
    assert late <= set(scripts.scripts(client))


@pytest.mark.parametrize("client", CLIENTS)
def test_what_only_a_training_needs_is_not_loaded_with_the_page(client):
    late = {name for name in scripts.modules() if name.startswith(("learning/", "parts/train/"))}
    late -= {"parts/train/index.js", "parts/train/form_words.js"}
    late |= {f"network/{name}.js" for name in ("batch_layers", "group_norm", "parameters", "tape", "winograd")}
    assert late <= set(scripts.scripts(client))


@pytest.mark.parametrize("client", CLIENTS)
def test_what_a_file_needs_of_a_bundle_is_there_on_the_page_and_in_the_worker(client):
    files = scripts.scripts(client)
    for opened, bundle in (("app.js", client), PAGE), ((WORKER,), WORKER):
        there = {*held(client, COMMON), *held(client, bundle)}
        reached = scripts.imports_of(*opened, later=True)
        for name in {*reached, *there, COMMON, bundle} & set(files):
            assert set(re.findall(r'\$need\("(.+?)"\)', files[name])) <= there, name
            assert not {scripts.resolve(name, path) for _, path in IMPORT.findall(files[name])} & there, name
            assert name == COMMON or not LATER.search(files[name]), name


@pytest.mark.parametrize("file", scripts.ALONE)
def test_a_file_of_figures_has_all_that_its_module_needs(file):
    """What it imports at once is in it; what it imports later lies in its folder, and needs only that and the file."""
    files = scripts.figures()
    folder = f"{file.removesuffix('.js')}/"
    inside = set(re.findall(r'^"(\S+)"\(\) \{$', files[file], re.M))
    assert inside == set(scripts.imports_of(*scripts.ALONE[file]))
    assert not IMPORT.search(files[file])
    later = [name for name in files if name.startswith(folder) and name.removeprefix(folder) in scripts.modules()]
    for name in later:
        assert set(re.findall(r'\$need\("(.+?)"\)', files[name])) <= inside, name
        for names, path in IMPORT.findall(files[name]):
            assert scripts.resolve(name, path) in {*later, file}, (name, names)
    for path in re.findall(r'\$load\("(.+?)"\)', "".join(files[name] for name in (file, *later))):
        assert path in inside or folder + path in later, path


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("file", [COMMON, PAGE, WORKER, *scripts.ALONE])
def test_a_bundle_is_a_module_that_a_browser_can_read(client, file, tmp_path):
    module = tmp_path / "bundle.mjs"
    module.write_text(scripts.scripts(client)[file], encoding="utf-8")
    subprocess.run(["node", "--check", module], check=True)


FRAME = {"models": {}, "lab": ""}  # what a figure's page and the essay are told, but for the models' facts


def weight(*names):
    """The bytes of the figures' files as a server sends them."""
    return sum(len(gzip.compress(scripts.figures()[name].encode(), 6)) for name in names)


# The figures that compute with a network, but for "inside": it also loads what reads and grafts the blocks.
@pytest.mark.parametrize("kind", ["guess", "jump", "step", "few", "same", "card"])
def test_figures_are_light(kind):
    """A figure in a page of others weighs 60 kB at most before its weights."""
    inside = scripts.imports_of(*scripts.ALONE[scripts.FIGURES])
    later = [f"figures/{name}" for name in scripts.imports_of(f"figures/kinds/{kind}.js") if name not in inside]
    page = len(gzip.compress(web.figure(FRAME, "essay").encode(), 6))
    kernel = len(gzip.compress((web.FILES / "network/kernel.wasm").read_bytes()))
    own = weight(scripts.FIGURES, "essay/embed.js", *later, scripts.DOOR, "figures/worker/all.js")
    assert page + kernel + own < 60_000


def test_the_first_view_of_the_essay_is_light():
    text = len(gzip.compress(web.essay(FRAME, "").encode(), 6))
    first = text + weight("essay/essay.js", *scripts.first_of_essay())
    assert first + sum((web.FILES / f"examples/essay/{name}.webp").stat().st_size for name in ("pad", "noise")) < 80_000


def test_a_module_in_a_bundle_exports_what_its_file_does(tmp_path):
    (tmp_path / COMMON).write_text(scripts.scripts(CLIENTS[0])[COMMON], encoding="utf-8")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    script = f"""
    const {{ $need }} = await import("{(tmp_path / COMMON).as_uri()}");
    const found = [];
    for (const name of {json.dumps(held(CLIENTS[0], COMMON))}) {{
      const own = await import(`{web.FILES.as_uri()}/${{name}}`);
      found.push([name, Object.keys($need(name)).sort(), Object.keys(own).sort()]);
    }}
    console.log(JSON.stringify(found));
    """
    done = subprocess.run(["node", "--input-type=module", "-e", script], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert len(found) > 20
    for name, here, there in found:
        assert here == there != [], name


def test_one_style_sheet_has_all_rules_without_comments_and_those_of_parts_last():
    sheets = [file for file in web.FILES.rglob("*.css") if not {"node_modules", "essay"} & {*file.parts}]
    rules = {file.relative_to(web.FILES).as_posix(): re.sub(REMARK, "", file.read_text("utf-8")) for file in sheets}
    assert len(rules) > 10 and all(text in web.style() for text in rules.values())
    assert web.style().index(rules["base.css"]) < web.style().index(rules["parts/watch/style.css"])
    assert "/*" not in web.style()
