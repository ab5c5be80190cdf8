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


def recorded_table(title: str, text: str) -> tuple[str, dict[str, dict[str, str]]]:
    """Machine size of a recorded section, and its rows by their first cell, then by column name.

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
    (_, *columns), _, *rows = cells
    by_column = {first: dict(zip(columns, rest, strict=True)) for first, *rest in rows}
    return lines[0].split(" · ")[2], by_column


def rendered_figures(text: str) -> str:
    """The front page's table of figures, from the text of tests/benchmarks/README.md."""
    machine, demo = recorded_table("The demo", text)
    _, social = recorded_table("Social (HetRec 2011 Last.fm)", text)
    in_demo = {figure: row["value"] for figure, row in demo.items()}
    quality = "; ".join(
        f"{family} {_mean(social[family]['recall@10'])}, {_mean(social[family]['nDCG@10'])}"
        for family in SHOWN_FAMILIES
    )
    return (
        "| question | answer |\n|---|---|\n"
        "| How long does it take? | [The demo](tests/benchmarks/README.md#the-demo): a sample world "
        f"and its first night in {in_demo['sample world and one night, s']} s on {machine} |\n"
        f"| How much disk? | the demo's lake {in_demo['lake, MB']} MB, its state "
        f"{in_demo['state (databases, caches), MB']} MB; the Python environment "
        f"{in_demo['Python environment, GB']} GB |\n"
        "| How good are the lists? | [HetRec 2011 Last.fm]"
        "(tests/benchmarks/README.md#social-hetrec-2011-lastfm), the split of RecBole-GNN's "
        f"published comparison, recall@10 and nDCG@10: {quality} |\n"
        "| What does each column mean? | [feature_store/TABLES.md](feature_store/TABLES.md), rendered "
        "from the contracts |\n"
    )


def _mean(cell: str) -> str:
    """The mean of a cell like `0.2298 ± 0.0044`."""
    return cell.partition(" ")[0]


def render_front_page(front_page: Path = FRONT_PAGE, recorded: Path = README) -> str:
    """The front page with the recorded figures between its two marks."""
    before, _, rest = front_page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    figures = rendered_figures(recorded.read_text(encoding="utf-8"))
    return f"{before}{BEGIN}{figures}{END}{after}"


def write_front_page() -> None:
    """Render the front page again, after a benchmark has recorded its section."""
    FRONT_PAGE.write_text(render_front_page(), encoding="utf-8")
