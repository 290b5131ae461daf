"""A Sphinx extension that brings the numbers of recorded runs, and those of the paper, into prose.

    {result}`table-04 from {mae_group_mean} to {mae_hista}`   numbers that a page shows, in a few words; "not run" where it was not
    {standings}`training`                                     where the findings chapter has the sentences about a question, counted
    {size}`table-04 figure-08`                                the profiles and dates of the runs behind them
    {printed}`4; Hista@40; Number`                            a cell of the paper's tables: number; row; column; block, if it has any
    ```{measured} table-04 figure-08                          sentences that need these results, with where the results come from
    ```{findings} table-04                                    the claims that a page tests, with what was measured

Results are those that staging left in `DOCUMENT` (`book.pages.result_entry`). An artifact, a number, a cell or a question that does not
exist is a warning, and so an error in a build with `-W`.
"""

import re
from pathlib import Path
from string import Formatter
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from hista_repro.errors import Refused, did_you_mean
from hista_repro.files import read_json
from hista_repro.paper import paper_table, paper_value

DOCUMENT = "book/_generated/results.json"
"""Below the folder of the pages' sources: `artifacts`, id -> what prose may use of it, and `standings` (`book.conclusions.standings`)."""

Entry = dict[str, Any]
RoleOutcome = tuple[list[nodes.Node], list[nodes.system_message]]

logger = logging.getLogger(__name__)


def setup(app: Sphinx) -> dict[str, Any]:
    for name, role in (("result", _Result), ("standings", _Standings), ("size", _Size), ("printed", _Printed)):
        app.add_role(name, role())
    app.add_directive("measured", _Measured)
    app.add_directive("findings", _Findings)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def entries_of(env: BuildEnvironment, artifact_ids: list[str]) -> list[Entry]:
    """The entries of these artifacts; raises `Refused` for an unknown one and for none at all."""
    document = _document(env)["artifacts"]
    if unknown := [name for name in artifact_ids if name not in document]:
        raise Refused(f"unknown artifact {unknown[0]!r}; {did_you_mean(unknown[0], document)}")
    if not artifact_ids:
        raise Refused("no artifact is named")
    return [document[name] for name in artifact_ids]


def _document(env: BuildEnvironment) -> dict[str, Any]:
    return read_json(Path(env.srcdir) / DOCUMENT)


class _Role(SphinxRole):
    """A role whose flaws are warnings with the page and the line."""

    def run(self) -> RoleOutcome:
        try:
            return self.made(), []
        except ValueError as flaw:
            logger.warning("%s: %s", self.name, flaw, location=(self.env.docname, self.lineno))
            return [nodes.problematic(self.rawtext, self.rawtext)], []

    def made(self) -> list[nodes.Node]:
        """What stands in the text; raises `ValueError` for what does not exist."""
        raise NotImplementedError


class _Result(_Role):
    def made(self) -> list[nodes.Node]:
        artifact_id, _, template = self.text.partition(" ")
        (entry,) = entries_of(self.env, [artifact_id])
        if entry["shown"] is None:
            return [nodes.inline(text="not run", classes=["not-run"])]
        parts: list[nodes.Node] = []
        for words, name, _, _ in Formatter().parse(template):
            parts += [nodes.Text(words)] if words else []
            if name is None:
                continue
            if name not in entry["shown"]:
                raise Refused(f"{artifact_id} shows no {name!r}; {did_you_mean(name, entry['shown'])}")
            # the classes tell `book.check.wrong_numbers` what the number claims to be
            parts.append(nodes.inline(text=entry["shown"][name], classes=["result", artifact_id, name]))
        return parts


class _Standings(_Role):
    def made(self) -> list[nodes.Node]:
        by_question = _document(self.env)["standings"]
        if self.text not in by_question:
            raise Refused(f"no sentence of the findings chapter is about {self.text!r}; {did_you_mean(self.text, by_question)}")
        counted = [f"{re.sub('^What (is |was )?', '', standing)}: {count}" for standing, count in by_question[self.text]]
        return [nodes.Text("; ".join(counted))]


class _Size(_Role):
    def made(self) -> list[nodes.Node]:
        sizes = dict.fromkeys(entry["size"] for entry in entries_of(self.env, self.text.split()) if entry["size"])
        return [nodes.Text("; ".join(sizes) or "–")]


class _Printed(_Role):
    def made(self) -> list[nodes.Node]:
        number, row, column, *block = (part.strip() for part in self.text.split(";"))
        paper_value(int(number), row, column, *block)  # raises for a cell that does not exist
        table = paper_table(int(number))
        cell = table[(table["row"] == row) & (table["column"] == column) & (table["block"] == "".join(block))]
        return [nodes.abbreviation(text=cell["printed"].iloc[0], explanation=f"the paper, Table {number}", classes=["printed"])]


class _Directive(SphinxDirective):
    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        try:
            entries = entries_of(self.env, self.arguments[0].split())
        except Refused as flaw:
            raise self.error(str(flaw)) from None
        missing = [entry for entry in entries if entry["shown"] is None]
        box = nodes.container(classes=[self.name])
        self.state.nested_parse(StringList(self.lines(entries, missing), source=DOCUMENT), self.content_offset, box)
        return [box]

    def lines(self, entries: list[Entry], missing: list[Entry]) -> list[str]:
        """The Markdown of the box."""
        raise NotImplementedError


class _Measured(_Directive):
    has_content = True

    def lines(self, entries: list[Entry], missing: list[Entry]) -> list[str]:
        if missing:
            return "\n\n".join(entry["source"] for entry in missing).splitlines()
        return [*self.content, "", *"\n\n".join(entry["source"] for entry in entries).splitlines()]


class _Findings(_Directive):
    def lines(self, entries: list[Entry], missing: list[Entry]) -> list[str]:
        return "\n\n".join(entry["findings"] for entry in entries).splitlines()
