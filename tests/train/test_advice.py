"""Every command that a message, a title or a page names can be run as it stands there: all texts are searched."""

import ast
import re
import shlex

import pytest
from checkpoint_folders import SMALLEST, write
from training import ROOT, make_folder

import ddpm_core
from app import main as app
from ddpm_core.__main__ import main as core
from train import __main__ as train
from ui.static.__main__ import main as static

pytestmark = pytest.mark.usefixtures("torch_engine")

ARGUMENTS = "{}"  # in the place of what a text is filled with
COMMANDS = {
    "python -m ddpm_core": (core, ("sample", "reconstruct", "interpolate", "restore", "info", "export", "convert")),
    "python -m train": (
        train.main,
        ("fit", "autoencoder", "distill", "average", "push", "gamma", "schedule", "readers", "evaluate"),
    ),
}


def texts():
    """Every text of the product but docstrings, as one line, with {} for what it is filled with."""
    for path in (ROOT / "app.py", *(p for room in ("ddpm_core", "train", "ui") for p in (ROOT / room).rglob("*.py"))):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        nodes = [*ast.walk(tree)]
        inside = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
        docs = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            if isinstance(node, ast.JoinedStr):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else ARGUMENTS for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside | docs:
                yield node.value
    for path in (ROOT / "ui/web").rglob("*"):
        if path.suffix in (".js", ".html") and not {"node_modules", "tests"} & set(path.relative_to(ROOT).parts):
            code = re.sub(r"^\s*(//|\*).*", "", path.read_text(encoding="utf-8"), flags=re.M)
            yield re.sub(r"\$\{[^}]*\}", ARGUMENTS, code)


def advised(texts):
    """The commands in these texts: up to the backtick or the end of the words that look like arguments."""
    found = set()
    for text in texts:
        for match in re.finditer(r"(python -m (?:train|ddpm_core))(?= )((?:[ ]+[^\s`<]+)*)", text):
            words, is_value = [match[1]], False
            for word in match[2].split():
                bare = word.rstrip(".,:;)")
                is_name = len(words) == 1 and re.fullmatch(r"[a-z]+|\{\}", bare)
                if not (is_name or is_value or re.match(r'--|"?\{\}|[A-Z]+$', bare)):
                    break
                words.append(bare)
                is_value = bare.startswith("--") and "resume" not in bare
                if bare != word:
                    break
            found.add(" ".join(words))
    return found


def flags(capsys, function, *words):
    with pytest.raises(SystemExit) as stop:
        function([*words, "--help"])
    assert not stop.value.code
    return set(re.findall(r"--[a-z][\w-]*", capsys.readouterr().out))


def test_every_command_and_flag_that_is_named_exists(capsys):
    known = {
        (start, name): flags(capsys, function, name) for start, (function, names) in COMMANDS.items() for name in names
    }
    all_texts = [*texts()]
    found = advised(all_texts)
    assert len(found) > 8
    for text in found:
        start = " ".join(text.split()[:3])
        name, *rest = text.split()[3:] or [ARGUMENTS]
        names = [name] if name.islower() else ["fit", "distill"]  # what stands for a command stands for one of these
        for each in names:
            used = {word for word in rest if word.startswith("--")}
            assert used <= known[start, each], text
    of_app = flags(capsys, app) | flags(capsys, static)
    # The beginning of some, one of Python's http.server, and tyro's own
    others = {"--no-", "--directory", "--tyro-print-completion", "--tyro-write-completion"}
    named = {flag for text in all_texts if "\n" not in text for flag in re.findall(r"(?<![\w-])--[a-z][a-z\d-]+", text)}
    assert len(named) > 30 and named - of_app.union(others, *known.values()) == set()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("data"), n=4, size=(8, 8))


def follow(message, **places):
    """Run the commands in a message one after another, with these places in it."""
    commands = re.findall(r"`python -m (.*?)`", message)
    assert commands, message
    for command in commands:
        room, *words = [places.get(word, word) for word in shlex.split(command)]
        few = {"gamma": ["--images", "2"], "schedule": ["--images", "1", "--points", "4"]}.get(words[0], [])
        if words[0] == "schedule" and "--steps" not in words:
            few += ["--steps", "2"]
        words += [*few, "--device", "cpu"] if room == "train" else []
        assert not COMMANDS[f"python -m {room}"][0](words), command


def refusal(model, **options):
    with pytest.raises(ValueError) as refused:
        ddpm_core.trajectory(model, [0], 2, **options)
    return str(refused.value)


def test_what_a_missing_table_or_missing_steps_advise(tmp_path, data):
    folder = tmp_path / "my models" / "the first"
    write(folder, scheduler={"num_train_timesteps": 20}, **SMALLEST)
    follow(refusal(ddpm_core.load(folder), variance="analytic"), DATA=str(data))
    ddpm_core.trajectory(ddpm_core.load(folder), [0], 2, variance="analytic")
    for steps in (2, 3):  # the first ones, and more
        with pytest.raises(ValueError) as refused:
            ddpm_core.trajectory(ddpm_core.load(folder), [0], steps, "ddim", spacing="optimised")
        follow(str(refused.value))
        ddpm_core.trajectory(ddpm_core.load(folder), [0], steps, "ddim", spacing="optimised")


def test_what_the_trainer_advises_for_a_shared_checkpoint(tmp_path, data, capsys, monkeypatch):
    """Of one that comes with the project, and of one of the Hub's: a copy, and the command anew for that."""
    shared = tmp_path / "shared"
    write(shared, scheduler={"num_train_timesteps": 20}, **SMALLEST)
    monkeypatch.setattr("ddpm_core.checkpoint.refs.embedded", lambda: {"shared": shared})
    assert train.main(["schedule", "shared"]) == 2
    follow(capsys.readouterr().err, FOLDER=str(tmp_path / "copy"))
    message = refusal(ddpm_core.load("shared"), sampler="ddim", spacing="optimised")
    follow(message, FOLDER=str(tmp_path / "other copy"))
    assert ddpm_core.load(tmp_path / "other copy").optimised
    follow(refusal(ddpm_core.load(tmp_path / "copy"), variance="analytic"), DATA=str(data))
    (tmp_path / "copy" / "analytic_variance.json").rename(shared / "analytic_variance.json")
    assert train.main(["gamma", "shared", "--data", str(data)]) == 2
    follow(capsys.readouterr().err, FOLDER=str(tmp_path / "third"))
    assert ddpm_core.load(tmp_path / "third").image_size == 8
