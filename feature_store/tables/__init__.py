"""All tables of the lake by name."""

from feature_store.contract import ContractError, Table, Time
from feature_store.tables import core, features, graph, raw, recommendations, runs, scores

TABLES: dict[str, Table] = {
    table.name: table
    for module in (raw, core, features, graph, scores, recommendations, runs)
    for table in module.TABLES
}

PUBLISHED_TABLES: tuple[Table, ...] = recommendations.TABLES


OUTPUT_COLUMNS = ("family", "model_version")


def output_tables() -> tuple[Table, ...]:
    """Tables of what models predict: every row names the family and the version of its model.

    A table of other rows, too, has them from one of these.
    """
    return tuple(
        table
        for table in TABLES.values()
        if table.time is Time.AS_OF
        and set(OUTPUT_COLUMNS) <= {one.name for one in table.columns if not one.is_nullable}
    )


def table_called(name: str) -> Table:
    """The declared table of that name.

    Raises:
        ContractError: nothing of that name is declared.
    """
    if name not in TABLES:
        raise ContractError(f"no table is called {name!r}; declared: {', '.join(sorted(TABLES))}")
    return TABLES[name]
