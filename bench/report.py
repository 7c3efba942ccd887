"""`python -m bench.report DIR`: from the results in DIR (`python -m bench all --json DIR`), the page
docs/performance.md and its plots. What people write themselves, stands in docs/performance/limits.md
and is taken into the page as it is."""

from collections.abc import Mapping
from pathlib import Path

import click
import msgspec

from bench.measured import Results, read_results
from bench.plots import draw
from bench.report_page import page

DOCS = Path(__file__).resolve().parents[1] / "docs"


def read_all(folder: Path) -> dict[str, Results]:
    """What all benchmarks wrote there, by their names. Raises click.ClickException where a file is
    no results, or where there are none."""
    found: dict[str, Results] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            results = read_results(path)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise click.ClickException(f"{path} holds no results of a benchmark: {error}") from None
        found[results.bench] = results
    if not found:
        raise click.ClickException(
            f"{folder} holds no results: write some with `python -m bench all --json {folder}`"
        )
    return found


def write(results: Mapping[str, Results], docs: Path) -> list[Path]:
    """Write the page and its plots; give back what was written. Plots of an earlier report go."""
    folder = docs / "performance"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    plots = draw(results)
    written = [folder / f"{plot.name}.svg" for plot in plots]
    for plot, path in zip(plots, written, strict=True):
        path.write_text(plot.svg)
    limits = folder / "limits.md"
    by_hand = limits.read_text() if limits.exists() else ""
    whole = docs / "performance.md"
    whole.write_text(page(results, plots, by_hand))
    return [whole, *written]


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--docs",
    type=click.Path(file_okay=False, path_type=Path),
    default=DOCS,
    help="Where the page goes, instead of this repository's docs.",
)
def main(*, folder: Path, docs: Path) -> None:
    """Write the report on the results in FOLDER."""
    written = write(read_all(folder), docs)
    for path in written:
        click.echo(path.relative_to(docs))


if __name__ == "__main__":
    main()
