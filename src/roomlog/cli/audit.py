"""`roomlog audit`: what an auditor needs."""

import click

from roomlog.cli import (
    audit_bundles,
    audit_compare,
    audit_keys,
    audit_proofs,
    audit_records,
    audit_redact,
    audit_replay,
    audit_trees,
    audit_visibility,
)


@click.group(name="audit")
def command() -> None:
    """Prove what the log says: bundles, checkpoints, proofs, and the keys that sign them."""


for _part in (
    audit_bundles,
    audit_compare,
    audit_keys,
    audit_proofs,
    audit_redact,
    audit_records,
    audit_replay,
    audit_trees,
    audit_visibility,
):
    for _command in _part.COMMANDS:
        command.add_command(_command)
