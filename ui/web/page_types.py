"""Write the types of ui/protocol.py as TypeScript for tsc: `python ui/web/page_types.py`.

Both files have the same names and comments. tests/page/test_protocol.py checks that the written file is up to date.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

WEB = Path(__file__).parent
SOURCE, FILE = WEB.parent / "protocol.py", WEB / "messages/protocol.d.ts"
HEAD = """// Made from ui/protocol.py by `python ui/web/page_types.py`: change the types there.

/** 8 bits in each of 1 to 4 channels, row by row; of 2 or 4 channels the last is alpha. */
export type Picture = { width: number; height: number; channels: number; data: Uint8Array };

/** Pictures beside each other: their pixels, or a file. */
export type Sprite = Picture[] | Blob;
"""
PLAIN = {"int": "number", "float": "number", "str": "string", "bool": "boolean", "object": "unknown"}


class PageTypes:
    """Translates the types of a Python module into TypeScript, in `text`. Raises ValueError for a type without an
    equivalent.
    """

    def __init__(self, source: str):
        self._lines = source.splitlines()
        self._names = PLAIN | {"Sprite": "Sprite"}  # the TypeScript name of each type
        self.text = "\n".join([HEAD, *self._declarations(ast.parse(source))])

    def _declarations(self, module: ast.Module) -> Iterator[str]:
        """Yield the TypeScript declaration of each type in the module."""
        for node in module.body:
            match node:
                case ast.ClassDef(name=name, bases=bases):
                    self._names[name] = name
                    for base in bases:
                        if isinstance(base, ast.Subscript):  # the base class is Generic[R]
                            parameter = ast.unparse(base.slice)
                            self._names[parameter] = parameter
                            name = f"{name}<{parameter}>"
                    fields = [field for field in node.body if isinstance(field, ast.AnnAssign)]
                    own = self._object((ast.unparse(field.target), field.annotation) for field in fields)
                    others = [base.id for base in bases if isinstance(base, ast.Name) and base.id != "TypedDict"]
                    kind, about = " & ".join([*others, own]), ast.get_docstring(node) or ""
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(args=[_, ast.Dict(keys, values)])):
                    names = (ast.literal_eval(ast.unparse(key)) for key in keys if key)
                    kind, about = self._object(zip(names, values, strict=True)), self._comment(node)
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Subscript() | ast.BinOp() as value):
                    kind, about = self._type(value), self._comment(node)
                case _:
                    continue
            self._names[name] = name
            yield f"{_doc(about)}export type {name} = {kind};\n"

    def _object(self, fields: Iterable[tuple[str, ast.expr]]) -> str:
        """Return an object type with these fields, each with its comment."""
        lines = []
        for name, kind in fields:
            lines.append(_doc(self._comment(kind), "  "))
            match kind:
                case ast.Subscript(value=ast.Name(id="NotRequired"), slice=inner):
                    lines.append(f"  {name}?: {self._type(inner)};\n")
                case _:
                    lines.append(f"  {name}: {self._type(kind)};\n")
        return f"{{\n{''.join(lines)}}}"

    def _type(self, kind: ast.expr) -> str:
        """Return the TypeScript text of an annotation."""
        match kind:
            case ast.Constant(value=None):
                return "null"
            case ast.Name(id=name) if name in self._names:
                return self._names[name]
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return f"{self._type(left)} | {self._type(right)}"
            case ast.Subscript(value=ast.Name(id="Literal"), slice=ast.Tuple(elts=parts)):
                return " | ".join(f'"{ast.literal_eval(part)}"' for part in parts)
            case ast.Subscript(value=ast.Name(id="Literal"), slice=part):
                return f'"{ast.literal_eval(part)}"'
            case ast.Subscript(value=ast.Name(id="list"), slice=inner):
                one = self._type(inner)
                return f"({one})[]" if " | " in one else f"{one}[]"
            case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=parts)):
                return f"[{', '.join(map(self._type, parts))}]"
            case ast.Subscript(value=ast.Name(id="dict" | "Mapping"), slice=ast.Tuple(elts=[key, value])):
                return f"Record<{self._type(key)}, {self._type(value)}>"
            case ast.Subscript(value=ast.Name(id="Callable"), slice=ast.Tuple(elts=[ast.List(elts=[asked]), answer])):
                return f"(asked: {self._type(asked)}) => {self._type(answer)}"
        raise ValueError(f"{SOURCE.name}, line {kind.lineno}: the page has no type for {ast.unparse(kind)}")

    def _comment(self, node: ast.stmt | ast.expr) -> str:
        """Return the comment at the end of an annotation's line, or in the lines above it."""
        line, first = self._lines[cast(int, node.end_lineno) - 1], node.lineno - 1
        if "  # " in line:
            return line.partition("  # ")[2]
        start = first
        while self._lines[start - 1].lstrip().startswith("# "):
            start -= 1
        return " ".join(line.strip(" #") for line in self._lines[start:first])


def _doc(text: str, indent: str = "") -> str:
    """Return a text as a JSDoc comment; "" if the text is empty."""
    return f"{indent}/** {' '.join(text.split())} */\n" if text else ""


if __name__ == "__main__":
    FILE.write_text(PageTypes(SOURCE.read_text(encoding="utf-8")).text, encoding="utf-8")
