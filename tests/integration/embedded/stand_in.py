"""A `roomlog up` whose commands are small stand-ins; the servers are real.

python stand_in.py DIR [PORT] [PROJECT_CODE]
"""

import os
import sys
from pathlib import Path

from roomlog.embedded import supervisor
from roomlog.embedded.data_directory import DataDirectory
from roomlog.embedded.errors import EmbeddedError
from roomlog.observability import set_up_logging

MIGRATE = "print('migrated')"
PROJECT = "import time; time.sleep(3600)"
SERVE = """
import http.server, os, socket
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
        status = os.environ.get("STATUS_FILE") and open(os.environ["STATUS_FILE"]).read() or "ready"
        self.wfile.write(f'{{"status": "{status}"}}'.encode())
class Server(http.server.HTTPServer):
    def server_bind(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()
Server((os.environ["ROOMLOG_HOST"], int(os.environ["ROOMLOG_PORT"])), Answer).serve_forever()
"""


def main(folder: str, port: str = "0") -> int:
    set_up_logging(log_format="human")
    try:
        supervisor.run(
            supervisor.Plan(
                data=DataDirectory(Path(folder)),
                host="127.0.0.1",
                port=int(port),
                workers=2,
                migrate=(sys.executable, "-c", os.environ.get("MIGRATE_CODE", MIGRATE)),
                project=(sys.executable, "-c", os.environ.get("PROJECT_CODE", PROJECT)),
                serve=(sys.executable, "-c", os.environ.get("SERVE_CODE", SERVE)),
                has_key_set="HAS_KEY_SET" in os.environ,
            ),
            lambda run: print(f"ready {run.base_url}", flush=True),
        )
    except EmbeddedError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
