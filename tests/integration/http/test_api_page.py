"""The page at `/schema`, and that it needs nobody but this server."""

import re

from tests.integration.http.api import Api


def test_the_page_loads_only_files_that_this_server_has(api: Api) -> None:
    page = api.client.get("/schema")

    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) == 4
    for path in loaded:
        asset = api.client.get(path)
        assert asset.status_code == 200, path
        assert len(asset.content) > 100
    kinds = {api.client.get(path).headers["content-type"].partition(";")[0] for path in loaded}
    assert kinds == {"text/css", "text/javascript", "image/png"}


def test_the_pages_policy_lets_it_contact_nobody_else(api: Api) -> None:
    page = api.client.get("/schema").text

    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "http" not in policy[1]
    assert "'unsafe-inline'" not in policy[1].partition("script-src")[2].partition(";")[0]
