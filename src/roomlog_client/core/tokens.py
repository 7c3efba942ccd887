"""The token of the connection: fetched, renewed in band before it expires, refused."""

from roomlog_client.core import effects as ef
from roomlog_client.core import inputs as inp
from roomlog_client.core.turn import Refs, Turn
from roomlog_contract import frames as fr

TIMER = "token"
TOKEN_MARGIN_MS_MAX = 60_000
TOKEN_TIMER_MS_MAX = 86_400_000
TOKEN_RETRY_MS = 10_000
_TOKEN_TIMER_MS_MIN = 1000


class Tokens:
    """The connection's token, the one that is to replace it, and the one that was refused."""

    def __init__(self, refs: Refs) -> None:
        self._refs = refs
        self._current: inp.Token | None = None
        self._next: inp.Token | None = None
        self._auth: tuple[str, inp.Token] | None = None
        self._refused: str | None = None
        self._refusals = 0

    def fetch(self, turn: Turn) -> None:
        turn.emit(ef.FetchToken())

    def was_refused(self, token: inp.Token) -> bool:
        """Whether this very token was refused by the server."""
        return token.token == self._refused

    def opens(self, turn: Turn, token: inp.Token) -> None:
        """A socket is opened with it."""
        self._current, self._next, self._auth = token, None, None
        turn.emit(ef.OpenSocket(token.token))

    def keep(self, token: inp.Token) -> None:
        """To be sent once there is a `hello`."""
        self._next = token

    def connected(self, turn: Turn) -> None:
        """`hello` came: the connection's token is a good one."""
        self._refused, self._refusals = None, 0
        self._set_timer(turn)
        if self._next is not None:
            self.renew(turn, self._next)

    def renew(self, turn: Turn, token: inp.Token) -> None:
        """Send it where it is another than the connection's."""
        self._next = None
        if self._current is not None and token.token == self._current.token:
            self._set_timer(turn)
            return
        self._auth = (self._refs.next("auth"), token)
        turn.emit(ef.Send(fr.Auth(ref=self._auth[0], token=token.token)))

    def authenticated(self, turn: Turn, frame: fr.Authenticated) -> None:
        if self._auth is not None and self._auth[0] == frame.ref:
            self._current, self._auth = self._auth[1], None
            self._set_timer(turn)

    def refused(self, frame: fr.Error) -> None:
        """An `error` that may answer an `auth`: the old token still counts."""
        if self._auth is not None and self._auth[0] == frame.ref:
            self._auth = None

    def failed(self, turn: Turn) -> None:
        """No token came while the connection stands."""
        turn.emit(ef.SetTimer(TIMER, TOKEN_RETRY_MS))

    def turned_away(self) -> bool:
        """The server closed with 4501; whether another token is worth trying."""
        self._refused = None if self._current is None else self._current.token
        self._refusals += 1
        return self._refusals == 1

    def reopened(self) -> None:
        """The user brings a new token after the client was closed for the old one."""
        self._refusals = 0

    def _set_timer(self, turn: Turn) -> None:
        expires_at_ms = None if self._current is None else self._current.expires_at_ms
        if expires_at_ms is None:
            return
        left_ms = expires_at_ms - turn.at_ms
        after_ms = min(left_ms - min(TOKEN_MARGIN_MS_MAX, left_ms // 4), TOKEN_TIMER_MS_MAX)
        if after_ms >= _TOKEN_TIMER_MS_MIN:
            turn.emit(ef.SetTimer(TIMER, after_ms))
