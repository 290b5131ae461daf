r"""Where in a completion its final answer stands.

1. Thinking is taken out: all that stands before a closing tag such as `</think>`, or behind an opening one that is never closed.
2. The text ends where it goes on to another question (a line that begins "Question:", "Problem 2.", "Human:" and the like), if an answer
   stands before that line.
3. In what is left, the last of these counts that can be read as an answer to the problem:
   - a box, `\boxed{...}` or `\fbox{...}`; boxes with nothing but "and", "or" or a comma between them are one answer;
   - a stated answer: what follows "the answer is", "Answer:", "Final Answer", "the correct option is" or "####", stands in `<answer>`, or
     "is the answer". It is read to the end of its line, and from the next line where its own is empty;
   - a formula, a number or a letter that is all of the last line, chatter such as "I hope this helps." aside.
4. A box that was cut off, with no answer behind it, is no answer and does not bring back an earlier one. Nor does an answer that names two
   things of which only one can be meant.

What can be read as an answer is said by a reader, one for each kind of problem: see `letters`, `wording` and `quantities`.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from hista_repro.problems.grading.markup import EMPHASIS, closing_braces


class Place(Enum):
    """Where an answer stands."""

    BOX = "box"
    STATED = "stated"
    LAST_LINE = "last line"


@dataclass(frozen=True)
class Candidate:
    """A part of a completion that may be its answer."""

    start: int
    """Its first character's place in the completion."""
    content: str | None
    """None for a box that was cut off."""
    place: Place


class Undecided(Exception):
    """A candidate names two answers of which only one can be meant."""


Reader = Callable[[Candidate], str | None]
"""Gives the answer in a candidate, or None where it holds none. Raises `Undecided`."""

