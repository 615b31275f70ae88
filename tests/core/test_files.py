"""Files and folders are written whole or not at all, whatever interrupts the writing."""

import errno
import hashlib
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from ddpm_core.disk import files, in_use

ROOT = Path(__file__).resolve().parents[2]


def killed(function: str, count: int, target: Path) -> bool:
    """Whether a process that writes was killed at the Nth call of a system function, or did not come so far.

    The call is not made.
    """
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    real, calls = getattr(os, function), []

    def dying(*arguments, **options):
        calls.append(arguments)
        if len(calls) == count:
            os._exit(9)
        return real(*arguments, **options)

    setattr(os, function, dying)
    try:
        if target.name == "model":
            replace(target)
        else:
            files.write_text(target, "new")
    finally:
        os._exit(0)


def make(folder: Path) -> Path:
    (folder / "drafts").mkdir(parents=True)
    for name in ("weights", "config", "notes.txt", "drafts/a.txt"):
        (folder / name).write_text("old")
    (folder / "link").symlink_to("notes.txt")
    return folder


def content(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


OLD = dict.fromkeys(("weights", "config", "notes.txt", "drafts/a.txt", "link"), "old")
NEW = {**OLD, "weights": "new", "config": "new"}


def replace(folder: Path) -> None:
    with files.replacing_folder(folder, ours=("weights", "config")) as new:
        (new / "weights").write_text("new")
        (new / "config").write_text("new")


@pytest.mark.parametrize(
    ("function", "count"),
    [*(("rename", n) for n in (1, 2, 3)), *(("mkdir", n) for n in (1, 2)), ("link", 2), ("fsync", 1), ("rmdir", 1)],
)
def test_a_folder_survives_a_kill_anywhere(tmp_path, function, count):
    folder = make(tmp_path / "model")
    assert killed(function, count, folder)
    files.restore(folder)
    assert content(folder) in (OLD, NEW)
    replace(folder)
    assert content(folder) == NEW and (folder / "link").is_symlink()
    assert os.listdir(tmp_path) == ["model"]


def test_the_next_writer_gives_a_folder_its_name_back(tmp_path):
    folder = make(tmp_path / "model")
    assert killed("rename", 2, folder) and not folder.exists()
    with pytest.raises(ZeroDivisionError), files.replacing_folder(folder, ours=()):
        raise ZeroDivisionError
    assert content(folder) == OLD and os.listdir(tmp_path) == ["model"]


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyboardInterrupt()])
@pytest.mark.parametrize("function", ["rename", "fsync", "link"])
def test_a_folder_survives_an_error_anywhere(tmp_path, monkeypatch, function, error):
    folder, real = make(tmp_path / "model"), getattr(os, function)
    for n in range(1, 4):
        calls = iter(range(1, 100))

        def failing(*arguments, n=n, calls=calls, **options):
            if next(calls) == n:
                raise error
            return real(*arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(os, function, failing)
            try:
                replace(folder)
            except (OSError, KeyboardInterrupt) as raised:
                assert raised is error
        assert content(folder) in (OLD, NEW)
        replace(folder)
        assert content(folder) == NEW and os.listdir(tmp_path) == ["model"]


def test_restoring_waits_for_the_process_that_is_replacing(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "PATIENCE", 0.1)
    folder = tmp_path / "model"
    aside = make(files.hidden(folder, "old"))
    real, tried = files.time.sleep, []

    def sleep(seconds):
        tried.append(os.listdir(tmp_path))
        real(seconds)

    monkeypatch.setattr(files.time, "sleep", sleep)
    with held_elsewhere(aside):
        files.restore(folder)  # it lives, but it has had its time
    assert content(folder) == OLD and len(tried) > 1 and all(names != ["model"] for names in tried)


@pytest.mark.parametrize("wrong", ["", "owner/name", "a\0b", "a" * 5000, "/", "nowhere/at/all"])
def test_restoring_takes_any_text_and_makes_nothing_of_it(wrong, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files.restore(wrong)
    assert not os.listdir()


@pytest.mark.parametrize("function", ["replace", "fsync"])
def test_a_file_survives_a_kill(tmp_path, function):
    path = tmp_path / "a.txt"
    path.write_text("old")
    assert killed(function, 1, path)
    assert path.read_text() == "old" and len(os.listdir(tmp_path)) == 2
    files.write_text(tmp_path / "b.txt", "another file of the same folder")
    assert sorted(os.listdir(tmp_path)) == ["a.txt", "b.txt"]


@pytest.mark.parametrize("kind", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("function", ["replace", "fsync"])
def test_a_file_survives_an_error(tmp_path, monkeypatch, function, kind):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def failing(*_):
        raise kind(28, "No space left on device")

    monkeypatch.setattr(os, function, failing)
    with pytest.raises(kind) as raised:
        files.write_text(path, "new")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]
    if kind is OSError:
        assert raised.value.filename == str(path)


@contextmanager
def held_elsewhere(*paths):
    """Another process holds these. It is seen from a container of its own: there is no such process id here."""
    code = "import sys; from pathlib import Path; from ddpm_core.disk import in_use; "
    code += "holds = [in_use.hold(Path(path)) for path in sys.argv[1:]]; print('held', flush=True); sys.stdin.read()"
    words, pipe = [sys.executable, "-c", code, *map(str, paths)], subprocess.PIPE
    with subprocess.Popen(words, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def left(folder: Path, name: str, kind: str) -> Path:
    return files.hidden(folder / name, kind)


def test_what_a_living_process_writes_stays_and_what_an_ended_one_wrote_goes(tmp_path, monkeypatch):
    def unseen(*_):
        raise ProcessLookupError

    monkeypatch.setattr(os, "kill", unseen)
    theirs, nobodys, others = left(tmp_path, "a", "tmp"), left(tmp_path, "a", "tmp"), tmp_path / ".a.tmp"
    for path in (theirs, nobodys, others):
        path.write_text("")
    folder, only_copy = make(left(tmp_path, "half", "tmp")), make(left(tmp_path, "gone", "old"))
    make(left(tmp_path, "there", "old"))
    make(left(tmp_path, "dead", "tmp"))
    (tmp_path / "there").mkdir()
    with held_elsewhere(theirs, folder):
        files.write_text(tmp_path / "b", "")
        stay = {path.name for path in (theirs, folder, others, only_copy)}
        assert {path.name for path in tmp_path.iterdir()} == {*stay, "there", "b"}
    files.write_text(tmp_path / "b", "")  # the system knows that it has ended, however it did
    assert {path.name for path in tmp_path.iterdir()} == {others.name, only_copy.name, "there", "b"}


def test_this_process_leaves_what_it_writes_itself(tmp_path):
    with files.replacing(tmp_path / "a") as file, files.new_folder(tmp_path / "c") as new:
        file.write(b"a")
        files.write_text(tmp_path / "b", "")
        assert new.is_dir()
    assert sorted(os.listdir(tmp_path)) == ["a", "b", "c"] and (tmp_path / "a").read_text() == "a"


def test_what_is_taken_for_left_behind_before_it_is_held_is_made_again(tmp_path):
    path, made = tmp_path / "a", []

    def create():
        path.mkdir()
        made.append(path)
        if len(made) == 1:  # a sweep of another process
            with in_use.unused(path) as is_unused:
                assert is_unused
                path.rmdir()

    hold = in_use.make(path, create)
    with in_use.unused(path) as is_unused:
        assert not is_unused and len(made) == 2
    in_use.release(hold)
    with in_use.unused(path) as is_unused:
        assert is_unused


@pytest.mark.parametrize("why", ["a file system without locks", "Windows"])
def test_where_nothing_can_be_locked_a_day_decides(tmp_path, monkeypatch, why):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    if why == "Windows":
        monkeypatch.setattr(in_use, "fcntl", None)
    else:
        monkeypatch.setattr(in_use.fcntl, "flock", no_locks)
    new, old = left(tmp_path, "a", "tmp"), left(tmp_path, "a", "tmp")
    for path in (new, old):
        path.write_text("")
    os.utime(old, (0, 0))
    files.write_text(tmp_path / "b", "x")
    replace(make(tmp_path / "model"))
    assert content(tmp_path / "model") == NEW
    assert {path.name for path in tmp_path.iterdir()} == {new.name, "b", "model"}


def test_a_link_a_mode_and_a_device_stay_what_they_are(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    files.write_text(link, "new")
    assert link.is_symlink() and real.read_text() == "new" and real.stat().st_mode & 0o777 == 0o640
    files.write_text(os.devnull, "x")
    assert not Path(os.devnull).is_file()
    with pytest.raises(IsADirectoryError):
        files.write_text(tmp_path, "x")
    files.write_text(tmp_path / "new" / "folder" / ("ä" * 120), "x")  # 240 of 255 bytes


def test_a_folder_with_a_name_of_nearly_255_bytes_is_made_and_never_lost(tmp_path):
    folder = tmp_path / ("ä" * 120)
    replace(folder)
    with pytest.raises(OSError, match="too long"):  # the name that makes room has to hold it, and more
        replace(folder)
    assert content(folder) == {"weights": "new", "config": "new"} and os.listdir(tmp_path) == [folder.name]


def test_a_new_folder_of_two_processes_is_the_first_ones(tmp_path):
    with files.new_folder(tmp_path / "cache" / "entry") as slow:
        with files.new_folder(tmp_path / "cache" / "entry") as fast:
            (fast / "a").write_text("fast")
        (slow / "a").write_text("slow")
    assert content(tmp_path / "cache") == {"entry/a": "fast"} and os.listdir(tmp_path / "cache") == ["entry"]


def test_where_caches_are(monkeypatch, tmp_path):
    monkeypatch.delenv("DDPM_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert files.cache_folder("a", "b") == tmp_path / ".cache/ddpm-lab/a/b"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert files.cache_folder("a") == tmp_path / "xdg/ddpm-lab/a"
    monkeypatch.setenv("DDPM_CACHE", "~/here")
    assert files.cache_folder() == tmp_path / "here" and not (tmp_path / "here").exists()


def test_a_file_is_hashed_again_when_it_is_changed(tmp_path, monkeypatch):
    path, opened = tmp_path / "weights", []
    path.write_bytes(b"one")
    real, now = Path.open, time.time()
    monkeypatch.setattr(Path, "open", lambda *given: opened.append(given) or real(*given))

    def sums(content, later):
        monkeypatch.setattr(files.time, "time", lambda: now + later)
        opened.clear()
        assert {files.sha256(path) for _ in range(3)} == {hashlib.sha256(content).hexdigest()}
        return len(opened)

    assert sums(b"one", later=0) == 3  # a second change could leave it with the same time
    assert sums(b"one", later=10) == 1
    before = path.stat()
    with path.open("r+b") as file:
        file.write(b"two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # of the same size and, to tools, of the same age
    assert sums(b"two", later=10) == 1
