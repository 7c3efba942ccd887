"""Who is mentioned in a text: members by `@local-part` or `@full-address`, and `@room`.

What the page shows as code mentions nobody. A local part that several members share mentions all
of them: in an incident, one call too many does less harm than one too few.
"""

import re
from collections.abc import Collection

from roomlog.core.content import prose

EVERYONE = "@room"
MENTIONS_MAX = 100

# An address goes on through whatever RFC 5322 lets stand in one (section 3.2.3); a shorter
# reading ends before punctuation, as in `@ann's` or `@ann, please`.
_MENTION = re.compile(r"(?<![\w./@+=-])@(?=[^\s@])([^\s@`<>()\[\],;:\"]*(?:@[\w.-]*\w)?)")
_PLAIN = re.compile(r"\w(?:[\w.+-]*\w)?(?:@\w(?:[\w.-]*\w)?)?")
_TRAILING = ".!?'*_~-…"


class TooManyMentionsError(ValueError):
    """More than MENTIONS_MAX members are mentioned one by one."""


def find_mentions(content: str, members: Collection[str]) -> list[str]:
    """The mentioned members' ids, each once, in the order in which they first come. `@room` is
    all members, for whom EVERYONE stands where they are more than MENTIONS_MAX. Case does not
    matter. Raises TooManyMentionsError."""
    if "@" not in content:
        return []
    names = [match[1] for match in _MENTION.finditer(prose(content))]
    if not names:
        return []
    known = _by_name(members)
    # Of the room, whoever else may be called so.
    known["room"] = list(members) if len(members) <= MENTIONS_MAX else [EVERYONE]
    found: dict[str, None] = {}
    for name in names:
        found.update(dict.fromkeys(_meant(name, known)))
        if len(found) > MENTIONS_MAX:
            raise TooManyMentionsError(
                f"at most {MENTIONS_MAX} members can be mentioned one by one: use {EVERYONE}"
            )
    return list(found)


def mentioned_users(mentions: Collection[str], members: Collection[str], author: str) -> list[str]:
    """Whom mentions concern: those of `members` who are named, or all; never the author."""
    everyone = EVERYONE in mentions
    return [user for user in members if user != author and (everyone or user in mentions)]


def _meant(name: str, known: dict[str, list[str]]) -> list[str]:
    long = name.casefold().rstrip(_TRAILING)
    if long in known:
        return known[long]
    short = _PLAIN.match(name.casefold())
    return known.get(short[0], []) if short else []


def _by_name(members: Collection[str]) -> dict[str, list[str]]:
    known: dict[str, list[str]] = {}
    for user in members:
        folded = user.casefold()
        local, at, _ = folded.rpartition("@")
        known.setdefault(folded, []).append(user)
        if at and local:
            known.setdefault(local, []).append(user)
    return known
