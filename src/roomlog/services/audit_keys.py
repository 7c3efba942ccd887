"""The keys that sign checkpoints: one that does, and those that did."""

import msgspec

from roomlog.core.signed_note import (
    NoteError,
    SigningKey,
    VerifierKey,
    parse_signing_key,
    parse_verifier_key,
    sign,
)
from roomlog.core.tree_head import TreeHead
from roomlog.settings import PREFIX, Settings, SettingsError
from roomlog_contract.errors import ErrorCode, RefusedError


class KeyRing(msgspec.Struct, frozen=True):
    """`signing` is None where nothing can be signed."""

    signing: SigningKey | None
    old: tuple[VerifierKey, ...] = ()

    @property
    def verifiers(self) -> list[VerifierKey]:
        """All keys that a checkpoint of ours may be signed with, the current one first."""
        current = [] if self.signing is None else [self.signing.verifier]
        return [*current, *(key for key in self.old if key not in current)]

    def required(self) -> SigningKey:
        """The key that signs. Raises RefusedError `not_found` where there is none."""
        if self.signing is None:
            raise RefusedError(
                ErrorCode.NOT_FOUND,
                f"nothing is signed here, for want of a key: set {PREFIX}AUDIT_KEY",
            )
        return self.signing

    def signed(self, head: TreeHead) -> str:
        """The head as a signed checkpoint. Raises as `required`."""
        return sign(head.text(), [self.required()])


def key_ring(settings: Settings) -> KeyRing:
    """The keys that the settings give. Raises SettingsError."""
    name = "AUDIT_KEY"
    try:
        signing = None if settings.audit_key is None else parse_signing_key(settings.audit_key)
        name = "AUDIT_OLD_KEYS"
        old = tuple(parse_verifier_key(text) for text in settings.audit_old_keys)
    except NoteError as error:
        raise SettingsError(
            f"{PREFIX}{name} is not valid: {error}; `roomlog audit new-key` makes one"
        ) from error
    return KeyRing(signing, old)
