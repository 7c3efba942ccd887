"""What is left of the limits, as headers (draft-ietf-httpapi-ratelimit-headers, version 10)."""

from collections.abc import Sequence

from roomlog.core.limits import Quota


def rate_limit_headers(quotas: Sequence[Quota]) -> dict[str, str]:
    """`RateLimit` and `RateLimit-Policy`, a list item for each quota; nothing for none."""
    if not quotas:
        return {}
    return {
        "RateLimit": ", ".join(f'"{q.name}";r={q.remaining};t={q.reset_s}' for q in quotas),
        "RateLimit-Policy": ", ".join(f'"{q.name}";q={q.units};w={q.window_s}' for q in quotas),
    }
