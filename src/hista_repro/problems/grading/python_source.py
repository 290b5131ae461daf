"""What a piece of Python defines, uses and does, read off its text. Nothing is run."""

import ast
import builtins
import re
import symtable
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from keyword import iskeyword

_FILE = "<a program of a completion>"
warnings.filterwarnings("ignore", module=re.escape(_FILE))  # or Python would print its warnings about each program
_DEFINITION = re.compile(r"^(?:async\s+def|def|class)\s+(\w+)", re.MULTILINE)
_READS_INPUT = re.compile(r"\binput\s*\(|\bstdin\b|\bopen\s*\(\s*0|\bfileinput\b|\bos\.read\b")
_GOES_ON = re.compile(r"[)\]}#]|(?:else|elif|except|finally)\b")
"""Lines at the margin that begin no statement."""
_MARKDOWN = re.compile(r"[`~#>*|<]|\d+[.)] |[A-Z][\w ]*:$")
_TWO_WORDS = re.compile(r"([A-Za-z][\w'’]*),? [`*\"(]*(\w+)")
_TRIES = 10
_UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)
"""What Python raises for a text that it does not compile."""

_DEFINING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_IMPORTING = (ast.Import, ast.ImportFrom)
_BUILTINS = frozenset(dir(builtins))


@dataclass(frozen=True)
class Source:
    """A piece of Python, which need not compile.

    `cut_off` is the statement behind `text` whose end is missing; see `complete_part`.
    """

    text: str
    cut_off: str = ""

    @cached_property
    def tree(self) -> ast.Module | None:
        """The syntax tree, None for a text that does not compile."""
        return parse(self.text)

    @cached_property
    def names_cut_off(self) -> frozenset[str]:
        """Functions and classes whose definition is cut off."""
        return frozenset(_DEFINITION.findall(self.cut_off))

    @cached_property
    def binds(self) -> frozenset[str]:
        """The names that its top level gives a value; in a text that does not compile, its functions and classes."""
        return self._names[0] if self.tree else frozenset(_DEFINITION.findall(self.text))

    @cached_property
    def uses(self) -> frozenset[str]:
        """The names that it takes from elsewhere, builtins left out."""
        return self._names[1] - _BUILTINS if self.tree else frozenset()

    @cached_property
    def _names(self) -> tuple[frozenset[str], frozenset[str]]:
        return names_of(self.text)

    @cached_property
    def definitions(self) -> frozenset[str]:
        """The functions and classes among `binds`."""
        if self.tree is None:
            return self.binds
        return frozenset(node.name for node in self._body if isinstance(node, _DEFINING))

    @cached_property
    def defines(self) -> frozenset[str]:
        """`binds` without what is imported from outside the standard library, as a test file imports the solution."""
        return self.binds - self._imported_elsewhere

    @cached_property
    def defines_fully(self) -> frozenset[str]:
        """`defines` without functions and classes that are stubs; nothing where it reads input as soon as it is loaded."""
        if self.tree is None:
            return self.defines
        if self._reads_when_loaded:
            return frozenset()
        return self.defines - {node.name for node in self._body if isinstance(node, _DEFINING) and _is_stub(node)}

    @property
    def _body(self) -> list[ast.stmt]:
        return self.tree.body if self.tree else []

    @cached_property
    def lines(self) -> frozenset[str]:
        """Its lines without indentation and comments of their own."""
        return frozenset(line.strip() for line in self.text.split("\n") if line.strip() and not line.strip().startswith("#"))

    @cached_property
    def imports_only(self) -> bool:
        return bool(self._body) and all(isinstance(node, _IMPORTING) for node in self._body)

    @cached_property
    def acts(self) -> bool:
        """Whether it does more than import and define."""
        return any(map(_is_action, self._body))

    @cached_property
    def computes(self) -> bool:
        """Whether it holds a call, a definition, an import or a loop: words that are printed hold none, though they may be valid Python."""
        kinds = (ast.Call, *_DEFINING, *_IMPORTING, ast.For, ast.While)
        return self.tree is not None and any(isinstance(node, kinds) for node in ast.walk(self.tree))

    @cached_property
    def is_literal(self) -> bool:
        """Whether it is nothing but numbers, strings and collections of them."""
        kinds = (ast.Name, ast.Call, ast.stmt)
        parts = (part for node in self._body for part in ast.walk(node.value if isinstance(node, ast.Expr) else node))
        return not any(isinstance(part, kinds) for part in parts)

    @cached_property
    def reads(self) -> bool:
        """Whether it reads standard input, wherever in it."""
        if self.tree is None or self.cut_off:
            return _READS_INPUT.search(self.text + self.cut_off) is not None
        return _reads(self.tree)

    @cached_property
    def writes(self) -> bool:
        """Whether it prints, wherever in it."""
        return self.tree is not None and any(map(_is_output, ast.walk(self.tree)))

    @cached_property
    def _imported_elsewhere(self) -> frozenset[str]:
        found: set[str] = set()
        for node in ast.walk(self.tree) if self.tree else ():
            if isinstance(node, ast.ImportFrom) and (node.level or _top(node.module) not in sys.stdlib_module_names):
                found |= {alias.asname or alias.name for alias in node.names}
            elif isinstance(node, ast.Import):
                found |= {_top(alias.asname or alias.name) for alias in node.names if _top(alias.name) not in sys.stdlib_module_names}
        return frozenset(found)

    @cached_property
    def _reads_when_loaded(self) -> bool:
        """Directly, or through a function of its own; not what only the main program does."""
        readers = {node.name for node in self._body if isinstance(node, _DEFINING) and _reads(node)}
        for statement in self._body:
            if isinstance(statement, _DEFINING) or (isinstance(statement, ast.If) and "__name__" in ast.dump(statement.test)):
                continue
            if _reads(statement) or any(isinstance(node, ast.Name) and node.id in readers for node in ast.walk(statement)):
                return True
        return False


