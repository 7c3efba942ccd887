"""A network that loses every packet for a while, between all parts and all clients."""

import subprocess
import sys

import pytest

from tests.house.repository import ROOT

_OWN_NETWORK = ("unshare", "--net", "--")
_TIMEOUT_S = 600


@pytest.mark.timeout(_TIMEOUT_S + 60)
def test_a_network_that_goes_and_comes_back_loses_nothing():
    permitted = subprocess.run(
        [*_OWN_NETWORK, "ip", "link", "set", "lo", "up"],
        capture_output=True,
        text=True,
        check=False,
    )
    if permitted.returncode:
        pytest.skip(f"no network of one's own here: {permitted.stderr.strip()}")
    command = f"ip link set lo up && exec {sys.executable} -m tests.faults.unplugged"
    done = subprocess.run(
        [*_OWN_NETWORK, "sh", "-c", command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
