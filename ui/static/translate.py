"""Python modules as JavaScript: what a visitor reads without a server comes from the same functions as with one.

Fields and their checks, plans, captions, scripts and names of files are plain code on plain data. This translates such
modules, as they are, to the runtime of `ui/web/local/python.js`; constants are written with their values. What it does
not know, a `with` say, becomes a function that throws: nothing is guessed.
"""

from __future__ import annotations

import ast
import base64
import builtins
import importlib
import inspect
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, get_origin

RESERVED = {  # words of JavaScript
    *("arguments", "await", "break", "case", "catch", "class", "const", "continue", "debugger", "default"),
    *("delete", "do", "else", "enum", "eval", "export", "extends", "false", "finally", "for", "function", "if"),
    *("implements", "import", "in", "instanceof", "interface", "let", "new", "null", "package", "private"),
    *("protected", "public", "return", "static", "super", "switch", "this", "throw", "true", "try", "typeof"),
    *("undefined", "var", "void", "while", "with", "yield"),
}
COMPARED = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
OPERATORS = {
    **{ast.Add: "$.add({}, {})", ast.Sub: "({} - {})", ast.Mult: "$.mul({}, {})", ast.Div: "({} / {})"},
    **{ast.FloorDiv: "Math.floor({} / {})", ast.Mod: "$.mod({}, {})", ast.Pow: "({} ** {})"},
    **{ast.BitOr: "$.bitor({}, {})", ast.BitAnd: "$.bitand({}, {})"},
}
REPLACED = ("compute", "follow", "counted", "bytes", "forget", "log")  # methods: the worker has its own, or needs none
IS_CLASS = re.compile(r"_?[A-Z]\w*[a-z]\w*")


class Unknown(Exception):
    """There is no JavaScript for this."""


def translated(modules: Mapping[ModuleType, Collection[str]], others: Collection[str] = ()) -> str:
    """A JavaScript module, whose `translated($)` defines all of these for a runtime.

    modules: each with the names of those functions and classes that are wanted, none for all. others: modules that
    another such file has, which may come later.
    """
    known = {module.__name__ for module in modules} | set(others)
    parts = [Translation(module, known).text(only) for module, only in modules.items()]
    words = set(re.findall(r"\w+", "\n".join(parts)))
    used = [
        name
        for name in dir(builtins)
        if name in words and not name.startswith("_") and name not in RESERVED | {"True", "False", "None"}
    ]
    head = ["export function translated($) {", f"const {{ {', '.join(used)} }} = $.builtins;"]
    return "\n".join([*head, *parts, "}", ""])


