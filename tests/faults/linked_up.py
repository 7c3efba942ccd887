"""`roomlog up` whose API workers and projector reach their servers through proxies of a test's.

`python linked_up.py DATA PORT WORKERS`: the real supervisor with the real commands, each started
by `linked_part.py`.
"""

import sys
from pathlib import Path

from roomlog.embedded import supervisor
from roomlog.embedded.data_directory import DataDirectory
from roomlog.observability import set_up_logging
from roomlog.settings import load_settings

_PART = Path(__file__).with_name("linked_part.py")


def main(data: Path, port: int, workers: int) -> None:
    directory = DataDirectory(data)
    settings = load_settings(directory.path)
    set_up_logging(settings.log_level, settings.log_format)
    run = (sys.executable, "-P", "-m", "roomlog")
    linked = (sys.executable, str(_PART), str(directory.path / "links"))
    where = ("--data", str(directory.path))
    plan = supervisor.Plan(
        data=directory,
        host=settings.host,
        port=port,
        workers=workers,
        migrate=(*run, "migrate", *where),
        project=(*linked, "projector", *run, "project", *where),
        serve=(*linked, "api", *run, "serve", *where),
    )
    supervisor.run(plan, lambda run: print(f"ready {run.base_url}", flush=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
