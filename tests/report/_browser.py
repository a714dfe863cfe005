"""A headless Chromium for tests, spoken to in the W3C WebDriver protocol; no client is needed."""

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]


class Browser:
    """A window of Chromium, at `session`, an address of chromedriver."""

    def __init__(self, session):
        self.session = session

    def _send(self, method, path, **data):
        body = None if method == "GET" else json.dumps(data).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.session + path, body, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def open(self, path, width, height=1000, *, dark=False):
        """Open a file in a window of this size, which narrow windows of the system allow, too."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.tell("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.tell("Emulation.setEmulatedMedia", features=[scheme])
        self._send("POST", "/url", url=f"file://{path}")

    def tell(self, command, **params):
        return self._send("POST", "/goog/cdp/execute", cmd=command, params=params)

    def run(self, script):
        return self._send("POST", "/execute/sync", script=script, args=[])

    def console(self):
        return self._send("POST", "/se/log", type="browser")

    def picture(self, path):
        """Save the whole page as PNG."""
        shot = self.tell("Page.captureScreenshot", captureBeyondViewport=True)
        with open(path, "wb") as file:
            file.write(base64.b64decode(shot["data"]))


@contextlib.contextmanager
def browser():
    """Start Chromium, and end it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    profile = tempfile.mkdtemp()
    driver = subprocess.Popen(
        ["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    root = Browser(f"http://127.0.0.1:{port}")
    try:
        options = {
            "binary": shutil.which("chromium"),
            "args": [*FLAGS, f"--user-data-dir={profile}"],
        }
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        for attempt in range(60):
            try:
                made = root._send("POST", "/session", capabilities={"alwaysMatch": wanted})
                break
            except OSError:
                if attempt == 59:
                    raise
                time.sleep(0.5)
        yield Browser(f"{root.session}/session/{made['sessionId']}")
        root._send("DELETE", f"/session/{made['sessionId']}")
    finally:
        driver.terminate()
        driver.wait(30)
        shutil.rmtree(profile, ignore_errors=True)
