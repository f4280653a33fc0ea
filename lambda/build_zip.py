"""Builds `ecr_deploy.zip`, the function's code, the same to the last byte wherever it is built.

    python lambda/build_zip.py [TARGET]

What could differ between two machines is fixed: the order of the entries, their dates and modes, the system they claim
to come from, and the compressor. The last is why `zipfile` does not write the archive: it compresses with the zlib that
Python was built against, whose output differs from build to build. zopfli's is the same for the same release, which
`pyproject.toml` pins, and it is the smaller.

Comments, docstrings, annotations of functions, what is imported for them alone, and most of the indentation stay at
home: half of what a cold start would load. Lines keep their numbers, so that a traceback from Lambda points into the
repository. So does the command line: it runs where people are.
"""

import ast
import io
import struct
import sys
import tokenize
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import zopfli.zlib

HERE = Path(__file__).resolve().parent
COMMITTED = HERE / "ecr_deploy.zip"
COMMAND_LINE = ("__main__.py", "cli")

_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_CENTRAL_HEADER = struct.Struct("<4s6H3L5H2L")
_END_OF_ARCHIVE = struct.Struct("<4s4H2LH")

_VERSION_NEEDED = 20  # 2.0: the first that knows deflate
_MADE_ON_UNIX = 3 << 8 | _VERSION_NEEDED
_UTF8_NAMES = 0x800
_DEFLATE = 8
_MIDNIGHT = 0
_FIRST_OF_JANUARY_1980 = 0 << 9 | 1 << 5 | 1
_REGULAR_FILE_READABLE_BY_ALL = 0o100644 << 16

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

_ZLIB_HEADER = 2
_ZLIB_CHECKSUM = 4

# A line, from 1, and a byte of it, from 0: as `ast` counts.
_Position = tuple[int, int]


def build(package: Path = HERE / "ecr_deploy") -> bytes:
    """Return the archive of a package's Python files, under the package's own name."""
    files = [
        (path.relative_to(package.parent).as_posix(), path)
        for path in package.rglob("*.py")
        if path.relative_to(package).parts[0] not in COMMAND_LINE
    ]
    entries = b""
    directory = b""
    for name, path in sorted(files):
        encoded = name.encode()
        content = path.read_bytes()
        if path.suffix == ".py":
            content = bare(content.decode()).encode()
        deflated = zopfli.zlib.compress(content)[_ZLIB_HEADER:-_ZLIB_CHECKSUM]
        facts = (
            _VERSION_NEEDED,
            _UTF8_NAMES,
            _DEFLATE,
            _MIDNIGHT,
            _FIRST_OF_JANUARY_1980,
            zlib.crc32(content),
            len(deflated),
            len(content),
            len(encoded),
        )
        offset = len(entries)
        entries += _LOCAL_HEADER.pack(b"PK\3\4", *facts, 0) + encoded + deflated
        directory += _CENTRAL_HEADER.pack(
            b"PK\1\2", _MADE_ON_UNIX, *facts, 0, 0, 0, 0, _REGULAR_FILE_READABLE_BY_ALL, offset
        )
        directory += encoded
    end = _END_OF_ARCHIVE.pack(b"PK\5\6", 0, 0, len(files), len(files), len(directory), len(entries), 0)
    return entries + directory + end


def bare(source: str) -> str:
    """Return Python code as it ships: without comments, docstrings and annotations that nobody reads."""
    lines = source.encode().splitlines(keepends=True)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][: len(token.line[:column].encode())].rstrip() + b"\n"
    tree = ast.parse(source)
    # From the end on, so that what is cut does not move what is still to be cut.
    for start, end in sorted(_annotations(tree, lines), reverse=True):
        _cut(lines, start, end)
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            docstring = node.body[0]
            assert docstring.end_lineno is not None  # noqa: S101 - of a parsed node it never is
            indent = b" " * docstring.col_offset
            lines[docstring.lineno - 1] = indent + b'""\n'
            for row in range(docstring.lineno, docstring.end_lineno):
                lines[row] = b"\n"
    _drop_imports(lines)
    return b"".join(map(_indented_less, lines)).decode()


def _drop_imports(lines: list[bytes]) -> None:
    """Take out what was imported for annotations alone."""
    tree = ast.parse(b"".join(lines))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for node in tree.body:
        is_for_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if isinstance(node, ast.ImportFrom):
            kept = [alias for alias in node.names if (alias.asname or alias.name) in used - {"TYPE_CHECKING"}]
            if kept == node.names:
                continue
            written = ast.unparse(ast.ImportFrom(node.module, kept, node.level)) if kept else ""
        elif is_for_types:
            written = ""
        else:
            continue
        for row in range(node.lineno - 1, node.end_lineno or node.lineno):
            lines[row] = b"\n"
        lines[node.lineno - 1] = written.encode() + b"\n"


def _indented_less(line: bytes) -> bytes:
    """Make one space of four at the start of a line; no text of the package goes on in the next line."""
    code = line.lstrip(b" ")
    return b" " * ((len(line) - len(code)) // 4) + code


def _annotations(tree: ast.Module, lines: Sequence[bytes]) -> Iterator[tuple[_Position, _Position]]:
    """Find where annotations begin and end that nobody reads at run time: all but those of a class's own members."""
    members = {id(member) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for member in node.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.annotation:
            yield (node.lineno, node.col_offset + len(node.arg.encode())), _end(node.annotation)
        elif isinstance(node, ast.AnnAssign) and node.value and id(node) not in members:
            # A statement can't go on in the next line but within its brackets.
            if node.lineno == node.annotation.end_lineno:
                yield _end(node.target), _end(node.annotation)
        elif isinstance(node, ast.FunctionDef) and node.returns and node.returns.lineno == node.returns.end_lineno:
            line = lines[node.returns.lineno - 1][: node.returns.col_offset]
            yield (node.returns.lineno, len(line.rstrip(b"-> "))), _end(node.returns)


def _end(node: ast.expr) -> _Position:
    assert node.end_lineno is not None  # noqa: S101 - of a parsed node neither ever is
    assert node.end_col_offset is not None  # noqa: S101
    return node.end_lineno, node.end_col_offset


def _cut(lines: list[bytes], start: _Position, end: _Position) -> None:
    """Take out what lies between two positions, but for the ends of lines."""
    (first, begin), (last, stop) = start, end
    rest = lines[last - 1][stop:]
    for row in range(first, last):
        lines[row] = b"\n"
    if first == last:
        lines[first - 1] = lines[first - 1][:begin] + rest
    else:
        lines[first - 1] = lines[first - 1][:begin] + b"\n"
        lines[last - 1] = rest


def main() -> None:
    """Write the archive to the path given, or to where Terraform takes it from."""
    target = Path(sys.argv[1]) if sys.argv[1:] else COMMITTED
    target.write_bytes(build())


if __name__ == "__main__":
    main()
