"""Parse command lines. A mistake ends the program with one sentence and a hint to `--help`."""

from __future__ import annotations

import argparse
import io
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import redirect_stderr
from dataclasses import MISSING, fields, is_dataclass
from itertools import groupby, zip_longest
from typing import Annotated, Any, NoReturn, TypeVar, get_type_hints

import tyro

from ddpm_core.commands.values import check_word, near

T = TypeVar("T")

HELP = {"-h", "--help"}

# The type of an optional flag: this hint keeps tyro from adding "(default: None)" to its help.
Unset = Annotated[
    T | None, tyro.conf.arg(help_behavior_hint=lambda default: "" if default == "None" else f"(default: {default})")
]


def read(kind: type[T], arguments: Sequence[str] | None, prog: str, **options: Any) -> T:
    """Return the command line as an instance of a dataclass.

    A mistake ends the program with one sentence on stderr and status 2.

    Arguments:
        kind: each field is a flag, or an argument without a name if it is annotated as `tyro.conf.Positional`.
        arguments: the words after the command; None for the words after this program's name.
        prog: the command for messages, such as "python -m train fit".
        options: other options of `tyro.cli`.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    known = set(_flags(kind))
    for word in words:
        if word.startswith("-") and _name(word) not in known and re.match("--?[A-Za-z]", word):
            misspelt(word.partition("=")[0], known, prog)
    return _parse(kind, words, prog, **options)


def read_known(kind: type[T], arguments: Sequence[str], prog: str) -> T:
    """Return the same as `read`, but ignore --help and flags that the dataclass `kind` does not have."""
    return _parse(kind, [word for word in arguments if word not in HELP], prog, return_unknown_args=True)[0]


def find(names: Iterable[str], words: Sequence[str], prog: str) -> str:
    """Return the first word if it is a command. If it is no command, end the program with one sentence.

    Without words, or for --help, print the names of all commands and end the program.
    """
    known = list(names)
    if not words or words[0] in HELP:
        print(f"usage: {prog} {' | '.join(known)} [--help]", file=sys.stdout if words else sys.stderr)
        sys.exit(0 if words else 2)
    if words[0] not in known:
        misspelt(words[0], known, prog)
    return words[0]


def misspelt(word: str, known: Iterable[str], prog: str) -> NoReturn:
    """End the program because of an unknown flag or command. known: all flags or commands, for a suggestion."""
    meant = near(word, set(known) - HELP)
    missing = f"there is no {'' if word.startswith('-') else 'command '}{word}"
    end(missing + (f": did you mean {meant}?" if meant else "."), prog)


def end(sentence: str, prog: str) -> NoReturn:
    """End the program with status 2 after printing a sentence and a hint to --help on stderr."""
    print(f"error: {sentence} See {prog} --help", file=sys.stderr)
    sys.exit(2)


class Parser(argparse.ArgumentParser):
    """An argparse parser that ends the program as `misspelt` and `end` do."""

    def error(self, message: str) -> NoReturn:
        """End the program with the message of argparse, or with a suggestion for an unknown flag."""
        flags = re.findall(r"(?<=unrecognized arguments: )-\S+", message)
        if flags:
            misspelt(flags[0].partition("=")[0], self._option_string_actions, self.prog)
        end(f"{message}.", self.prog)


def _parse(kind: type[T], words: list[str], prog: str, **options: Any) -> Any:
    """Return the result of `tyro.cli`: an instance of `kind`. For a mistake, end the program with one sentence."""
    _check(kind, words, prog)
    box = io.StringIO()
    try:
        with redirect_stderr(box):
            return tyro.cli(kind, args=words, prog=prog, **options)
    except SystemExit as stop:
        if stop.code != 2:
            raise
        plain = re.sub(r"\x1b\[[\d;]*m", "", box.getvalue())  # removes the escape codes for colours
        lines = [line.strip("│| ") for line in plain.splitlines()[1:]]  # the first line is the title of the box
        said = " ".join(next(part for has_words, part in groupby(lines, _has_words) if has_words))
        end(said if said.endswith((".", ")")) else f"{said}.", prog)


def _has_words(line: str) -> bool:
    """Return whether a line of tyro's box contains words. Other lines are empty or drawn rules."""
    return re.search(r"\w", line) is not None


def _check(kind: type, words: Sequence[str], prog: str) -> None:
    """End the program if a flag is given twice, or has an empty value or a value that it does not allow.

    --NAME and --no-NAME are the same flag. Tyro would use the last of two values, and the user may mean the first. An
    empty name of a folder would mean the current folder.
    """
    seen, hints, bare = set(), _hints(kind), get_type_hints(kind)
    for word, following in zip_longest(words, words[1:]):
        if not word.startswith("--"):
            continue
        flag, equals, value = word.partition("=")
        name = _name(word).removeprefix("--no-").removeprefix("--")
        if name in seen and not _is_marked(hints.get(name.replace("-", "_")), tyro.conf.UseAppendAction):
            end(f"--{name} is given twice: give it once.", prog)
        seen.add(name)
        if (equals and not value.strip()) or (not equals and following is not None and not following.strip()):
            end(f"{_name(flag)} can't be empty: give it a value, or leave it out.", prog)
        given, field = value if equals else following, name.replace("-", "_")
        if given is not None and field in bare and not given.startswith("--"):
            try:
                check_word(bare[field], given)
            except ValueError as error:
                end(f"--{name} {error}", prog)


def _name(word: str) -> str:
    """Return the name of a flag in a word: --log-every for --log_every=2."""
    return word.partition("=")[0].replace("_", "-")


def _flags(kind: type) -> Iterator[str]:
    """Yield the flags of a dataclass, including the flags of dataclasses in its fields."""
    yield from (*HELP, "--tyro-print-completion", "--tyro-write-completion")
    hints, bare = _hints(kind), get_type_hints(kind)
    for field in fields(kind):
        part = field.default_factory
        if part is not MISSING and is_dataclass(part):
            yield from _flags(part)
        elif not _is_marked(hints[field.name], tyro.conf.Positional):
            name = field.name.replace("_", "-")
            yield f"--{name}"
            if bare[field.name] is bool:
                yield f"--no-{name}"


def _hints(kind: type) -> dict[str, Any]:
    """Return the types of a dataclass's fields by name, including their annotations for tyro."""
    return get_type_hints(kind, include_extras=True)


def _is_marked(hint: Any, marker: Any) -> bool:
    """Return whether a type has a marker of tyro among its annotations."""
    return marker in getattr(hint, "__metadata__", ())
