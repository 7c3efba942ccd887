"""`python -m bench`: which benchmarks there are; with names, runs these one after the other."""

import ast
import subprocess
import sys
import time
from pathlib import Path

import click

_HERE = Path(__file__).parent
# Enough to see that all work. The figures of such a run say little.
SHORT: dict[str, tuple[str, ...]] = {
    "as_of": ("--events", "5000", "--changes", "500", "--reads", "40"),
    "baseline": ("--seconds", "2"),
    "bundles": ("--events", "5000"),
    "crowds": ("--connections", "500"),
    "fairness": ("--seconds", "4"),
    "growth": (
        *("--seconds", "2", "--repeats", "1", "--per-second", "300"),
        "--rooms",
        "10",
        "--rooms",
        "200",
        "--events",
        "2000",
        "--events",
        "10000",
        "--connections",
        "10",
        "--connections",
        "100",
    ),
    "limits": ("--seconds", "4", "--rates", "10", "--workers", "1"),
    "many_rooms": ("--seconds", "2"),
    "memory": ("--minutes", "0.5"),
    "missed_messages": ("--runs", "2"),
    "nasty": ("--cycles", "500", "--seconds", "4"),
    "newest_page": ("--messages", "5000", "--seconds", "1"),
    "one_room": ("--seconds", "2"),
    "overload": ("--seconds", "3", "--per-second", "500"),
    "projection_lag": ("--seconds", "3", "--flood", "20000"),
    "ready": ("--runs", "1"),
    "rebuild": ("--events", "5000"),
    "reconnect_storm": ("--connections", "100", "--storms", "1", "--calm", "2", "--workers", "1"),
    "rest_overload": ("--seconds", "2", "--per-second", "100"),
    "simulation": ("--minutes", "0.1"),
    "soak": ("--minutes", "0.5"),
    "search": ("--messages", "5000", "--searches", "40"),
    "sends": ("--seconds", "2", "--senders", "10"),
    "trees": ("--events", "3000"),
    "unread": ("--rooms", "5", "--unread", "2000"),
    "workers": ("--seconds", "2", "--repeats", "1", "--workers", "1", "--workers", "2"),
}


def benchmarks() -> dict[str, str]:
    """What can be run, by name, with what it says of itself."""
    found: dict[str, str] = {}
    for path in sorted(_HERE.glob("*.py")):
        told = ast.get_docstring(ast.parse(path.read_text())) or ""
        if told.startswith(f"`python -m bench.{path.stem}") and path.stem != "report":
            found[path.stem] = " ".join(told.partition(": ")[2].split())
    return found


@click.command()
@click.argument("names", nargs=-1)
@click.option(
    "--json",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write each one's results there, as NAME.json, for `python -m bench.report`.",
)
@click.option("--missing", is_flag=True, help="Leave out those that have results there.")
@click.option("--short", is_flag=True, help="Short loads and small data: to try whether all work.")
def main(*, names: tuple[str, ...], folder: Path | None, missing: bool, short: bool) -> None:
    """Run the benchmarks NAMES (`all` for all of them), or list them."""
    known = benchmarks()
    chosen = tuple(known) if names == ("all",) else names
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise click.UsageError(f"no benchmark is called {unknown[0]}: there are {', '.join(known)}")
    if missing and folder is None:
        raise click.UsageError("--missing needs --json FOLDER")
    if not chosen:
        for name, told in known.items():
            click.echo(f"{name:20} {told}")
    failed: list[str] = []
    for name in chosen:
        arguments = list(SHORT.get(name, ())) if short else []
        if folder is not None:
            file = folder / f"{name}.json"
            if missing and file.exists():
                continue
            arguments += ["--json", str(file)]
        click.echo(f"== {name}: {known[name]}")
        began_s = time.monotonic()
        done = subprocess.run([sys.executable, "-m", f"bench.{name}", *arguments], check=False)
        click.echo(f"-- {name}: {time.monotonic() - began_s:.0f} s")
        if done.returncode:
            failed.append(name)
    if failed:
        click.echo(f"failed: {', '.join(failed)}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
