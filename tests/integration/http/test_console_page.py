"""The page at `/` as Python serves it: whole, cached as it may be, and shut to everybody else."""

import re

import pytest

from tests.integration.http.api import Api


def policy(headers: dict[str, str]) -> dict[str, str]:
    directives = headers["content-security-policy"].split("; ")
    return dict(part.split(" ", 1) for part in directives)


def loaded_paths(api: Api) -> list[str]:
    return re.findall(r'(?:src|href)="([^"]+)"', api.client.get("/").text)


def test_the_page_and_all_that_it_loads_are_there(api: Api) -> None:
    page = api.client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    kinds = {}
    for path in loaded_paths(api):
        asset = api.client.get(path)
        assert asset.status_code == 200, path
        kinds[path.rpartition(".")[2]] = asset.headers["content-type"]
    assert kinds == {
        "css": "text/css; charset=utf-8",
        "js": "text/javascript; charset=utf-8",
        "svg": "image/svg+xml",
    }


def test_every_answer_is_under_a_policy_that_lets_nothing_in(api: Api) -> None:
    for path in ["/", *loaded_paths(api)]:
        headers = api.client.get(path).headers
        told = policy(dict(headers))
        assert told["default-src"] == "'none'"
        assert {told[f"{kind}-src"] for kind in ("script", "style", "img", "connect")} == {"'self'"}
        assert told["frame-ancestors"] == told["base-uri"] == told["form-action"] == "'none'"
        assert (told["require-trusted-types-for"], told["trusted-types"]) == ("'script'", "roomlog")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"


def test_what_has_its_hash_in_its_name_is_kept_forever_and_the_rest_asked_for_anew(
    api: Api,
) -> None:
    for path in ["/", *loaded_paths(api)]:
        answer = api.client.get(path)
        immutable = path.startswith("/assets/")
        assert ("immutable" in answer.headers["cache-control"]) == immutable, path
        again = api.client.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        other = api.client.get(path, headers={"If-None-Match": '"another"'})
        assert other.content == answer.content


def test_it_goes_out_compressed_to_whoever_takes_that(api: Api) -> None:
    for path in ["/", *loaded_paths(api)]:
        plain = api.client.get(path, headers={"Accept-Encoding": "identity"})
        zipped = api.client.get(path, headers={"Accept-Encoding": "gzip"})
        assert "content-encoding" not in plain.headers
        assert zipped.headers["content-encoding"] == "gzip"
        assert zipped.headers["vary"] == "Accept-Encoding"
        assert plain.content == zipped.content


@pytest.mark.parametrize(
    "path", ["/assets/none.js", "/assets/..%2Findex.html", "/assets/../console_page.py", "/assets/"]
)
def test_nothing_else_is_given(api: Api, path: str) -> None:
    assert api.client.get(path).status_code == 404
