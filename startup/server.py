"""Becoming Gunicorn: the same process, the same PID, so that signals reach it; and what gunicorn.conf.py does then."""

import errno
import functools
import os
import signal
import socket
import sys

from startup import log
from startup.configuration import Configuration
from startup.errors import UsageError
from startup.migrations import FOLDER

PROJECT = os.path.dirname(FOLDER)
BACKLOG = 2048  # Gunicorn's own
HELD_BACK = (signal.SIGTERM, signal.SIGINT)
HELD_BACK_FROM_WORKERS = (*HELD_BACK, signal.SIGQUIT)  # by which Gunicorn has them end at once
SOCKET = "STARTUP_SOCKET"  # names the file descriptor to Gunicorn

REMEDIES = {
    errno.EADDRINUSE: "Set PORT to another, or end what listens there",
    errno.EACCES: "Set PORT to one above 1023, such as 8080",
}


def prepare(configuration: Configuration):
    """See that Gunicorn will be able to serve, before anything is touched.

    With STARTUP_PROBE=on give the startup.probe.Probe that answers from now on, else None. Raises UsageError when the
    address is taken or does not exist here, or when GUNICORN_CMD_ARGS is wrong.
    """
    arguments = _gunicorn_arguments()
    if configuration.startup_probe:
        if clashing := [name for name in ("bind", "certfile", "keyfile", "reuse_port") if arguments.get(name)]:
            options = " and ".join(f"--{name.replace('_', '-')}" for name in clashing)
            raise UsageError(
                f"GUNICORN_CMD_ARGS has {options}, and STARTUP_PROBE=on hands a socket for plain HTTP on LISTEN_ADDRESS"
                " and PORT over to Gunicorn: leave one of them out"
            )
        from startup.probe import Probe

        probe = Probe(_listen(configuration))
        log.write(f"Answering /healthz and /readyz on {_url(configuration)} while this start lasts")
        return probe
    if not arguments.get("bind"):
        _listen(configuration, backlog=None).close()
    return None


def become_gunicorn(configuration: Configuration, probe=None) -> None:
    """Replace this process by Gunicorn; GUNICORN_CMD_ARGS and gunicorn.conf.py apply. Does not return.

    The `probe` that prepare() gave leaves it the socket: who connects meanwhile waits in the backlog, and is answered.
    """
    if probe:
        listener = probe.hand_over()
        listener.set_inheritable(True)
        os.environ[SOCKET] = str(listener.fileno())
    bind = ", ".join(_gunicorn_arguments().get("bind") or [])
    log.write(f"Serving on {bind or _url(configuration)}")
    os.environ["LISTEN_ADDRESS"] = configuration.listen_address  # gunicorn.conf.py reads them again
    os.environ["PORT"] = str(configuration.port)
    os.environ["PYTHONSAFEPATH"] = "1"  # at SIGUSR2 Gunicorn runs itself as a script, whose folder has a package http
    os.chdir(PROJECT)
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)  # until let_signals_through(); exec keeps what is pending
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py"])


def let_signals_through() -> None:
    """In Gunicorn, as soon as it reads gunicorn.conf.py: end by the signals that were held back since the exec.

    Without a handler PID 1 would ignore them. Gunicorn's own handlers take the place of these before it serves.
    """
    from startup.signals import end_on_signals

    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:  # at a reload it is Gunicorn's
        end_on_signals()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)


def take_over_socket(arbiter) -> None:
    """In Gunicorn, before it would open a socket: go on with the one that the probe has answered on, if there is one.

    Gunicorn's own ways (fd://, LISTEN_FDS) lose the socket when SIGUSR2 starts a second Gunicorn: it looks for the same
    number again. Gunicorn tells that second one the new number by GUNICORN_FD.
    """
    descriptor = os.environ.pop(SOCKET, None)
    if descriptor and "GUNICORN_FD" not in os.environ:
        from gunicorn.sock import create_sockets

        arbiter.LISTENERS = create_sockets(arbiter.cfg, arbiter.log, [int(descriptor)])


