ARG BASE_IMAGE=python:3.12-slim-bookworm
FROM ${BASE_IMAGE}

WORKDIR /app

# One stage will do: everything comes as a wheel, so no compiler is left behind. Slim images have no bytecode of the
# standard library, and a read-only container would compile it anew at every start (1.5 s of imports instead of 0.3 s).
COPY requirements.txt ./
RUN pip install --no-cache-dir --no-compile --only-binary :all: --require-hashes --root-user-action ignore \
        --requirement requirements.txt \
    && pip uninstall --yes --root-user-action ignore pip \
    && python -m compileall -q -j 0 -x '/tests?/' --invalidation-mode unchecked-hash /usr/local/lib

# .dockerignore names what this brings. A checkout under a strict umask is readable for no other user.
COPY . .
RUN python -m whitenoise.compress -q app/static \
    && python -m compileall -q --invalidation-mode unchecked-hash . \
    && chmod -R a+rX .

# USER is what yoyo logs as the user: an arbitrary uid has no entry in /etc/passwd to take a name from.
ENV LISTEN_ADDRESS=0.0.0.0 \
    PORT=8080 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    USER=timetracker
USER 10001:10001
EXPOSE 8080

# /healthz, not /readyz: what restarts unhealthy containers should not do so because the database is away.
# The start period covers the waits for the database (60 s) and for another replica's migration (300 s).
HEALTHCHECK --interval=10s --timeout=5s --start-period=6m CMD ["python", "-c", "\
from http.client import HTTPConnection; from os import environ; \
server = HTTPConnection(environ.get('LISTEN_ADDRESS') or '127.0.0.1', environ.get('PORT') or 8080, timeout=4); \
server.request('GET', '/healthz'); \
raise SystemExit(server.getresponse().status != 200)"]

ENTRYPOINT ["/app/entrypoint.sh"]
