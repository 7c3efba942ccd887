"""Where the files that are not Python lie: `nats.conf` and the migrations.

In a source checkout they stand at the top level; a wheel carries them in `roomlog/_data`.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def data_file(name: str) -> Path:
    """The absolute path of `nats.conf` or `migrations`.

    Raises FileNotFoundError when neither a checkout nor an installed wheel holds it.
    """
    for folder in (_PACKAGE / "_data", _PACKAGE.parent.parent):
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(
        f"{name} is neither in the roomlog package nor beside its source: install roomlog again"
    )