def hold_signals_back_from_worker() -> None:
    """In Gunicorn, before it forks a worker: keep what ends one until that has handlers of its own.

    Until then it has those of the master, which put a signal where no worker looks: it would have to be killed.
    """
    _let_through_after_fork()
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK_FROM_WORKERS)


def let_signals_through_to_worker() -> None:
    """In Gunicorn, in the master after the fork, and in the worker when it has its handlers."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK_FROM_WORKERS)


@functools.cache  # it cannot be taken back
def _let_through_after_fork() -> None:
    os.register_at_fork(after_in_parent=let_signals_through_to_worker)


@functools.cache
def folder_of_figures(folder: str | None) -> str:
    """In Gunicorn: make a folder of this master's own in `folder`, and give it again at a reload of the configuration.

    One that SIGUSR2 starts is another process and has its own: the older one takes its folder away when it ends. What a
    killed one could not take away goes here: a folder is locked as long as its master or a worker of it lives.
    """
    import glob  # no start needs them
    import tempfile

    parent, prefix = folder or tempfile.gettempdir(), "timetracker-figures-"
    for left in glob.glob(os.path.join(glob.escape(parent), f"{prefix}*")):
        _remove_if_dead(left)
    for _ in range(3):  # a start at the same moment may take it for a dead one's; a file system may have no locks
        own = tempfile.mkdtemp(prefix=prefix, dir=parent)
        if _lock(own) is not None:
            break
    return own


def _remove_if_dead(folder: str) -> None:
    import shutil

    if (lock := _lock(folder)) is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _lock(folder: str) -> int | None:
    """Lock a folder until this process and its children end; give the descriptor, or None.

    None where somebody else has it, or has taken it away.
    """
    import fcntl

    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), os.stat(folder)):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


@functools.cache
def _gunicorn_arguments() -> dict:
    """What GUNICORN_CMD_ARGS says, read and checked by Gunicorn. Raises UsageError."""
    if not os.environ.get("GUNICORN_CMD_ARGS", "").strip():
        return {}  # importing Gunicorn takes as long as a start
    from gunicorn.config import Config

    config = Config()
    parser = config.parser()
    parser.error = _reject
    parser.exit = lambda *_: _reject("with --help or --version Gunicorn does nothing but print")
    try:
        arguments = {
            name: value
            for name, value in vars(parser.parse_args(config.get_cmd_args_from_env())).items()
            if name in config.settings and value is not None
        }
        for name, value in arguments.items():
            if name != "chdir":  # which Gunicorn takes from another folder than this one
                config.set(name, value)
        config.validate()
        _ = "worker_class" in arguments and config.worker_class  # read, and so checked
        for place in config.address:
            if isinstance(place, tuple) and place[1] > 65_535:
                _reject(f"--bind has the port {place[1]}, and 65535 is the last")
    except UsageError:
        raise
    except Exception as error:  # Gunicorn raises all sorts, and catches them just so
        _reject(str(error))
    return arguments


def _reject(reason: str) -> None:
    sentence = " ".join(reason.partition("[Traceback")[0].split()).rstrip(" .:")
    raise UsageError(f"GUNICORN_CMD_ARGS is wrong: {sentence}. gunicorn --help lists the options")


def _listen(configuration: Configuration, backlog: int | None = BACKLOG) -> socket.socket:
    """Bind to the address to serve on as Gunicorn does, and listen there unless `backlog` is None."""
    host, port = configuration.listen_address, configuration.port
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        if backlog:
            listener.listen(backlog)
    except OSError as error:
        listener.close()
        remedy = REMEDIES.get(error.errno, "Set LISTEN_ADDRESS to an address of this machine, such as 127.0.0.1")
        raise UsageError(f"Cannot serve on {host}, port {port}: {error.strerror}. {remedy}") from None
    return listener


def _url(configuration: Configuration) -> str:
    host = configuration.listen_address
    return f"http://{f'[{host}]' if ':' in host else host}:{configuration.port}"
