"""Settings that nobody reads because their name is slightly wrong."""

import difflib
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from roomlog.settings import PREFIX, from_env_file, list_settings

# Low enough for a letter or an ending, high enough for names that belong to others.
_LIKENESS_MIN = 0.8


def misspelt_settings(
    environ: Mapping[str, str] = os.environ, env_file: Path = Path(".env")
) -> list[str]:
    """A sentence for each variable of the environment or of `.env` that is no setting and nearly
    one. Variables that are like none are somebody else's, and passed over."""
    names = [setting.name.removeprefix(PREFIX) for setting in list_settings()]
    told: list[str] = []
    for given in sorted({*from_env_file(env_file), *environ}):
        name = given.removeprefix(PREFIX)
        if not given.startswith(PREFIX) or name in names:
            continue
        if meant := difflib.get_close_matches(name, names, n=1, cutoff=_LIKENESS_MIN):
            told.append(f"{given} is no setting and not heeded: {PREFIX}{meant[0]} may be meant")
    return told


def warn_of_misspelt_settings(log: logging.Logger) -> None:
    """Have `log` tell of each."""
    for sentence in misspelt_settings():
        log.warning("%s", sentence)