def parse(text: str) -> ast.Module | None:
    """The syntax tree of `text`, None where Python does not compile it."""
    try:
        tree = ast.parse(text, _FILE)
        compile(tree, _FILE, "exec", dont_inherit=True)
    except _UNREADABLE:
        return None
    return tree


def names_of(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """The names that the module `text` gives a value, and other names that it uses, builtins among them.

    There are none of either in a text that does not compile.
    """
    try:
        module = symtable.symtable(text, _FILE, "exec")
    except _UNREADABLE:
        return frozenset(), frozenset()
    bound, used = set(), set()
    for table in _tables(module):
        for symbol in table.get_symbols():
            if table is module or symbol.is_global():
                used |= {symbol.get_name()} if symbol.is_referenced() else set()
                bound |= {symbol.get_name()} if symbol.is_assigned() or symbol.is_imported() else set()
    return frozenset(bound), frozenset(used - bound)


@lru_cache(maxsize=1024)
def names_called(setup: str, asserts: tuple[str, ...]) -> frozenset[str]:
    """The names that tests expect a program to define: those that `asserts` use and neither they nor `setup` define.

    Where `setup` defines all of them it is the beginning of the solution, as in HumanEval, and they count all the same.
    """
    used = names_of("\n".join(asserts))[1]
    wanted = used - _BUILTINS
    return (wanted - names_of(setup)[0]) or wanted or used


def complete_part(text: str) -> Source | None:
    """The complete statements at the beginning of `text`, whose end may be missing or be prose; None for prose from its first line."""
    if parse(text) is not None:
        return Source(text)
    lines = text.split("\n")
    end = len(lines)
    for _ in range(_TRIES):
        wrong = _first_wrong_line("\n".join(lines[:end]))
        if wrong is None:
            break
        starts = [i for i in range(min(wrong, end)) if lines[i][:1].strip() and not _GOES_ON.match(lines[i])]
        end = starts[-1] if starts else 0
        if not end:
            break
    else:
        end = 0
    head, rest = ("\n".join(part) for part in (lines[:end], lines[end:]))
    if not is_prose(lines[end]):
        return Source(head + "\n", rest)
    return Source(head + "\n") if head.strip() else None


def is_prose(line: str) -> bool:
    """Whether a line at the margin that is not valid Python is Markdown or a sentence rather than code."""
    if _MARKDOWN.match(line):
        return True
    words = _TWO_WORDS.match(line)
    return words is not None and not any(map(iskeyword, words.groups()))


def _first_wrong_line(text: str) -> int | None:
    """The number, from 1, of the line at which Python gives up; 0 where it names none, None where nothing is wrong."""
    try:
        compile(text, _FILE, "exec", dont_inherit=True)
    except SyntaxError as error:
        return error.lineno or 0
    except _UNREADABLE:
        return 0
    return None


def _tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _tables(child)


def _top(module: str | None) -> str:
    return (module or "").partition(".")[0]


def _is_action(node: ast.stmt) -> bool:
    if isinstance(node, (*_DEFINING, *_IMPORTING)):
        return False
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return node.value is not None and any(isinstance(part, ast.Call) for part in ast.walk(node.value))
    return not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _is_stub(node: ast.stmt) -> bool:
    """Whether a function does nothing, or a class holds such functions only."""
    if isinstance(node, ast.ClassDef):
        return all(_is_stub(inner) for inner in node.body)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return all(_is_stub(inner) for inner in node.body)
    if isinstance(node, ast.Raise):
        return "NotImplementedError" in ast.dump(node)
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _reads(tree: ast.AST) -> bool:
    return any(map(_is_input, ast.walk(tree)))


def _is_input(node: ast.AST) -> bool:
    match node:
        case ast.Name(id="input" | "stdin", ctx=ast.Load()) | ast.Attribute(attr="stdin", ctx=ast.Load()):
            return True
        case ast.Call(func=ast.Name(id="open"), args=[ast.Constant(value=0 | "/dev/stdin"), *_]):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Name(id="os"), attr="read")):
            return True
        case ast.Attribute(value=ast.Name(id="fileinput")):
            return True
    return False


def _is_output(node: ast.AST) -> bool:
    match node:
        case ast.Name(id="print" | "stdout") | ast.Attribute(attr="stdout"):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Name(id="os"), attr="write")):
            return True
    return False
