"""How Gunicorn serves the app. GUNICORN_CMD_ARGS and WEB_CONCURRENCY override what stands here."""

import gc
import os
import shutil
import signal

from startup.server import (
    folder_of_figures,
    hold_signals_back_from_worker,
    let_signals_through,
    let_signals_through_to_worker,
    take_over_socket,
)

let_signals_through()
on_starting = take_over_socket

wsgi_app = "app.serving:application()"

_address = os.environ.get("LISTEN_ADDRESS") or "127.0.0.1"
_port = os.environ.get("PORT") or "8080"
bind = f"[{_address}]:{_port}" if ":" in _address else f"{_address}:{_port}"

worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
threads = 4  # each has a connection of its own: workers * threads is what the database must have room for

# Imported once and shared by the workers, which is quicker and smaller. No connection outlives the import.
preload_app = True

# What a proxy says of the client is read by the app, and only where TRUST_PROXY says so.
forwarded_allow_ips = ""

# Docker kills ten seconds after it asked.
graceful_timeout = 8

# Nothing is written on disk, so that a read-only root filesystem will do.
control_socket_disable = True
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108

# Where the workers keep the figures for /metrics, in memory; the name is read when app.metrics is imported.
os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder_of_figures(worker_tmp_dir)


def when_ready(server):
    """Keep what was imported out of the garbage collector's sight: else it holds up a page now and then, for 60 ms."""
    gc.freeze()


def pre_fork(server, worker):
    """Let no signal get lost between the fork and the worker's own handlers."""
    hold_signals_back_from_worker()


def post_worker_init(worker):
    """Heed them: the worker is about to serve. At Ctrl-C, of which a terminal tells both, let the master alone end it.

    Where the master's SIGQUIT came while the worker's own handler held a lock, it waited for that until it was killed.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    let_signals_through_to_worker()


def child_exit(server, worker):
    """Forget what a worker held that has ended: its connections and the requests in progress."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)


def on_exit(server):
    """Take the figures away."""
    shutil.rmtree(folder_of_figures(worker_tmp_dir), ignore_errors=True)


# The last line before serving is the runner's, which names the address.
loglevel = "warning"
