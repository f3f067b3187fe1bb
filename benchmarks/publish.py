"""What every benchmark does with its figures: a table on the screen and a CSV beside the script."""

import csv
import platform
from pathlib import Path

from rich.console import Console
from rich.table import Table

from unshine.cpus import available_cpus

HERE = Path(__file__).parent
MACHINE = {"cpus": str(available_cpus()), "machine": platform.machine()}
"""The columns that say where figures were taken."""


def publish(rows: list[dict[str, str]], name: str) -> None:
    """Print rows as a table, and write them to a file of this folder."""
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*row.values())
    Console().print(table)
    with (HERE / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
