"""The page at `/schema`, and that it needs nobody but this server."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.http.api import Api
from tests.integration.http.conformance import operations

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
BROWSER_TIMEOUT_S = 120
PAGE_TIME_MS = 60_000  # of the page's own clock, which runs as fast as it can


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
        assert asset.headers["x-content-type-options"] == "nosniff"
    kinds = {api.client.get(path).headers["content-type"].partition(";")[0] for path in loaded}
    assert kinds == {"text/css", "text/javascript", "image/png"}


def test_the_pages_policy_lets_it_contact_nobody_else(api: Api) -> None:
    policy = api.client.get("/schema").headers["content-security-policy"]

    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["frame-ancestors"] == "'none'"
    assert rules["script-src"] == rules["connect-src"] == "'self'"
    assert "http" not in policy


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to show the page")
def test_a_browser_shows_every_operation_without_asking_anybody_else(
    api: Api, tmp_path: Path
) -> None:
    base, log = api.stack.base_url, tmp_path / "net.json"
    shown = subprocess.run(
        [
            *(str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu"),
            *("--no-first-run", "--disable-background-networking", "--disable-extensions"),
            *(f"--user-data-dir={tmp_path / 'profile'}", f"--log-net-log={log}"),
            *("--enable-logging=stderr", f"--virtual-time-budget={PAGE_TIME_MS}"),
            *("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--dump-dom"),
            f"{base}/schema",
        ],
        capture_output=True,
        text=True,
        timeout=BROWSER_TIMEOUT_S,
        check=False,
    )

    for operation in operations().values():
        assert f'id="operations-{operation["tags"][0]}-{operation["operationId"]}"' in shown.stdout
    told = [line for line in shown.stderr.splitlines() if "CONSOLE" in line]
    assert told == []
    asked = page_requests(log, base)
    assert f"{base}/schema/openapi.json" in asked
    assert [url for url in asked if not url.startswith(f"{base}/schema")] == []


def page_requests(log: Path, base: str) -> list[str]:
    """What the page asked for, by the browser's own record; not what the browser itself asks."""
    record: dict[str, Any] = json.loads(log.read_text())
    found = [event.get("params", {}) for event in record["events"]]
    return [told["url"] for told in found if told.get("initiator") == base and "url" in told]