_TAG = r"think|thinking|thoughts?|reasoning"
_THINKING_ENDS = re.compile(rf"</(?:{_TAG})>|\[/THINK\]|◁/think▷", re.IGNORECASE)
_THINKING_BEGINS = re.compile(rf"<(?:{_TAG})>|\[THINK\]|◁think▷", re.IGNORECASE)
_TAGS = re.compile(r"</?(?:u|b|i|em|strong|span|p|center)>|(?:\s*<(?!answer>|/answer>)[^<>\s]{1,30}>)+\s*\Z", re.IGNORECASE)
_NEXT_QUESTION = re.compile(
    r"^[ \t>#*_]*(?:(?:next|new|another|second)[ ]+)?(?:question|problem|exercise|q|human|user|instruction)(?:[ ]*\d+)?[*_]*[ \t]*[:.)]"
    r"|<\|(?:im_start|im_end|endoftext|eot_id|start_header_id|user)\|>",
    re.IGNORECASE | re.MULTILINE,
)
_CHATTER = re.compile(
    r"\W*(?:(?:i )?hope (?:it|this|that)|(?:please )?(?:let me know|feel free)|if you (?:have|need|want|would|are)|"
    r"do you |would you |is there anything|thank|good luck|happy to help|have a (?:nice|great|good))",
    re.IGNORECASE,
)
_BOX = re.compile(r"\\(?:f?boxed|fbox|framebox)\s*(?:\{|(?P<bare>[^\s{}$\\.,;]+))")
_BETWEEN_BOXES = re.compile(
    r"(?:[\s$,;&]|\\[,;:! ()\[\]]|\\q?quad\b|\band\b|\bor\b|\\text\{[\s,]*(?:and|or)\s*\}|\b[A-Za-z](?:_\{?\w\}?)?\s*=)*"
)
_IS = r"(?:is|are|was|were|becomes?|equals?|(?:would|will|should|must)[ ]be)(?![\w'’])"
_NO_WORD = r"(?<![A-Za-z])"
_CUE = re.compile(
    rf"""
    {_NO_WORD}(?:answers?|ans)(?![A-Za-z])(?:</\w+>)?(?:[ ]*\([^()\n]{{0,40}}\))?{EMPHASIS}*
      (?: (?:(?!(?:not|never)\b)[^:.?!\n](?!n[o']t\b)){{0,80}}?(?<=[\s,*]) {_IS} | [:：=] )
  | (?:^[ \t\#*_>]*(?:the[ ])?|{_NO_WORD}final[ ]+)answers?(?![A-Za-z]){EMPHASIS}*$
  | {_NO_WORD}(?:correct|right|best|final|true|appropriate)[ ]+(?:option|choice|letter|statement|alternative|result|value|solution)s?
      (?![A-Za-z]){EMPHASIS}* (?: {_IS} | [:：] )
  | {_NO_WORD}(?:option|choice)[ ]+(?:is\b|:)
  | ^[ \t]*\#{{4}}(?!\#)(?![ \t]*\d+[.)][ \t]+\S)    # and no numbered heading
  | <answer>
    """,
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_CUE_BEHIND = re.compile(
    rf"(\$[^$\n]+\$|\\\([^\n]+?\\\)|\([A-Za-z]\)|{_NO_WORD}(?:[A-Z]|[-+]?\d[\d.,/]*%?))(?![\w)]){EMPHASIS}+is{EMPHASIS}+"
    r"(?:(?:therefore|thus|clearly|indeed) )?(?:(?:the|my|our) (?:final |correct |right |best )?(?:answer|option|choice)|correct)"
    r"\b(?! to\b)",
    re.IGNORECASE,
)
_PLURAL = re.compile(r"answers\W*$", re.IGNORECASE)
_NOTHING = re.compile(r"[\s*_`:：#>]*")
_DISPLAY = re.compile(r"\$\$.+?\$\$|\\\[.+?\\\]", re.DOTALL)
_DISPLAY_AT_END = re.compile(
    r"^[ \t]*(\$\$(?:(?!\$\$).)+\$\$|\\\[(?:(?!\\\[).)+\\\]|\\begin\{(align|gather|equation)(\*?)\}.+\\end\{\2\3\})[\s.,*]*\Z",
    re.DOTALL | re.MULTILINE,
)
_MOST = 100
"""Candidates that are looked at: a completion with more of them repeats itself."""
_LONGEST = 1000
"""Characters of a statement that are read."""
_BLOCKED = object()
CORRECTION = re.compile(r"not\b.*?(?:\bbut\s+(?:rather\s+)?|[,;]\s*(?:it is|it's|rather|instead)\s+)(.+)", re.IGNORECASE | re.DOTALL)
"""A statement that says first what the answer is not: "not 12 but 14", "not A, it is C"."""


def find_answer(text: str, read: Reader) -> str | None:
    """The final answer of the completion `text`, or None where it gives none.

    Args:
        text: The completion, with its thinking if there is any.
        read: Gives what a candidate says, None where it says nothing; raises `Undecided`.
    """
    text = _TAGS.sub("", without_thinking(text.replace("\r\n", "\n")))
    for question in _NEXT_QUESTION.finditer(text):
        if (before := _last_readable(text[: question.start()], read)) is not None:
            return None if before is _BLOCKED else before
    found = _last_readable(text, read)
    return None if found is _BLOCKED else found


def without_thinking(text: str) -> str:
    """`text` without what stands before a closing tag of thinking, or behind an opening one that is never closed."""
    for end in list(_THINKING_ENDS.finditer(text))[-1:]:
        text = text[end.end() :]
    if begin := _THINKING_BEGINS.search(text):
        text = text[: begin.start()]
    return text


def last_boxed(text: str) -> str | None:
    r"""The content of the last complete \boxed{} or \fbox{}, nested braces and all."""
    return next((content for _, _, content in reversed(list(_boxes(text))) if content is not None), None)


def _last_readable(text: str, read: Reader) -> object:
    """What the last candidate says that says anything; `_BLOCKED` for one that was cut off or is undecided, None where there is none."""
    lines = text.rstrip().split("\n")
    while lines and (not lines[-1].strip() or (_CHATTER.match(lines[-1]) and not _CUE.search(lines[-1]))):
        lines.pop()
    text = "\n".join(lines)
    found = sorted([*_boxed(text), *_stated(text), *_last_line(text)], key=lambda candidate: candidate.start, reverse=True)
    for candidate in found[:_MOST]:
        if candidate.content is None:
            return _BLOCKED
        try:
            if (answer := read(candidate)) is not None:
                return answer
        except Undecided:
            return _BLOCKED
    return None


def _boxes(text: str) -> Iterator[tuple[int, int, str | None]]:
    """Start, end and content of each box that is not empty; the content of one that was cut off is None."""
    closes = closing_braces(text)
    for box in _BOX.finditer(text):
        end = box.end() if box["bare"] else closes.get(box.end())
        content = box["bare"] or (None if end is None else text[box.end() : end])
        if content is None or content.strip():
            yield box.start(), len(text) if end is None else end, content


def _boxed(text: str) -> Iterator[Candidate]:
    """A candidate for each box, which says what those say that it is joined to by "and" or a comma."""
    joined: list[str] = []
    last = 0
    for start, end, content in _boxes(text):
        between = text[last:start].removeprefix("}")
        if not (joined and content is not None and between.strip("$ ") and _BETWEEN_BOXES.fullmatch(between)):
            joined = []
        if content is not None:
            joined.append(content)
        yield Candidate(start, None if content is None else ", ".join(joined), Place.BOX)
        last = end


def _stated(text: str) -> Iterator[Candidate]:
    for cue in _CUE.finditer(text):
        start, content = cue.end(), text[cue.end() :].partition("\n")[0]
        if cue[0].casefold() == "<answer>":
            content = text[start:].partition("</answer>")[0]
        elif _NOTHING.fullmatch(content) and not _PLURAL.search(cue[0]):
            start = _NOTHING.match(text, start).end()
            display = _DISPLAY.match(text, start)
            content = display[0] if display else text[start:].partition("\n")[0]
        yield Candidate(start, content[:_LONGEST], Place.STATED)
    for cue in _CUE_BEHIND.finditer(text):
        yield Candidate(cue.start(), cue[1], Place.STATED)


def _last_line(text: str) -> Iterator[Candidate]:
    if display := _DISPLAY_AT_END.search(text):
        yield Candidate(display.start(), display[1], Place.LAST_LINE)
        return
    before, _, line = text.rpartition("\n")
    if line.strip():
        yield Candidate(len(before), line.strip(), Place.LAST_LINE)
