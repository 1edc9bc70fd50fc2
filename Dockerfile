# One image for all services: `slugline run NAME`. Built in two stages; the second has no compiler and no package manager's cache.
FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CACHE_DIR=/var/cache/pip PYTHONDONTWRITEBYTECODE=1
RUN python -m venv --without-pip /opt/slugline
# For `strip`; it stays in this stage, so whichever version there is will do.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY deploy/compose/requirements.lock requirements.lock
RUN --mount=type=cache,target=/var/cache/pip \
    python -m pip --python /opt/slugline/bin/python install --require-hashes --no-compile -r requirements.lock
# Out goes what no service needs: debug symbols (not numpy's, whose libraries were relinked, which stripping breaks), a second binding
# of zstandard, what Babel knows of languages (nothing asks it), word lists larger than those that enrich reads, tests; onnxruntime's
# library for programs in C (its module for Python has all of it inside, 35 MB again) and its tools that make models.
# `deploy.precompile`, below, imports and uses what is left.
WORKDIR /opt/slugline/lib/python3.11/site-packages
RUN find . -name '*.so' -not -path './numpy*' -exec strip --strip-unneeded {} + \
 && find babel/locale-data -name '*.dat' -not -name root.dat -not -name en.dat -delete \
 && rm -rf zstandard/_cffi*.so wordfreq/data/large_* wordfreq/data/jieba_* \
 && rm -rf onnxruntime/capi/libonnxruntime.so* onnxruntime/transformers onnxruntime/quantization onnxruntime/tools onnxruntime/datasets \
 && find . -type d \( -name tests -o -name __pycache__ \) -prune -exec rm -rf {} + \
 && find . -name '*.pyi' -delete
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY shared shared
COPY services services
COPY deploy deploy
# hatchling is in the lock, so nothing unpinned is downloaded here
RUN python -m pip --python /opt/slugline/bin/python install --no-deps --no-build-isolation --no-index --no-compile . \
 && /opt/slugline/bin/python -m deploy.model
WORKDIR /
RUN PYTHONPYCACHEPREFIX=/opt/slugline/compiled /opt/slugline/bin/python -P -m deploy.precompile

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="Slugline" org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --system --gid 10001 slugline && useradd --system --uid 10001 --gid slugline --no-create-home --home-dir /tmp slugline
COPY --from=build /opt/slugline /opt/slugline
ENV PATH=/opt/slugline/bin:$PATH \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPYCACHEPREFIX=/opt/slugline/compiled \
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MALLOC_ARENA_MAX=2 \
    SLUGLINE_LOG_FORMAT=json SLUGLINE_HEALTH_HOST=0.0.0.0 SLUGLINE_HEALTH_PORT=9100
USER 10001:10001
WORKDIR /tmp
# Each check is a process: every 10 s, those of nine services would cost more than the services do while idle.
HEALTHCHECK --interval=30s --timeout=5s --start-period=300s --retries=3 CMD ["python", "-m", "deploy.probe"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["slugline"]
CMD ["--help"]