class Translation:
    """Of one module."""

    def __init__(self, module: ModuleType, known: Collection[str]):
        self.module, self.known = module, known

    def text(self, only: Collection[str] = ()) -> str:
        body = ast.parse(inspect.getsource(self.module)).body
        wanted = [
            node
            for node in body
            if not only or not isinstance(node, (ast.FunctionDef, ast.ClassDef)) or node.name in only
        ]
        lines = [line for node in wanted for line in self._top(node)]
        names = sorted(_stored(body) | {node.name for node in body if isinstance(node, ast.ClassDef)})
        given = ", ".join(f"{json.dumps(name)}: {_name(name)}" for name in names)
        head = [f"$.define({json.dumps(self.module.__name__)}, () => {{", f"let {', '.join(map(_name, names))};"]
        return "\n".join([*head, *lines, f"return {{ {given} }};", "});", ""])

    # --- Statements

    def _top(self, node: ast.stmt) -> list[str]:
        """A statement of the module: its constants have the values that they have in Python."""
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            names = sorted(_stored([node]))
            return [line for name in names for line in self._constant(name, node.value, len(names) == 1)]
        if isinstance(node, ast.If):  # TYPE_CHECKING
            return []
        try:
            return self._statement(node)
        except Unknown:
            return []

    def _constant(self, name: str, value: ast.expr | None, alone: bool) -> list[str]:
        live = getattr(self.module, name, None)
        try:
            return [f"{_name(name)} = {literal(live)};"]
        except Unknown:
            if value is None or not alone or get_origin(live) is not None:
                return []
        if type(live).__module__.partition(".")[0] not in ("ui", "ddpm_core", "re", "builtins"):
            return []  # a log, a folder
        try:
            return [f"{_name(name)} = {self._expr(value)};"]
        except Unknown:
            return []

    def _block(self, body: Sequence[ast.stmt]) -> list[str]:
        return [line for node in body for line in self._statement(node)]

    def _statement(self, node: ast.stmt) -> list[str]:
        method = getattr(self, f"_{type(node).__name__.lower()}_statement", None)
        if method is None:
            raise Unknown(f"{type(node).__name__} in line {node.lineno} of {self.module.__name__}")
        return method(node)

    def _import_statement(self, node: ast.Import) -> list[str]:
        return [f"const {_name(one.asname or one.name)} = $.module({json.dumps(one.name)});" for one in node.names]

    def _importfrom_statement(self, node: ast.ImportFrom) -> list[str]:
        if node.module in ("__future__", "typing"):
            return []
        return [
            f"const {_name(one.asname or one.name)} = {_imported(node.module or '', one.name)};" for one in node.names
        ]

    def _expr_statement(self, node: ast.Expr) -> list[str]:
        if isinstance(node.value, ast.Constant):
            return []
        return [f"{self._expr(node.value)};"]

    def _assign_statement(self, node: ast.Assign) -> list[str]:
        if len(node.targets) == 1:
            return [self._store(node.targets[0], self._expr(node.value))]
        first, *others = node.targets
        return [self._store(first, self._expr(node.value)), *(self._store(one, self._expr(first)) for one in others)]

    def _annassign_statement(self, node: ast.AnnAssign) -> list[str]:
        return [] if node.value is None else [self._store(node.target, self._expr(node.value))]

    def _augassign_statement(self, node: ast.AugAssign) -> list[str]:
        value = self._binary(node.op, self._expr(_loaded(node.target)), self._expr(node.value))
        return [self._store(node.target, value)]

    def _return_statement(self, node: ast.Return) -> list[str]:
        return [f"return {self._expr(node.value) if node.value else 'null'};"]

    def _raise_statement(self, node: ast.Raise) -> list[str]:
        if node.exc is None:
            return ["throw $e;"]
        return [f"throw {f'new {node.exc.id}()' if isinstance(node.exc, ast.Name) else self._expr(node.exc)};"]

    def _if_statement(self, node: ast.If) -> list[str]:
        lines = [f"if ({self._truth(node.test)}) {{", *self._block(node.body), "}"]
        return lines + (["else {", *self._block(node.orelse), "}"] if node.orelse else [])

    def _for_statement(self, node: ast.For) -> list[str]:
        if node.orelse:
            raise Unknown("for … else")
        return [
            f"for (const $one of $.iter({self._expr(node.iter)})) {{",
            self._store(node.target, "$one"),
            *self._block(node.body),
            "}",
        ]

    def _while_statement(self, node: ast.While) -> list[str]:
        return [f"while ({self._truth(node.test)}) {{", *self._block(node.body), "}"]

    def _try_statement(self, node: ast.Try) -> list[str]:
        if node.orelse or node.finalbody:
            raise Unknown("try … else, finally")
        lines = ["try {", *self._block(node.body), "} catch ($e) {"]
        for one in node.handlers:
            kind = self._expr(one.type) if one.type else "Error"
            lines += [f"if ($.isinstance($e, {kind})) {{"]
            lines += [f"const {_name(one.name)} = $e;"] if one.name else []
            lines += [*self._block(one.body), "} else"]
        return [*lines, "throw $e;", "}"]

    def _continue_statement(self, node: ast.Continue) -> list[str]:
        return ["continue;"]

    def _break_statement(self, node: ast.Break) -> list[str]:
        return ["break;"]

    def _pass_statement(self, node: ast.Pass) -> list[str]:
        return []

    _assert_statement = _nonlocal_statement = _pass_statement

    def _functiondef_statement(self, node: ast.FunctionDef) -> list[str]:
        if node.decorator_list:
            raise Unknown("a decorator")
        return [f"{_name(node.name)} = function {self._function(node)};"]

    def _function(self, node: ast.FunctionDef, method: bool = False) -> str:
        """Its parameters and its body. What can't be translated throws when it is called."""
        parameters = [one.arg for one in (*node.args.posonlyargs, *node.args.args)]
        own = parameters.pop(0) if method else None
        try:
            lines = [f"const {_name(own)} = this;"] if own else []
            lines += self._bound(node.args, parameters)
            local = _stored(node.body) - set(parameters) - {one.arg for one in node.args.kwonlyargs}
            lines += ["let " + ", ".join(sorted(map(_name, local))) + ";"] if local else []
            lines += self._block(node.body)
        except Unknown as why:
            lines = [f"throw new Error({json.dumps(f'{node.name} is not there without a server: {why}')});"]
            return "(...$given) {\n" + "\n".join(lines) + "\n}"
        return "(...$given) {\n" + "\n".join(lines) + "\n}"

    def _bound(self, args: ast.arguments, parameters: list[str]) -> list[str]:
        """The line that gives parameters their values."""
        defaults = dict(zip(parameters[::-1], args.defaults[::-1], strict=False))
        defaults |= {one.arg: value for one, value in zip(args.kwonlyargs, args.kw_defaults, strict=True) if value}
        names = [*parameters, *(one.arg for one in args.kwonlyargs)]
        extra = [one.arg for one in (args.vararg, args.kwarg) if one]
        if not names and not extra:
            return []
        usual = ", ".join(f"{json.dumps(name)}: () => {self._expr(value)}" for name, value in defaults.items())
        taken = ", ".join(map(_name, [*names, *extra]))
        rest = f"{json.dumps(args.vararg is not None)}, {json.dumps(args.kwarg is not None)}"
        return [f"let [{taken}] = $.bound($given, {json.dumps(names)}, {len(parameters)}, {{ {usual} }}, {rest});"]

    def _classdef_statement(self, node: ast.ClassDef) -> list[str]:
        live = getattr(self.module, node.name)
        above = live.__base__
        known = issubclass(above, Exception) or above.__module__ in self.known
        base = above.__name__ if known else "$.Thing"
        kind = "dataclass" in "".join(map(ast.unparse, node.decorator_list)) or live.__base__ is tuple
        lines, after, rows = [f"{node.name} = class {node.name} extends {base} {{"], [], []
        for one in node.body:
            if isinstance(one, ast.FunctionDef) and one.name not in REPLACED:
                how = [ast.unparse(decorator) for decorator in one.decorator_list]
                kinds = {"": "", "property": "get ", "classmethod": "static "}
                text = self._function(one, method=True)
                if kinds.get("".join(how)) is None:
                    text = '(...$given) { throw new Error("not there without a server"); }'
                if how == ["property"]:
                    text = text.replace("(...$given)", "()", 1)
                lines += [f"{kinds.get(''.join(how), '')}{one.name}{text}"]
            elif isinstance(one, (ast.AnnAssign, ast.Assign)):
                target = one.target if isinstance(one, ast.AnnAssign) else one.targets[0]
                assert isinstance(target, ast.Name)
                of_class = isinstance(one, ast.Assign) or "ClassVar" in ast.unparse(one.annotation)
                value = self._class_value(live, target.id, one.value)
                if kind and not of_class:
                    rows += [f"[{json.dumps(target.id)}, {f'() => {value}' if value else 'null'}]"]
                elif value:
                    after += [f"{node.name}.prototype[{json.dumps(target.id)}] = {value};"]
        after += [f"$.rows({node.name}, [{', '.join(rows)}]);"] if kind else []
        return [*lines, "};", *after]

    def _class_value(self, live: type, name: str, value: ast.expr | None) -> str | None:
        if value is None:
            return None
        if isinstance(value, ast.Call) and ast.unparse(value.func) == "declare":
            return f"declare({self._expr(value.args[0])}, {literal(live.__dataclass_fields__[name].default)})"  # pyright: ignore
        try:
            return literal(getattr(live, name))
        except (Unknown, AttributeError):
            try:
                return self._expr(value)
            except Unknown:
                return None

    # --- Where values go

    def _store(self, target: ast.expr, value: str) -> str:
        if isinstance(target, ast.Name):
            return f"{_name(target.id)} = {value};"
        if isinstance(target, ast.Attribute):
            return f"{self._expr(target.value)}.{target.attr} = {value};"
        if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Slice):
            start, end = [self._expr(one) if one else "0" for one in (target.slice.lower, target.slice.upper)]
            if target.slice.upper is None or target.slice.step:
                raise Unknown("such a slice")
            return f"{self._expr(target.value)}.splice({start}, {end} - {start}, ...$.iter({value}));"
        if isinstance(target, ast.Subscript):
            return f"$.set({self._expr(target.value)}, {self._expr(target.slice)}, {value});"
        if isinstance(target, (ast.Tuple, ast.List)):
            stars = [i for i, one in enumerate(target.elts) if isinstance(one, ast.Starred)]
            n, star = len(target.elts), stars[0] if stars else -1
            parts = [one.value if isinstance(one, ast.Starred) else one for one in target.elts]
            taken = f"$.spread({value}, {n}, {star})"
            if all(isinstance(one, ast.Name) for one in parts):
                return f"[{', '.join(self._target(one) for one in parts)}] = {taken};"
            lines = [f"const $parts = {taken};"]
            lines += [self._store(one, f"$parts[{i}]") for i, one in enumerate(parts)]
            return "{ " + " ".join(lines) + " }"
        raise Unknown("a target")

    def _target(self, node: ast.expr) -> str:
        assert isinstance(node, ast.Name)
        return _name(node.id)

    # --- Expressions

    def _expr(self, node: ast.expr) -> str:
        if type(node) is ast.Name:
            return _name(node.id)
        method = getattr(self, f"_{type(node).__name__.lower()}_value", None)
        if method is None:
            raise Unknown(f"{type(node).__name__} in line {node.lineno} of {self.module.__name__}")
        return method(node)

    def _truth(self, node: ast.expr) -> str:
        if isinstance(node, ast.Compare) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)):
            return self._expr(node)
        if isinstance(node, ast.BoolOp):
            sign = " && " if isinstance(node.op, ast.And) else " || "
            return "(" + sign.join(map(self._truth, node.values)) + ")"
        return f"$.truth({self._expr(node)})"

    def _constant_value(self, node: ast.Constant) -> str:
        return literal(node.value)

    def _joinedstr_value(self, node: ast.JoinedStr) -> str:
        parts = []
        for one in node.values:
            if isinstance(one, ast.Constant):
                parts += [json.dumps(one.value, ensure_ascii=False)]
            elif isinstance(one, ast.FormattedValue):
                spec = self._expr(one.format_spec) if one.format_spec else '""'
                how = f"$.repr({self._expr(one.value)})" if one.conversion == ord("r") else self._expr(one.value)
                parts += [f"$.format({how}, {spec})"]
        return f"({' + '.join(parts)})" if parts else '""'

    def _list_value(self, node: ast.List) -> str:
        return f"[{self._items(node.elts)}]"

    def _tuple_value(self, node: ast.Tuple) -> str:
        return f"$.tuple([{self._items(node.elts)}])"

    def _set_value(self, node: ast.Set) -> str:
        return f"$.set_([{self._items(node.elts)}])"

    def _items(self, nodes: Sequence[ast.expr]) -> str:
        return ", ".join(map(self._item, nodes))

    def _item(self, node: ast.expr) -> str:
        if isinstance(node, ast.Starred):
            return f"...$.iter({self._expr(node.value)})"
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self":  # it may be a method
            return f"$.attribute(self, {json.dumps(node.attr)})"
        return self._expr(node)

    def _dict_value(self, node: ast.Dict) -> str:
        items = [
            f"[{self._expr(key)}, {self._expr(value)}]" if key else f"...$.call({self._expr(value)}, 'items')"
            for key, value in zip(node.keys, node.values, strict=True)
        ]
        return f"$.dict([{', '.join(items)}])"

    def _boolop_value(self, node: ast.BoolOp) -> str:
        which = "and" if isinstance(node.op, ast.And) else "or"
        *first, last = [self._expr(one) for one in node.values]
        for one in reversed(first):
            last = f"$.{which}({one}, () => {last})"
        return last

    def _unaryop_value(self, node: ast.UnaryOp) -> str:
        if isinstance(node.op, ast.Not):
            return f"!{self._truth(node.operand)}"
        if isinstance(node.op, ast.USub):
            return f"(-{self._expr(node.operand)})"
        raise Unknown("an operator")

    def _binop_value(self, node: ast.BinOp) -> str:
        return self._binary(node.op, self._expr(node.left), self._expr(node.right))

    def _binary(self, op: ast.operator, left: str, right: str) -> str:
        if type(op) not in OPERATORS:
            raise Unknown("an operator")
        return OPERATORS[type(op)].format(left, right)

    def _compare_value(self, node: ast.Compare) -> str:
        parts, left = [], self._expr(node.left)
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            right = self._expr(right_node)
            parts += [self._compared(op, left, right)]
            left = right
        return f"({' && '.join(parts)})"

    def _compared(self, op: ast.cmpop, left: str, right: str) -> str:
        if type(op) in COMPARED:
            return f"{left} {COMPARED[type(op)]} {right}"
        negative = "!" if isinstance(op, (ast.NotEq, ast.NotIn, ast.IsNot)) else ""
        if isinstance(op, (ast.Eq, ast.NotEq)):
            return f"{negative}$.eq({left}, {right})"
        if isinstance(op, (ast.In, ast.NotIn)):
            return f"{negative}$.has({right}, {left})"
        return f"{negative}$.is({left}, {right})"

    def _ifexp_value(self, node: ast.IfExp) -> str:
        return f"({self._truth(node.test)} ? {self._expr(node.body)} : {self._expr(node.orelse)})"

    def _attribute_value(self, node: ast.Attribute) -> str:
        if isinstance(node.value, ast.Call) and ast.unparse(node.value) == "super()":
            return f"super.{node.attr}"
        return f"{self._expr(node.value)}.{'name' if node.attr == '__name__' else node.attr}"

    def _subscript_value(self, node: ast.Subscript) -> str:
        if isinstance(node.slice, ast.Slice):
            parts = [
                self._expr(one) if one else "null" for one in (node.slice.lower, node.slice.upper, node.slice.step)
            ]
            return f"$.slice({self._expr(node.value)}, {', '.join(parts)})"
        return f"$.item({self._expr(node.value)}, {self._expr(node.slice)})"

    def _call_value(self, node: ast.Call) -> str:
        given = self._items(node.args)
        if node.keywords:
            named = [
                f"...$.call({self._expr(one.value)}, 'items')"
                if one.arg is None
                else f"[{json.dumps(one.arg)}, {self._expr(one.value)}]"
                for one in node.keywords
            ]
            given = ", ".join(filter(None, [given, f"$.named([{', '.join(named)}])"]))
        called = ast.unparse(node.func).rpartition(".")[2]
        if isinstance(node.func, ast.Attribute) and not IS_CLASS.fullmatch(called):
            if ast.unparse(node.func.value) == "super()":
                return f"super.{node.func.attr}({given})"
            return f"$.call({self._expr(node.func.value)}, {json.dumps(node.func.attr)}, {given})".replace(", )", ")")
        if IS_CLASS.fullmatch(called):
            return f"new {self._expr(node.func)}({given})"
        return f"$.run({self._expr(node.func)}, {given})".replace(", )", ")")

    def _lambda_value(self, node: ast.Lambda) -> str:
        names = [one.arg for one in node.args.args]
        return f"((...$given) => {{ {''.join(self._bound(node.args, names))} return {self._expr(node.body)}; }})"

    def _namedexpr_value(self, node: ast.NamedExpr) -> str:
        return f"({_name(node.target.id)} = {self._expr(node.value)})"

    def _listcomp_value(self, node: ast.ListComp) -> str:
        return f"[...{self._generator(node.generators, self._expr(node.elt))}]"

    def _generatorexp_value(self, node: ast.GeneratorExp) -> str:
        return self._generator(node.generators, self._expr(node.elt))

    def _setcomp_value(self, node: ast.SetComp) -> str:
        return f"$.set_({self._generator(node.generators, self._expr(node.elt))})"

    def _dictcomp_value(self, node: ast.DictComp) -> str:
        pair = f"[{self._expr(node.key)}, {self._expr(node.value)}]"
        return f"$.dict({self._generator(node.generators, pair)})"

    def _generator(self, loops: Sequence[ast.comprehension], element: str) -> str:
        lines = []
        for loop in loops:
            names = sorted(map(_name, _names(loop.target)))
            lines += [f"for (const $one of $.iter({self._expr(loop.iter)})) {{ let {', '.join(names)};"]
            lines += [self._store(loop.target, "$one"), *(f"if (!{self._truth(test)}) continue;" for test in loop.ifs)]
        return f"(function* () {{ {' '.join(lines)} yield {element}; {'}' * len(loops)} }})()"


