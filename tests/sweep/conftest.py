"""One local Ray for all tests that need a real one; an S3 server and a PostgreSQL, real ones, on loopback."""

import logging
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from study.sweep.cluster import start_ray

PASSWORD = "SETSUM_TEST_PASSWORD"


@pytest.fixture(scope="module")
def local_ray(aws: str) -> Iterator[None]:
    with start_ray(cpus=2):
        yield


@pytest.fixture(scope="session")
def aws() -> Iterator[str]:
    """Credentials in the environment, also of Ray's workers, as AWS names them; the secret key."""
    secret = secrets.token_hex(16)
    settings = {
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        yield secret


class Bucket:
    """A bucket on an S3 server on loopback."""

    uri = "s3://setsum-test"

    def __init__(self) -> None:
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.start()
        from pyarrow.fs import S3FileSystem

        S3FileSystem(allow_bucket_creation=True, endpoint_override=self.endpoint).create_dir("setsum-test")

    def start(self) -> None:
        from moto.server import ThreadedMotoServer

        self.server = ThreadedMotoServer("127.0.0.1", port=self.port, verbose=False)
        self.server.start()

    def stop(self) -> None:
        self.server.stop()


@pytest.fixture
def s3(aws: str) -> Iterator[Bucket]:
    """An S3 server, running; what is in its bucket outlives a stop and a start."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    made = Bucket()
    yield made
    made.stop()


@pytest.fixture
def bucket(s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> str:
    """Its bucket by URI; where the server listens is in the environment."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint)
    return s3.uri


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


class Database:
    """A PostgreSQL server of Debian's, on loopback, as a user that it agrees to be."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.binaries, self.folder = binaries, folder
        # It refuses to be root.
        self.user = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}
        self.port = free_port()
        if self.user:
            shutil.chown(folder, "nobody", "nogroup")
        os.environ[PASSWORD] = secrets.token_hex(8) + "@/:%"
        (secret := folder / "password").write_text(os.environ[PASSWORD])
        secret.chmod(0o644)
        make = ("initdb", "--no-sync", "-U", "ann", "-A", "scram-sha-256", f"--pwfile={secret}")
        subprocess.run([*self._program(*make), folder / "data"], check=True, capture_output=True, **self.user)

    @property
    def url(self) -> str:
        return f"postgresql://ann:${{{PASSWORD}}}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = ("-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-k", str(self.folder))
        with (self.folder / "log").open("ab") as log:
            command = [*self._program("postgres", "-p", str(self.port), *options), "-D", self.folder / "data"]
            self.server = subprocess.Popen(command, stdout=log, stderr=log, **self.user)
        ready = self._program("pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port))
        for _ in range(300):
            if subprocess.run(ready, check=False).returncode == 0:
                return
            time.sleep(0.1)
        raise TimeoutError((self.folder / "log").read_text())

    def stop(self) -> None:
        self.server.terminate()
        self.server.send_signal(2)
        self.server.wait()

    def _program(self, name: str, *arguments: str) -> list[str]:
        return [str(self.binaries / name), *arguments]


@pytest.fixture(scope="session")
def database() -> Iterator[Database]:
    """PostgreSQL, running; skipped where it is not installed."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not installed:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    # Not below pytest's own folder, which is for one user's eyes.
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    try:
        server = Database(installed[-1].parent, folder)
        server.start()
        yield server
        server.stop()
    finally:
        os.environ.pop(PASSWORD, None)
        shutil.rmtree(folder, ignore_errors=True)
