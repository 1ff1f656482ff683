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

FROM ${PYTHON_IMAGE}
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin shoal
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY shared shared
COPY services services
COPY config config
# A new volume takes over whose the folder is on which it is mounted: Redis users are made by a process that is not root.
RUN mkdir -p /run/redis-users/acl /run/redis-users/master-strategy /run/redis-users/executor /run/redis-users/copy-engine \
    /run/redis-users/api /run/paper-token && chown -R 10001:10001 /run/redis-users /run/paper-token
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/app
# The file system is read-only when it runs, and every health check is a start.
RUN python -m compileall -q shared services
USER 10001:10001
CMD ["python", "-m", "services.ops", "--help"]
