"""Finding the program in a completion: the blocks that make the solution, whatever stands around them.

1. Candidates are blocks of Python, and blocks of no named language that define or call something. Text in front of the first fence is
   one if all of it is valid Python that defines a function or class or reads input. A transcript (`>>>`) is none, nor is anything behind
   a further question in the prompt style "worked".
2. Where tests call functions or classes, the solution is the last block that defines one. A stub, an import from outside the standard
   library and a block that reads input as soon as it is loaded count only if there is nothing else.
3. Otherwise the solution is the last block that does something and, with the blocks it needs, reads input and prints. A block that needs
   another whole program merely calls that program. Several blocks whose lines all stand in an earlier whole program explain it.
4. Blocks that define what the solution uses are added. So are blocks of imports before it and, where tests call functions, later blocks
   of definitions that define one of its functions again. All are joined in their order.
5. A block without an end counts up to its last complete statement. Where the statement that is cut off defines the solution, or a part of
   it, there is no program: an earlier try does not come back. A closed block that is not valid Python is a program that crashes.
"""

import textwrap
from collections.abc import Iterable, Sequence

from hista_repro.problems.grading.fences import Block, code_blocks
from hista_repro.problems.grading.python_source import Source, complete_part, names_called
from hista_repro.problems.problem import Problem

_NEXT_QUESTION = "\nQ: "
"""What begins a further question in the prompt style "worked"; a program behind it answers that question."""


def extract_program(text: str, problem: Problem | None = None) -> str | None:
    """The program that `text` gives to `problem`, None where it gives none or where the end of the program is missing.

    Args:
        text: a completion, without its thinking.
        problem: its tests say which names the program defines. Without a problem the program is one that runs by itself.
    """
    wanted: frozenset[str] = frozenset()
    if problem and problem.meta.get("style") == "worked":
        text = text.partition(_NEXT_QUESTION)[0]
    if problem and problem.tests["kind"] == "assert":
        wanted = names_called(problem.tests.get("setup", ""), tuple(problem.tests["asserts"]))
    sources = _sources(text)
    roots = _defining(sources, wanted)
    if roots:
        chosen = _with_corrections(sources, _with_needed(sources, roots))
    else:
        roots = _running(sources)
        chosen = _with_needed(sources, roots)
    chosen = chosen | {i for i in range(max(roots, default=0)) if sources[i].imports_only}
    if not roots or _is_cut_off(sources, roots, chosen, wanted):
        return None
    return "\n".join(sources[i].text for i in sorted(chosen))


def _sources(text: str) -> list[Source]:
    """The candidates of `text`, in their order."""
    before, blocks = code_blocks(text)
    plain = Source(textwrap.dedent(before).strip("\n") + "\n")
    sources = [plain] if plain.tree and (plain.definitions or plain.reads) else []
    doubtful = []
    for block in blocks:
        source = _source(block)
        if source is not None:
            (sources if block.is_python or _looks_like_code(source) else doubtful).append(source)
    return sources or [source for source in doubtful if source.tree and not source.is_literal]


def _source(block: Block) -> Source | None:
    """What Python `block` may hold; None for another language, prose, comments and transcripts."""
    if not block.text.strip() or not (block.is_python or block.is_unnamed):
        return None
    source = Source(block.text) if block.closed else complete_part(block.text)
    if source is None or (source.tree is None and any(line.startswith(">>>") for line in block.text.split("\n"))):
        return None
    return None if source.tree and not source.tree.body and not source.cut_off else source


def _looks_like_code(source: Source) -> bool:
    """Whether a block of no named language is more than printed words, which may be valid Python too (`total: 9`)."""
    return bool(source.computes or source.definitions or source.names_cut_off or source.reads)


def _defining(sources: Sequence[Source], wanted: Iterable[str]) -> set[int]:
    """The last sources that define the names `wanted`."""
    found = ([i for i in range(len(sources)) if name in sources[i].defines_fully] or _giving(sources, name) for name in wanted)
    return {places[-1] for places in found if places}


def _giving(sources: Sequence[Source], name: str) -> list[int]:
    return [i for i, source in enumerate(sources) if name in source.defines]


def _running(sources: Sequence[Source]) -> set[int]:
    """The last whole program that reads and prints; otherwise the last that prints, that defines or calls something, or that there is."""
    whole: set[int] = set()
    printing, computing, complete = [], [], []
    for i, source in enumerate(sources):
        if source.cut_off:
            continue
        parts = _with_needed(sources, {i})
        if source.tree is None and source.reads:
            whole.add(i)
        elif source.acts and any(sources[j].writes for j in parts):
            printing.append(i)
            explained = len(parts) > 1 and any(sources[j].lines >= _names(sources[k].lines for k in parts) for j in whole)
            if any(sources[j].reads for j in parts) and not parts & whole and not explained:
                whole.add(i)
        computing += [i] * (source.computes or bool(source.definitions))
        complete.append(i)
    for found in (sorted(whole), printing, computing, complete):
        if found:
            return {found[-1]}
    return set()


def _with_needed(sources: Sequence[Source], roots: set[int]) -> set[int]:
    """`roots`, with the sources that define what they use."""
    last = max(roots, default=0)
    chosen = new = roots
    asked: frozenset[str] = frozenset()
    while new:
        needed = _names(sources[i].uses for i in new) - _names(sources[i].binds for i in chosen) - asked
        new = {giver for name in needed if (giver := _giver(sources, name, last)) is not None} - chosen
        chosen, asked = chosen | new, asked | needed
    return chosen


def _giver(sources: Sequence[Source], name: str, root: int) -> int | None:
    """The source that defines `name` for the one at `root`: the last before it, or else the first behind it that only defines."""
    before = [i for i in range(root) if name in sources[i].binds]
    well = [i for i in before if name in sources[i].defines_fully]
    behind = [i for i in _giving(sources, name) if i > root and not sources[i].acts]
    return next(iter([*well[-1:], *before[-1:], *behind[:1]]), None)


def _with_corrections(sources: Sequence[Source], chosen: set[int]) -> set[int]:
    """`chosen`, with later sources that do nothing but define, and define again functions or classes of it."""
    defined = _names(sources[i].definitions for i in chosen)
    again = {i: sources[i].definitions & defined for i in range(max(chosen) + 1, len(sources)) if not sources[i].acts}
    corrections = {i for i, names in again.items() if names and names <= sources[i].defines_fully}
    return _with_needed(sources, chosen | corrections)


def _is_cut_off(sources: Sequence[Source], roots: set[int], chosen: set[int], wanted: frozenset[str]) -> bool:
    """Whether a statement that is cut off, behind the solution or in it, defines a part of the solution or reads input in its place."""
    bound = _names(sources[i].binds for i in chosen)
    needed = _names(sources[i].uses for i in chosen) - bound
    defined = _names(sources[i].definitions for i in chosen) | wanted
    for i, source in enumerate(sources):
        if source.names_cut_off & needed:
            return True
        if i >= max(roots) and (source.names_cut_off & defined or (source.cut_off and source.reads and not wanted)):
            return True
    return False


def _names(groups: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*groups)
