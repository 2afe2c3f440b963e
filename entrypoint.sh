#!/bin/sh
# Everything is handed over by exec, so that the server is PID 1 and gets the SIGTERM that ends the container.
set -eu

if [ "${1-}" != yoyo ]; then
    exec python runner.py "$@"
fi

# runner.py reads this file by itself; yoyo's libpq takes a password from PGPASSWORD.
if [ -n "${PGPASSWORD_FILE:-}" ] && [ -z "${PGPASSWORD:-}" ]; then
    PGPASSWORD=$(cat "$PGPASSWORD_FILE") || exit 2
    export PGPASSWORD
fi
exec "$@"
