"""`roomlog audit keys` and `new-key`: who signs checkpoints."""

import os
import secrets
from pathlib import Path

import click
import msgspec

from roomlog.cli.errors import CliError
from roomlog.cli.options import data_option, json_option
from roomlog.core.signed_note import NoteError, SigningKey, VerifierKey, check_name
from roomlog.files import write_private
from roomlog.services.audit_keys import KeyRing, key_ring
from roomlog.settings import PREFIX, audit_key_file, audit_old_keys_file, load_settings
from roomlog_contract.proofs import AuditKey, AuditKeys

OLD_KEYS_MAX = 100


class _NewKey(msgspec.Struct, frozen=True, omit_defaults=True):
    """`signing_key` only where it had nowhere to be kept."""

    key: str
    old_keys: list[str]
    signing_key: str | None = None


def shown(keys: KeyRing) -> AuditKeys:
    """The public keys, that which signs now first."""
    current = None if keys.signing is None else keys.signing.verifier
    return AuditKeys([AuditKey(key.name, str(key), key == current) for key in keys.verifiers])


@click.command(name="keys")
@json_option
@data_option
def keys_(*, as_json: bool, data: Path) -> None:
    """List the public keys of checkpoints, as C2SP's tools take them; the first signs now."""
    found = shown(key_ring(load_settings(data)))
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
        return
    if not found.keys:
        raise CliError(
            f"there is no key: start `roomlog up` once, or set {PREFIX}AUDIT_KEY to what "
            "`roomlog audit new-key` prints"
        )
    for key in found.keys:
        click.echo(key.key)


def _name(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    try:
        return value if value is None else check_name(value)
    except NoteError as error:
        raise click.BadParameter(f"{error}.", ctx, param) from error


@click.command(name="new-key")
@click.option(
    "--name",
    callback=_name,
    help="The key's name, best a place of yours such as chat.example.org/log.  [default: that of "
    "the key before, or a random one]",
)
@json_option
@data_option
def new_key(*, name: str | None, as_json: bool, data: Path) -> None:
    """Make a new key for checkpoints; the one before stays known as an old one.

    In a data directory it takes the place of the one there, and signs from the next start on. Where
    the settings give the key, or there is no such directory, it is printed, to be set there.
    """
    before = key_ring(load_settings(data))
    if name is None:
        name = before.signing.name if before.signing else f"roomlog/{secrets.token_hex(8)}"
    key = SigningKey(name, secrets.token_bytes(32))
    old = before.verifiers
    if len(old) > OLD_KEYS_MAX:
        raise CliError(
            f"{len(old)} old keys are too many to be known: take the oldest out of "
            f"{PREFIX}AUDIT_OLD_KEYS or {audit_old_keys_file(data)}"
        )
    file = audit_key_file(data)
    kept = file.parent.is_dir() and not os.environ.get(f"{PREFIX}AUDIT_KEY")
    if kept:
        # The old ones first: between the two a key is known twice, and never not at all.
        write_private(audit_old_keys_file(data), f"{','.join(map(str, old))}\n".encode())
        write_private(file, f"{key.written()}\n".encode())
    if as_json:
        told = _NewKey(
            str(key.verifier), [str(one) for one in old], None if kept else key.written()
        )
        click.echo(msgspec.json.encode(told).decode())
    elif kept:
        click.echo(str(key.verifier))
        click.echo(f"{file} holds the new key: start `roomlog up` again to sign with it", err=True)
    else:
        _print_settings(key, old)


def _print_settings(key: SigningKey, old: list[VerifierKey]) -> None:
    click.echo(f"{PREFIX}AUDIT_KEY={key.written()}")
    click.echo(f"{PREFIX}AUDIT_OLD_KEYS={','.join(str(one) for one in old)}")
    click.echo(
        f"set these two and keep the first secret; the public key is {key.verifier}", err=True
    )


COMMANDS = (keys_, new_key)
