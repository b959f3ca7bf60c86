"""optuna-dashboard on a study's searches: on loopback, and only to look at."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from study.badinput import BadInput
from study.pipeline.prepare import read_written
from study.pipeline.prepared import own_name, read_spaces
from study.record import StudyDirectory
from study.sweep.looked import look_at

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
"""By which a browser on this machine, or at the near end of a tunnel to it, asks for a page."""
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def serve_dashboard(root: Path, port: int, tell: Callable[[str], None]) -> None:
    """Serve the dashboard of a study until Ctrl-C.

    Args:
        root: The study directory.
        port: To listen on; 0 takes a free one.
        tell: Given the URL once it can be opened.

    Raises:
        BadInput: The search has not begun, its storage cannot be opened, the port is taken, or
            optuna-dashboard is not installed.
    """
    try:
        from optuna_dashboard import wsgi  # type: ignore[import-untyped]
    except ImportError:
        raise BadInput(
            "optuna-dashboard is not installed", fix="Install it: pip install 'setsum[dashboard]'"
        ) from None
    directory = StudyDirectory(root)
    settings = read_written(directory)
    storage = settings.search.storage or directory.journal
    looked = look_at(storage, own_name(directory), list(read_spaces(settings)))
    try:
        server = make_server(HOST, port, looking_only(wsgi(looked)), _Server, _Silent)
    except (OSError, OverflowError) as error:
        raise BadInput(
            f"cannot be listened on ({error})",
            where=f"--port {port}",
            fix="Choose another; 0 takes a free one",
        ) from None
    with server, suppress(KeyboardInterrupt):
        tell(f"http://{HOST}:{server.server_port}/dashboard")
        server.serve_forever()


def looking_only(application: Application) -> Application:
    """An application that answers questions of this machine's browsers, and takes no orders."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        refused = ""
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            refused = "405 Method Not Allowed"
        # Another site's page may have its own name point here.
        if environ.get("HTTP_HOST", "").partition(":")[0] not in NAMES:
            refused = "403 Forbidden"
        if not refused:
            return application(environ, start_response)
        start_response(refused, [("Content-Type", "application/json")])
        return [b'{"reason": "this dashboard only shows; nothing can be changed here"}']

    return answer


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the standard library's name
        """Requests are nobody's news."""
