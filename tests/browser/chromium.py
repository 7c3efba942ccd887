"""Headless Chromium, driven over its own protocol (Chrome DevTools Protocol).

Clicks and keys are the browser's own input events, at the place where an element is seen; waiting
is for conditions in the page, each with a deadline.
"""

import base64
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 20
CALL_TIMEOUT_S = 60
WAIT_S = 30
POLL_S = 0.05
STILL_FRAMES = 3
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
KEYS = {
    "Enter": (13, "\r"),
    "Escape": (27, ""),
    "Tab": (9, ""),
    "Home": (36, ""),
    "End": (35, ""),
    "PageUp": (33, ""),
    "PageDown": (34, ""),
    "ArrowLeft": (37, ""),
    "ArrowUp": (38, ""),
    "ArrowRight": (39, ""),
    "ArrowDown": (40, ""),
    " ": (32, " "),
}
MODIFIERS = {"Alt": 1, "Control": 2, "Meta": 4, "Shift": 8}

# What the page's own policy stops is told here, as is every error that nobody caught.
_WATCH = """
addEventListener("securitypolicyviolation", (event) =>
  __told(`policy: ${event.effectiveDirective} ${event.blockedURI} ${event.sample}`));
addEventListener("error", (event) => __told(`error: ${event.message}`));
addEventListener("unhandledrejection", (event) => __told(`rejection: ${event.reason}`));
"""


def find() -> str | None:
    """The program's path, where there is one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Wire:
    """The one connection to the browser; sessions are told apart by their id."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, Future[dict[str, Any]]] = {}
        self._listeners: dict[tuple[str | None, str], Callable[[dict[str, Any]], None]] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """A command's result. Raises RuntimeError with what the browser says is wrong."""
        number = next(self._numbers)
        answer: Future[dict[str, Any]] = Future()
        self._answers[number] = answer
        message = {"id": number, "method": method, "params": params}
        self._socket.send(json.dumps(message | ({"sessionId": session} if session else {})))
        told = answer.result(CALL_TIMEOUT_S)
        if "error" in told:
            raise RuntimeError(f"{method}: {told['error']}")
        return told.get("result", {})

    def on(
        self, session: str | None, method: str, listener: Callable[[dict[str, Any]], None]
    ) -> None:
        self._listeners[session, method] = listener

    def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            for text in self._socket:
                told = json.loads(text)
                if "id" in told:
                    self._answers.pop(told["id"]).set_result(told)
                elif listener := self._listeners.get((told.get("sessionId"), told["method"])):
                    listener(told["params"])
        for answer in list(self._answers.values()):
            answer.set_exception(ConnectionError("Chromium is gone"))


