# One image for all services; the command says which one. BASE is any image with Python 3.11 or newer and pip.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
WORKDIR /build
COPY requirements/runtime.txt requirements/
RUN python3 -m venv /opt/ackstream \
 && /opt/ackstream/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY shared shared
COPY services services
COPY ops ops
COPY sandbox sandbox
# hatchling comes from the pinned development set, so that the build asks for nothing unpinned.
COPY requirements/build.txt requirements/
RUN /opt/ackstream/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes --target /tmp/hatchling -r requirements/build.txt \
 && PYTHONPATH=/tmp/hatchling /opt/ackstream/bin/python -m pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation . \
 && rm -rf /tmp/hatchling

FROM ${BASE}
RUN groupadd --gid 10001 ackstream && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin ackstream
COPY --from=build /opt/ackstream /opt/ackstream
WORKDIR /app
COPY config config
ENV PATH=/opt/ackstream/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
ENTRYPOINT ["ackstream"]
CMD ["ingest"]
