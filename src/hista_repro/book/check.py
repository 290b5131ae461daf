"""Is the rendered book sound? Links, anchors, headings, images, numbers, and that it needs no network."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag

from hista_repro.artifacts.registry import ARTIFACTS
from hista_repro.book.build import render
from hista_repro.book.runs import ShownRun
from hista_repro.checkout import find_checkout
from hista_repro.errors import WorkFailed


def check_book(root: Path | str | None = None) -> None:
    """Build the book of `root` and look for flaws; raises `WorkFailed` with all of them, a line each."""
    html, runs = render(find_checkout(root))
    if flaws := [*flaws_of_pages(html), *missing_numbers(html, runs), *wrong_numbers(html, runs), *wrong_verdicts(html, runs)]:
        raise WorkFailed("the book is not sound:\n" + "\n".join(flaws))


def flaws_of_pages(html: Path) -> Iterator[str]:
    """Flaws of each page below `html`, each with the page's path."""
    paths = [path for path in sorted(html.rglob("*.html")) if "_static" not in path.relative_to(html).parts]
    pages = {path.resolve(): _parse(path) for path in paths}
    anchors = {path: {tag["id"] for tag in soup.find_all(id=True)} for path, soup in pages.items()}
    for path, soup in pages.items():
        flaws = [*_broken_links(path, soup, html.resolve(), anchors), *_needs_network(soup)]
        if article := soup.find("article"):
            flaws += [*_heading_flaws(article), *_silent_images(article)]
        yield from (f"{path.relative_to(html.resolve())}: {flaw}" for flaw in flaws)


def missing_numbers(html: Path, runs: Mapping[str, ShownRun | None]) -> Iterator[str]:
    """The numbers that a result says are shown in the text of its page, and that are not there."""
    for artifact_id, run in runs.items():
        if run is None:
            continue
        page = _page_of(html, artifact_id)
        text = " ".join(_parse(page).find("article").get_text().split())
        for name, shown in run.result["shown"].items():
            if shown not in text:
                yield f"{page.relative_to(html)}: the result's {name}, {shown!r}, is not on the page"


def wrong_numbers(html: Path, runs: Mapping[str, ShownRun | None]) -> Iterator[str]:
    """Numbers in prose that say which result they are (see `sphinxext.results`), and are not that."""
    for page in sorted((html / "book").rglob("*.html")):
        for tag in _parse(page).select("span.result"):
            _, artifact_id, name = tag["class"]
            run = runs.get(artifact_id)
            shown = run.result["shown"].get(name) if run else None
            if shown != tag.get_text():
                yield f"{page.relative_to(html)}: {tag.get_text()!r} stands for {name} of {artifact_id}, which is {shown!r}"


def wrong_verdicts(html: Path, runs: Mapping[str, ShownRun | None]) -> Iterator[str]:
    """Verdict boxes that say another word than the result of their page."""
    for artifact_id, run in runs.items():
        if run is None:
            continue
        page, word = _page_of(html, artifact_id), run.result["verdict"]["word"]
        if (words := [tag.get_text() for tag in _parse(page).select(".verdict-title .verdict-word")]) != [word]:
            yield f"{page.relative_to(html)}: the verdict reads {words}, and that of the result is {word!r}"


def _page_of(html: Path, artifact_id: str) -> Path:
    return html / "notebooks" / f"{Path(ARTIFACTS[artifact_id].notebook).stem}.html"


def _parse(page: Path) -> BeautifulSoup:
    return _parsed(page.resolve(), page.stat().st_mtime_ns)


@lru_cache(maxsize=256)
def _parsed(page: Path, changed: int) -> BeautifulSoup:
    """Several checks look at the same pages, and reading them is most of their time."""
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


def _broken_links(page: Path, soup: BeautifulSoup, html: Path, anchors: Mapping[Path, set[str]]) -> Iterator[str]:
    for tag in soup.find_all(["a", "link", "script", "img"]):
        place = tag.get("href") or tag.get("src") or ""
        target = urlsplit(place)
        if target.scheme or target.netloc or not (target.path or target.fragment):
            continue
        file = (page.parent / unquote(target.path)).resolve() if target.path else page
        if not file.is_relative_to(html) or not file.is_file():
            yield f"<{tag.name}> points to {place}, which does not exist"
        elif target.fragment and unquote(target.fragment) not in anchors.get(file, ()):
            yield f"<{tag.name}> points to {place}, and there is no such anchor"


def _needs_network(soup: BeautifulSoup) -> Iterator[str]:
    loaded = [*soup.find_all(["script", "img", "iframe"], src=True), *soup.find_all("link", rel="stylesheet", href=True)]
    for tag in loaded:
        place = tag.get("src") or tag.get("href")
        if urlsplit(place).netloc:
            yield f"<{tag.name}> is loaded from {place}; the book must work without a network"


def _heading_flaws(article: Tag) -> Iterator[str]:
    headings = article.find_all(["h1", "h2", "h3", "h4", "h5", "h6"])
    levels = [int(heading.name[1]) for heading in headings]
    if levels.count(1) != 1 or levels[:1] != [1]:
        yield f"a page has one h1, and begins with it; the levels are {levels}"
    for before, heading, level in zip(levels, headings[1:], levels[1:], strict=False):
        if level > before + 1:
            yield f"the heading {heading.get_text()!r} jumps from level {before} to {level}"


def _silent_images(article: Tag) -> Iterator[str]:
    for image in article.find_all("img"):
        if not (image.get("alt") or "").strip() or Path(image["alt"]).name == Path(image["src"]).name:
            yield f"the image {image['src'][:80]} has no description (alt text)"
