"""`python -m bench`: which benchmarks there are; with names, runs these one after the other."""

import ast
import subprocess
import sys
from pathlib import Path

import click

_HERE = Path(__file__).parent


def _benchmarks() -> dict[str, str]:
    """What can be run, by name, with what it says of itself."""
    found: dict[str, str] = {}
    for path in sorted(_HERE.glob("*.py")):
        told = ast.get_docstring(ast.parse(path.read_text())) or ""
        if told.startswith(f"`python -m bench.{path.stem}"):
            found[path.stem] = " ".join(told.partition(": ")[2].split())
    return found


@click.command()
@click.argument("names", nargs=-1)
def main(*, names: tuple[str, ...]) -> None:
    """Run the benchmarks NAMES (`all` for all of them), or list them."""
    known = _benchmarks()
    chosen = tuple(known) if names == ("all",) else names
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise click.UsageError(f"no benchmark is called {unknown[0]}: there are {', '.join(known)}")
    if not chosen:
        for name, told in known.items():
            click.echo(f"{name:20} {told}")
    failed: list[str] = []
    for name in chosen:
        click.echo(f"== {name}: {known[name]}")
        if subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        click.echo(f"failed: {', '.join(failed)}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
