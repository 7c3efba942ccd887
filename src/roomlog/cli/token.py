"""`roomlog token`: a signed JWT for trying things out and for services."""

import re
import time
from pathlib import Path

import click
import jwt

from roomlog.cli.errors import CliError
from roomlog.cli.options import data_option
from roomlog.core.decide import user_id
from roomlog.settings import PREFIX, Settings, jwt_secret_file, load_settings
from roomlog_contract.errors import RefusedError
from roomlog_contract.types import GlobalRole

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_TTL_MAX_S = 3650 * 86_400
_DURATION = re.compile(r"([0-9]{1,9})([smhd])")


class _Duration(click.ParamType[int]):
    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """`12h` to seconds."""
        match = _DURATION.fullmatch(str(value))
        seconds = int(match[1]) * _UNITS_S[match[2]] if match else 0
        if not 0 < seconds <= _TTL_MAX_S:
            self.fail(f"{value!r} is not a time such as 90s, 30m, 12h or 7d.", param, ctx)
        return seconds


def _user(ctx: click.Context, param: click.Parameter, value: str) -> str:
    try:
        return user_id(value, "USER")
    except RefusedError as error:
        raise click.BadParameter(f"{error.detail}.", ctx, param) from error


@click.command(name="token")
@click.argument("user", callback=_user)
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice([role.value for role in GlobalRole]),
    help="What the bearer may do everywhere; may be given several times.",
)
@click.option(
    "--ttl", "ttl_s", type=_Duration(), default="12h", show_default=True, help="How long it lasts."
)
@click.option("--name", help="The name that others see.")
@data_option
def command(*, user: str, roles: tuple[str, ...], ttl_s: int, name: str | None, data: Path) -> None:
    """Print a token for USER (an e-mail address), signed with the development key.

    The key is ROOMLOG_JWT_SECRET, or what the first `roomlog up` made in the data directory,
    which is of no use where tokens are verified by a key set (ROOMLOG_JWT_JWKS).
    """
    settings = load_settings(data)
    if settings.jwt_secret is None and settings.jwt_jwks:
        raise CliError(
            f"tokens are verified by {PREFIX}JWT_JWKS: get one from whoever signs them, or set "
            f"{PREFIX}JWT_SECRET too"
        )
    if settings.jwt_secret is None:
        raise CliError(
            f"there is no key to sign with in {jwt_secret_file(data)}: start `roomlog up` once, "
            f"name its directory with --data, or set {PREFIX}JWT_SECRET"
        )
    click.echo(
        signed_token(
            settings.jwt_secret,
            user,
            settings=settings,
            roles=roles,
            name=name,
            issued_at_s=int(time.time()),
            ttl_s=ttl_s,
        )
    )


def signed_token(
    secret: str,
    user: str,
    *,
    settings: Settings,
    roles: tuple[str, ...] = (),
    name: str | None = None,
    issued_at_s: int,
    ttl_s: int,
) -> str:
    """A JWT (RFC 7519, HS256) for `user`; `aud` and `iss` as the settings ask for them."""
    claims: dict[str, object] = {"sub": user, "iat": issued_at_s, "exp": issued_at_s + ttl_s}
    if roles:
        claims["roles"] = list(dict.fromkeys(roles))
    if name:
        claims["name"] = name
    if settings.jwt_audience:
        claims["aud"] = settings.jwt_audience
    if settings.jwt_issuer:
        claims["iss"] = settings.jwt_issuer
    return jwt.encode(claims, secret, algorithm="HS256")
