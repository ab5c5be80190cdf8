"""The figures on the project's front page, rendered from the recorded sections of the benchmarks.

A benchmark that records its section renders them again, so the front page holds no figure of its
own.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.benchmarks.support.record import README

FRONT_PAGE = README.parents[2] / "README.md"
BEGIN, END = "<!-- recorded figures -->\n", "<!-- end of recorded figures -->\n"
SHOWN_FAMILIES = ("mm_gnn", "light_gcn_ease", "light_gcn", "ease", "popularity")


def recorded_table(title: str, text: str) -> tuple[str, dict[str, list[str]]]:
    """Machine size of a recorded section, and its rows by their first cell.

    Raises:
        LookupError: the section has not been recorded.
    """
    section = re.search(
        rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE
    )
    if section is None:
        raise LookupError(f"tests/benchmarks/README.md has no section {title!r}; run it, --record")
    lines = section[1].strip().splitlines()
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if line.startswith("|")
    ]
    return lines[0].split(" · ")[2], {first: rest for first, *rest in cells[2:]}


def rendered_figures(text: str) -> str:
    """The front page's table of figures, from the text of tests/benchmarks/README.md."""
    machine, demo = recorded_table("The demo", text)
    _, social = recorded_table("Social (HetRec 2011 Last.fm)", text)
    quality = "; ".join(
        f"{family} {social[family][1].split(' ')[0]}, {social[family][2].split(' ')[0]}"
        for family in SHOWN_FAMILIES
    )
    return (
        "| question | answer |\n|---|---|\n"
        "| How long does it take? | [The demo](tests/benchmarks/README.md#the-demo): a sample world "
        f"and its first night in {demo['sample world and one night, s'][0]} s on {machine} |\n"
        f"| How much disk? | the demo's lake {demo['lake, MB'][0]} MB, its state "
        f"{demo['state (databases, caches), MB'][0]} MB; the Python environment "
        f"{demo['Python environment, GB'][0]} GB |\n"
        "| How good are the lists? | [HetRec 2011 Last.fm]"
        "(tests/benchmarks/README.md#social-hetrec-2011-lastfm), the split of RecBole-GNN's "
        f"published comparison, recall@10 and nDCG@10: {quality} |\n"
        "| What does each column mean? | [feature_store/TABLES.md](feature_store/TABLES.md), rendered "
        "from the contracts |\n"
    )


def render_front_page(front_page: Path = FRONT_PAGE, recorded: Path = README) -> str:
    """The front page with the recorded figures between its two marks."""
    before, _, rest = front_page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    figures = rendered_figures(recorded.read_text(encoding="utf-8"))
    return f"{before}{BEGIN}{figures}{END}{after}"


def write_front_page() -> None:
    """Render the front page again, after a benchmark has recorded its section."""
    FRONT_PAGE.write_text(render_front_page(), encoding="utf-8")
