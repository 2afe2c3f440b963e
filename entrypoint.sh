#!/bin/sh
# Everything is handed over by exec, so that the server is PID 1 and gets the SIGTERM that ends the container.
set -eu

# libpq takes a password from PGPASSWORD; container platforms hand secrets over as files.
if [ -n "${PGPASSWORD_FILE:-}" ]; then
    PGPASSWORD=$(cat "$PGPASSWORD_FILE") || exit 2
    export PGPASSWORD
fi

case ${1-} in
    yoyo) exec "$@" ;;
    *) exec python runner.py "$@" ;;
esac