class Page:
    """One tab in a context of its own: no storage is shared with another's."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.told: list[str] = []
        self._context = wire.call("Target.createBrowserContext")["browserContextId"]
        target = wire.call(
            "Target.createTarget", url="about:blank", browserContextId=self._context
        )["targetId"]
        attached = wire.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        wire.on(self._session, "Runtime.bindingCalled", lambda p: self.told.append(p["payload"]))
        for domain in ("Page", "Runtime", "Network"):
            self.call(f"{domain}.enable")
        self.call("Runtime.addBinding", name="__told")
        self.call("Page.addScriptToEvaluateOnNewDocument", source=_WATCH)
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)
        self.resize(1280, 800)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return self._wire.call(method, self._session, **params)

    def resize(self, width: int, height: int, *, phone: bool = False, scale: float = 1) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        if phone:
            self.call("Emulation.setTouchEmulationEnabled", enabled=True)

    def show_dark(self, *, dark: bool) -> None:
        feature = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[feature])

    def go_offline(self, *, offline: bool) -> None:
        """Take the network from the page, or give it back."""
        self.call(
            "Network.emulateNetworkConditions",
            offline=offline,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=-1,
        )

    def goto(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def evaluate(self, script: str) -> Any:
        """The value of an expression (a promise is waited for), as JSON has it."""
        told = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in told:
            details = told["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description", details["text"]))
        return told["result"].get("value")

    def wait(self, condition: str, *, timeout_s: float = WAIT_S) -> Any:
        """The condition's value, as soon as it is true."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            try:
                value = self.evaluate(
                    f"Promise.resolve({condition}).then((one) => one instanceof Node || one)"
                )
            except RuntimeError:
                value = None  # the page is being loaded, or has not got that far
            if value:
                return value
            time.sleep(POLL_S)
        seen = self.evaluate("document.body.innerText")
        raise AssertionError(f"not within {timeout_s} s: {condition}\n{seen[-2000:]}")

    def wait_text(self, text: str, within: str = "body", *, timeout_s: float = WAIT_S) -> None:
        self.wait(
            f"[...document.querySelectorAll({json.dumps(within)})]"
            f".some((one) => one.textContent.includes({json.dumps(text)}))",
            timeout_s=timeout_s,
        )

    def element(self, selector: str, text: str | None = None) -> str:
        """An expression for the last element that matches, and says the text."""
        matching = f"[...document.querySelectorAll({json.dumps(selector)})]"
        if text is not None:
            matching += f".filter((one) => one.textContent.includes({json.dumps(text)}))"
        return f"{matching}.at(-1)"

    def place(self, element: str) -> tuple[float, float]:
        """The middle of an element, once it is in sight and has stood still for some frames."""
        seen = f"""(async () => {{
          const element = {element};
          if (!element) return null;
          element.scrollIntoView({{ block: "nearest", behavior: "instant" }});
          const middle = () => {{
            const {{ x, y, width, height }} = element.getBoundingClientRect();
            return [x + width / 2, y + height / 2, width && height && element.isConnected];
          }};
          const before = middle();
          for (let n = 0; n < {STILL_FRAMES}; n += 1) {{
            await new Promise((resolve) => requestAnimationFrame(resolve));
          }}
          const [x, y, isSeen] = middle();
          return isSeen && x === before[0] && y === before[1] ? [x, y] : null;
        }})()"""
        x, y = self.wait(seen)
        return x, y

    def hover(self, selector: str, text: str | None = None) -> None:
        self.move_to(*self.place(self.element(selector, text)))

    def move_to(self, x: float, y: float) -> None:
        """Move the pointer; the page has taken notice when this returns (it does so by frames)."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.evaluate(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    def click(self, selector: str, text: str | None = None) -> None:
        x, y = self.place(self.element(selector, text))
        self.click_at(x, y)

    def click_at(self, x: float, y: float) -> None:
        at: dict[str, Any] = {"x": x, "y": y, "button": "left", "clickCount": 1}
        self.move_to(x, y)
        self.call("Input.dispatchMouseEvent", type="mousePressed", **at)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", **at)

    def act(self, message: str, action: str) -> None:
        """Press one of a message's buttons, which show when the pointer is over it."""
        self.hover(".message", message)
        button = f"{self.element('.message', message)}.querySelector('[data-act={action}]')"
        self.click_at(*self.place(button))

    def wheel(self, x: float, y: float, delta_y: float) -> None:
        self.call("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=delta_y)

    def type(self, text: str) -> None:
        """Write into what has the focus."""
        self.call("Input.insertText", text=text)

    def press(self, key: str, *modifiers: str) -> None:
        code, text = KEYS.get(key, (ord(key.upper()[0]), key))
        mask = sum(MODIFIERS[modifier] for modifier in modifiers)
        event = {
            "key": key,
            "code": key if key in KEYS and key != " " else "",
            "windowsVirtualKeyCode": code,
            "modifiers": mask,
        }
        writes = {"text": text} if text and not mask & ~MODIFIERS["Shift"] else {}
        down = "keyDown" if writes else "rawKeyDown"
        self.call("Input.dispatchKeyEvent", type=down, **event, **writes)
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def metric(self, name: str) -> float:
        """One of the renderer's own numbers, such as `TaskDuration` in seconds."""
        told = self.call("Performance.getMetrics")["metrics"]
        return next(one["value"] for one in told if one["name"] == name)

    def screenshot(self, path: Path) -> None:
        shot = self.call("Page.captureScreenshot", format="png", optimizeForSpeed=False)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        self._wire.call("Target.disposeBrowserContext", browserContextId=self._context)


class Browser:
    """A running Chromium; `page` opens a tab of a new person."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    @contextmanager
    def page(self) -> Generator[Page]:
        page = Page(self._wire)
        try:
            yield page
        finally:
            page.close()


@contextmanager
def running_browser(program: str, folder: Path) -> Generator[Browser]:
    """Chromium without a window, until the block ends; what it keeps lies in `folder`."""
    profile = folder / "profile"
    log = folder / "chromium.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                *(program, "--headless=new", f"--user-data-dir={profile}"),
                *("--remote-debugging-port=0", "--no-first-run", "--no-default-browser-check"),
                *("--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"),
                *("--disable-component-update", "--disable-sync", "--mute-audio"),
                *("--disable-renderer-backgrounding", "--disable-background-timer-throttling"),
                # As with a mouse: without a window Chromium takes the device for one that can't hover.
                "--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4",
                *("--hide-scrollbars", "--force-color-profile=srgb", "about:blank"),
                *(["--no-sandbox"] if os.geteuid() == 0 else []),
            ],
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
        )
    try:
        address = _address(process, profile, log)
        # Chromium answers no pings here.
        with connect(address, max_size=None, compression=None, ping_interval=None) as socket:
            wire = Wire(socket)
            yield Browser(wire)
            wire.call("Browser.close")
        process.wait(STOP_TIMEOUT_S)
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: "subprocess.Popen[bytes]", profile: Path, log: Path) -> str:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            port, path = (profile / "DevToolsActivePort").read_text().split()
        except (FileNotFoundError, ValueError):
            time.sleep(POLL_S)
        else:
            return f"ws://127.0.0.1:{port}{path}"
    raise AssertionError(f"Chromium did not start: {log.read_text()[-2000:]}")
