"""What stands around an answer without being part of it: Markdown, math delimiters, LaTeX commands for text and spacing."""

import re
from itertools import pairwise

EMPHASIS = r"[*_`~ \t]"
"""A character of Markdown emphasis, or a space."""
_WRAPPER = re.compile(
    r"\\(?:text(?:rm|bf|it|sf|tt|normal)?|math(?:rm|bf|it|sf|tt|cal)|boldsymbol|bm|mbox|hbox|operatorname|emph|underline|ce)\s*\{"
)
_OLD_FONT = re.compile(r"\\(?:rm|bf|it|displaystyle|textstyle|left|right|bigl?|bigr|Bigl?|Bigr|limits)(?![A-Za-z])\s*")
DELIMITER = re.compile(r"(?<!\\)\$|\\[()]")
"""A sign that begins or ends a formula inside a line."""
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_SPACE = re.compile(r"\\[,;:! ]|(?<!\\)~|\\(?:q?quad|thinspace|enspace)(?![A-Za-z])")
_DELIMITED = re.compile(
    r"\$\$(?P<display>[^$]*)\$\$|\$(?P<inline>(?:\\.|[^$\\])*)\$|\\\((?P<round>.*)\\\)|\\\[(?P<square>.*)\\\]", re.DOTALL
)
_QUOTED = ("`", "'", '"', "“”", "‘’", "«»", "**", "__")

_CHARACTERS = str.maketrans(
    {
        **dict.fromkeys("−–—﹣－", "-"),
        **{"×": r" \times ", "·": r" \cdot ", "∙": r" \cdot ", "⋅": r" \cdot ", "÷": "/", "⁄": "/", "±": r" \pm ", "√": r"\sqrt "},
        **{"π": r" \pi ", "∞": r" \infty ", "θ": r" \theta ", "α": r" \alpha ", "β": r" \beta ", "λ": r" \lambda "},
        **{"≤": r" \leq ", "≥": r" \geq ", "≠": r" \neq ", "≈": r" \approx ", "∪": r" \cup ", "∈": r" \in "},
        **{"½": r"\frac{1}{2}", "⅓": r"\frac{1}{3}", "⅔": r"\frac{2}{3}", "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}"},
        **{"，": ",", "（": "(", "）": ")", "：": ":", "\u00a0": " ", "\u202f": " "},
    }
)
_RAISED = re.compile("[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_LOWERED = re.compile("[₀₁₂₃₄₅₆₇₈₉]+")
_LOWERED_DIGITS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_RAISED_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")


def respelled(text: str) -> str:
    """`text` with LaTeX in the place of mathematical characters."""
    text = _RAISED.sub(lambda found: f"^{{{found[0].translate(_RAISED_DIGITS)}}}", text.translate(_CHARACTERS))
    return _LOWERED.sub(lambda found: f"_{{{found[0].translate(_LOWERED_DIGITS)}}}", text)


def closing_braces(text: str) -> dict[int, int]:
    """Place behind an opening brace -> place of the brace that closes it, escaped braces and those that never close aside."""
    closes, opened = {}, []
    for brace in _BRACE.finditer(text):
        if brace[0] == "{":
            opened.append(brace.end())
        elif brace[0] == "}" and opened:
            closes[opened.pop()] = brace.start()
    return closes


def unwrapped(text: str) -> str:
    r"""`text` without commands that set text or space, such as `\text{...}`, `\mathbf{...}`, `\left` and `\,`."""
    text = _OLD_FONT.sub("", text)
    closes = closing_braces(text)
    cuts = [(found.start(), found.end()) for found in _WRAPPER.finditer(text)]
    cuts += [(closes[end], closes[end] + 1) for _, end in cuts if end in closes]
    kept = [text[end:start] for (_, end), (start, _) in pairwise([(0, 0), *sorted(cuts), (len(text), len(text))])]
    return _SPACE.sub(" ", "".join(kept))


def undelimited(text: str) -> str:
    """`text` without the math delimiters, emphasis, quotation marks and spaces around it, and without a full stop at its end."""
    while True:
        shorter = text.strip().strip("*").removesuffix(".").strip() if not text.strip().endswith("...") else text.strip()
        if found := _DELIMITED.fullmatch(shorter):
            shorter = found[found.lastgroup]
        for quotes in _QUOTED:
            opening, closing = quotes[: len(quotes) // 2] or quotes, quotes[len(quotes) // 2 :]
            if len(shorter) > len(quotes) and shorter.startswith(opening) and shorter.endswith(closing):
                shorter = shorter[len(opening) : -len(closing)]
        if shorter == text:
            return text
        text = shorter


def plain(text: str) -> str:
    """The words of `text`: unwrapped, undelimited, with single spaces."""
    return " ".join(undelimited(unwrapped(undelimited(text))).split())