def literal(value: Any) -> str:
    """Plain data as JavaScript. Raises Unknown for anything else."""
    if value is ...:
        return "null"
    if value is None or isinstance(value, (bool, str, int)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float):
        return f"$.float({value!r})" if value == int(value) else repr(value)
    if isinstance(value, bytes):
        return f"$.bytes({json.dumps(base64.b64encode(value).decode())})"
    if type(value) in (list, tuple):
        items = f"[{', '.join(map(literal, value))}]"
        return items if isinstance(value, list) else f"$.tuple({items})"
    if type(value) is dict:
        return f"$.dict([{', '.join(f'[{literal(key)}, {literal(one)}]' for key, one in value.items())}])"
    raise Unknown(f"a {type(value).__name__}")


def _imported(module: str, name: str) -> str:
    """A name of another module: its value, if that is plain data, as that module may not be there. A function is looked
    for when it is called, as its module may come later.
    """
    live = getattr(importlib.import_module(module), name, None)
    found = f"$.imported({json.dumps(module)}, {json.dumps(name)})"
    try:
        return found if live is None else literal(live)
    except Unknown:
        return f"(...$given) => {found}(...$given)" if inspect.isfunction(live) else found


def _name(name: str) -> str:
    return f"{name}_" if name in RESERVED else name


def _names(target: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}


def _stored(body: Sequence[ast.AST]) -> set[str]:
    """The names that statements of a function give values to, those of functions in it left out."""
    found: set[str] = set()
    outer: set[str] = set()
    for node in _own(body):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Nonlocal):
            outer |= set(node.names)
    return found - outer


def _own(nodes: Sequence[ast.AST]) -> Iterator[ast.AST]:
    for node in nodes:
        if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            yield from (one.target for one in ast.walk(node) if isinstance(one, ast.NamedExpr))
            continue
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Lambda)):
            yield from _own(list(ast.iter_child_nodes(node)))


def _loaded(node: ast.expr) -> ast.expr:
    return ast.parse(ast.unparse(node), mode="eval").body
