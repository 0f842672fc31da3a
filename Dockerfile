# Two images, neither with a compiler, training extras (search, cards, tracking) or root: the last stage is that of every
# process that serves; `--target gnn` adds PyTorch for `ringfence rings refresh`.
ARG PYTHON=python:3.11.14-slim-bookworm

FROM ${PYTHON} AS build
WORKDIR /src
RUN python -m venv /opt/ringfence
ENV PATH=/opt/ringfence/bin:$PATH
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY features features
COPY models models
COPY monitoring monitoring
COPY services services
COPY streaming streaming
RUN pip install --no-cache-dir --disable-pip-version-check --constraint constraints.txt '.[fast]'

# Feast asks for mypy by way of SQLAlchemy, and never runs it.
FROM build AS packages
RUN pip uninstall --yes mypy pip

FROM build AS packages-gnn
RUN pip install --no-cache-dir --disable-pip-version-check --index-url https://download.pytorch.org/whl/cpu \
        "$(grep ^torch== constraints.txt)" \
    && pip install --no-cache-dir --disable-pip-version-check --constraint constraints.txt '.[fast,gnn]' \
    && pip uninstall --yes mypy pip

FROM ${PYTHON} AS runtime
# LightGBM needs the OpenMP runtime. The system's pip is not for use here: packages live in /opt/ringfence.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && pip uninstall --yes --root-user-action ignore pip setuptools wheel \
    && groupadd --system --gid 10001 ringfence \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin ringfence \
    && install --directory --owner 10001 --group 10001 --mode 700 \
        /var/lib/ringfence /var/lib/ringfence/work /var/cache/ringfence
ENV PATH=/opt/ringfence/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    NUMBA_CACHE_DIR=/var/cache/ringfence \
    RINGFENCE_STATE=/var/lib/ringfence/state
USER 10001:10001
# Rows of a data set that cannot be mapped are written here.
WORKDIR /var/lib/ringfence/work
VOLUME ["/var/lib/ringfence", "/var/cache/ringfence"]
CMD ["ringfence", "--help"]

FROM runtime AS gnn
COPY --from=packages-gnn /opt/ringfence /opt/ringfence
EXPOSE 8084

FROM runtime
COPY --from=packages /opt/ringfence /opt/ringfence
EXPOSE 8080 8081 8082 8083
