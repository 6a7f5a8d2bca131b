"""One HTML page that needs nothing else: no script, no photo, nothing that it loads; text from outside is text.

The parts make HTML from text; only what they return goes into a section.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Union

from .printable import printable

_STYLE = """
:root { color-scheme: light dark; --page: #fff; --ink: #1f2429; --faint: #57606a; --grid: #d5dae0; --shade: #eceff2;
  --link: #0b5cad; --bad: #b3261e }
@media screen and (prefers-color-scheme: dark) { :root { --page: #14171a; --ink: #e3e6ea; --faint: #a3acb5;
  --grid: #3a4149; --shade: #242a30; --link: #7cb7f5; --bad: #ff8f87 } }
* { box-sizing: border-box }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 62rem;
  margin: 0 auto; padding: 1.5rem 1rem 4rem; overflow-wrap: anywhere }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .5rem }
h2 { font-size: 1.25rem; margin: 2.8rem 0 .6rem; padding-top: .6rem; border-top: 1px solid var(--grid) }
h3 { font-size: 1.02rem; margin: 1.8rem 0 .4rem }
p, li, dd { max-width: 46rem } p.note, figcaption { color: var(--faint); font-size: .9rem }
a { color: var(--link) } nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; list-style: none; padding: 0 }
.box { overflow-x: auto; margin: .8rem 0 } .box:focus-visible { outline: 2px solid var(--link) }
.long { max-height: 26rem; overflow-y: auto }
table { border-collapse: collapse; font-size: .92rem }
td small, th small { display: block; color: var(--faint); font-size: .86em }
td, th { padding: .28rem .9rem .28rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--grid) }
thead th { vertical-align: bottom; border-bottom: 2px solid var(--grid) } tbody th { font-weight: 600 }
table.figures { overflow-wrap: normal } table.figures :is(td, thead th + th) { text-align: right }
table.figures td { font-variant-numeric: tabular-nums; white-space: nowrap }
table.figures th { min-width: 4.2rem; max-width: 15rem } table.figures tbody th { min-width: 10rem;
  overflow-wrap: anywhere }
table.figures td.note { text-align: left; color: var(--faint) }
table.names { overflow-wrap: break-word } table.names :is(td, th) { min-width: 7rem; max-width: 24rem }
table.facts th { width: 9.5rem; font-weight: 400; color: var(--faint) }
code { font: .88em ui-monospace, monospace } pre { overflow-x: auto; background: var(--shade); padding: .7rem .9rem;
  white-space: pre-wrap } dt { font-weight: 600; margin-top: .7rem } dd { margin: 0 }
figure { margin: 1.2rem 0 } figure svg { display: block; width: 100%; min-width: 32rem; max-width: 50rem; height: auto }
svg * { stroke-linejoin: round } .warning { border-left: 5px solid var(--bad); padding-left: .8rem }
@media print { :root { color-scheme: light; font-size: 10pt } body { max-width: none; font-size: 1rem; padding: 0 }
  nav { display: none } .box { overflow: visible } .long { max-height: none } figure svg { min-width: 0 }
  table.figures { font-size: .8rem } table.figures td { white-space: normal }
  table.figures :is(th, tbody th) { min-width: 0 }
  td, th { padding-right: .5rem } figure, tr { break-inside: avoid } h2, h3 { break-after: avoid } }
"""

# A browser that reads this loads nothing and runs nothing, whatever a name in the page manages to say.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

Cell = Union[str, tuple[str, ...]]
"""Of a table: a text, and what stands below it in small letters."""


def to_html(headline: str, *, lead: str, sections: Iterable[tuple[str, str, str]]) -> str:
    """The page.

    Args:
        headline: Its title, text.
        lead: The paragraph below it, HTML.
        sections: Identifier, heading (text) and content (HTML) of each; those without content are left out.
    """
    sections = [section for section in sections if section[2]]
    links = "".join(f'<li><a href="#{name}">{text(head)}</a></li>' for name, head, _ in sections)
    body = "\n".join(
        f'<section id="{name}" aria-labelledby="{name}-head">\n<h2 id="{name}-head">{text(head)}</h2>\n{content}\n'
        "</section>"
        for name, head, content in sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f'<link rel="icon" href="data:,">\n<title>{text(headline)}</title>\n<style>{_STYLE}</style>\n</head>\n'
        f"<body>\n<header>\n<h1>{text(headline)}</h1>\n<p>{lead}</p>\n"
        f'<nav aria-label="Contents"><ul>{links}</ul></nav>\n</header>\n<main>\n{body}\n</main>\n</body>\n</html>\n'
    )


def table(
    heads: Sequence[str], rows: Iterable[Sequence[Cell]], *, caption: str = "", figures: bool = True, long: bool = False
) -> str:
    """A table in a box of its own; the last cell of a short row spans the rest.

    Args:
        heads: Of its columns.
        rows: Its cells, the first of each row the row's own head.
        caption: Said above it.
        figures: Numbers stand to the right.
        long: It scrolls where it is higher than half a screen.
    """
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in heads)
    lines = []
    for first, *cells in rows:
        missing = len(heads) - 1 - len(cells)
        tags = ["<td>"] * len(cells)
        if missing:
            tags[-1] = f'<td class="note" colspan="{missing + 1}">'
        line = "".join(f"{tag}{_cell(cell)}</td>" for tag, cell in zip(tags, cells))
        lines.append(f'<tr><th scope="row">{_cell(first)}</th>{line}</tr>')
    box, kind = "box long" if long else "box", "figures" if figures else "names"
    return note(caption) + (
        f'<div class="{box}" tabindex="0" role="group" aria-label="{text(caption or "table")}">'
        f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>\n'
    )


def _cell(cell: Cell) -> str:
    """Names of people keep their direction of writing to themselves (bdi)."""
    first, *below = (cell,) if isinstance(cell, str) else cell
    return f"<bdi>{text(first)}</bdi>" + "".join(f"<small>{text(line)}</small>" for line in below)


def facts(named: Mapping[str, Cell]) -> str:
    """A table of names and what there is to say of each."""
    rows = "".join(
        f'<tr><th scope="row">{text(name)}</th><td>{_cell(value)}</td></tr>' for name, value in named.items()
    )
    return f'<div class="box"><table class="facts">{rows}</table></div>\n'


def bullets(texts: Iterable[str]) -> str:
    """A list."""
    return f"<ul>{''.join(f'<li>{text(item)}</li>' for item in texts)}</ul>"


def note(words: str) -> str:
    """A paragraph in small letters; nothing where there are no words."""
    return f'<p class="note">{text(words)}</p>' if words else ""


def text(words: str) -> str:
    """Text from outside as HTML."""
    return escape(printable(words))
