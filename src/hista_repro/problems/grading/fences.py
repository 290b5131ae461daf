"""Blocks of code in a text, between fences as models write them: never closed, closed behind code, indented, nested."""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from hista_repro.problems.grading.python_source import parse

_OPENING = re.compile(r"(?P<before>.*?)(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^`]*)")
_ONE_LINE = re.compile(r"\s*`{3,}(?P<info>[^`]*)`{3,}\s*")
_CODE_IN_INFO = re.compile(r"(?:^|\s)((?:def|class|import|from)\s.*)$")
_LANGUAGE = re.compile(r"[\s{.]*([\w.+#-]*)")
_PYTHON = re.compile(r"(?:py|python)[\d.]*|.+\.py")
_LIST_MARKER = re.compile(r"\s*(?:(?:[-*+]|\d+[.)])[ \t]+)?")
_TAGS = r"\s*(?:</?\w+>\s*)*"
_STRING_OR_COMMENT = re.compile(r'"""|\'\'\'|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|#.*')
_QUOTES = ('"""', "'''")


@dataclass(frozen=True)
class Block:
    """The text between two fences, the first word behind the opening one in small letters, and whether there is a closing one."""

    language: str
    text: str
    closed: bool

    @property
    def is_python(self) -> bool:
        return _PYTHON.fullmatch(self.language) is not None

    @property
    def is_unnamed(self) -> bool:
        return self.language in ("", "code")


@dataclass(frozen=True)
class _Fence:
    mark: str
    indent: int
    language: str
    code: str
    """What of the program stands on the line of the fence."""

    @property
    def may_be_python(self) -> bool:
        block = Block(self.language, "", closed=True)
        return block.is_python or block.is_unnamed


def code_blocks(text: str) -> tuple[str, list[Block]]:
    """The text in front of the first fence, and the blocks of `text` in their order.

    A block ends at a fence like its own, which may stand behind the last line of code, before a fence that names a language, or with the
    text. A fence inside a string of the program ends nothing. Indentation of the opening fence is taken off the block.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    blocks: list[Block] = []
    before = None
    number = 0
    while number < len(lines):
        opened, line, number = number, lines[number], number + 1
        if (whole := _ONE_LINE.fullmatch(line)) and (code := _CODE_IN_INFO.search(whole["info"])):
            blocks.append(Block(_language(whole["info"][: code.start()]), code[1].strip() + "\n", closed=True))
        elif fence := _opening(line):
            last, end, resumed = _end(lines, number, fence)
            content = [fence.code] * bool(fence.code) + [_dedented(each, fence.indent) for each in (*lines[number:end], *last)]
            blocks.append(Block(fence.language, _text(content), closed=resumed > end))
            number = resumed
        else:
            continue
        before = opened if before is None else before
    return "\n".join(lines[:before]), blocks


def _opening(line: str) -> _Fence | None:
    """The fence that `line` opens. Behind other text than the marker of a list it must name Python and nothing else."""
    found = _OPENING.fullmatch(line)
    if found is None:
        return None
    code = _CODE_IN_INFO.search(found["info"])
    label = found["info"][: code.start()] if code else found["info"]
    language = _language(label)
    if not _LIST_MARKER.fullmatch(found["before"]):
        if not _PYTHON.fullmatch(language) or label.strip().casefold() != language:
            return None
        return _Fence(found["fence"], 0, language, code[1] if code else "")
    return _Fence(found["fence"], len(found["before"]), language, code[1] if code else "")


def _language(info: str) -> str:
    return _LANGUAGE.match(info)[1].casefold()


def _end(lines: Sequence[str], start: int, fence: _Fence) -> tuple[list[str], int, int]:
    """Where the block ends whose content begins at line `start`.

    Returns:
        The code in front of a closing fence on its line, if any; the number of the line behind the content; and that of the line at which
        the text goes on. The two are equal where the block is not closed.
    """
    closing = re.compile(rf"(?P<code>.*?){re.escape(fence.mark[0])}{{{len(fence.mark)},}}{_TAGS}")
    doubtful = quote = None
    for number in range(start, len(lines)):
        line = lines[number]
        found = closing.fullmatch(line)
        if found and found["code"].strip() and not fence.may_be_python:
            found = None
        if found:
            end = [found["code"]] * bool(found["code"].strip()), number, number + 1
            if quote is None and "#" not in found["code"] and _open_string(found["code"], quote) is None:
                return end if doubtful is None or parse(_text(lines[start:number] + end[0])) else doubtful
            doubtful = doubtful or end
        elif quote is None and _starts_another(line, fence):
            return doubtful or ([], number, number)
        if fence.may_be_python:
            quote = _open_string(line, quote)
    return doubtful or ([], len(lines), len(lines))


def _starts_another(line: str, fence: _Fence) -> bool:
    """Whether `line`, inside the block that `fence` opened, opens another block; one that may be in a string or a comment does not."""
    inner = _opening(line)
    if inner is None or not inner.language:
        return False
    before = line.partition(inner.mark)[0]
    return not fence.may_be_python or ("#" not in before and _open_string(before, None) is None)


def _open_string(line: str, quote: str | None) -> str | None:
    """The triple quotes that are open behind `line`, where `quote` was open before it."""
    position = 0
    while True:
        if quote is not None:
            position = line.find(quote, position) + len(quote)
            if position < len(quote):
                return quote
            quote = None
        found = _STRING_OR_COMMENT.search(line, position)
        if found is None:
            return None
        position = found.end()
        quote = found[0] if found[0] in _QUOTES else None


def _dedented(line: str, width: int) -> str:
    margin = len(line) - len(line.lstrip(" \t"))
    return line[min(width, margin) :]


def _text(lines: Sequence[str]) -> str:
    """`lines` as one text, without an indentation that the first of them has."""
    text = "\n".join([*lines, ""])
    first = next(filter(str.strip, lines), "")
    return textwrap.dedent(text) if first[:1].isspace() else text
