# dnas in a container: no root, no shell needed, nothing written outside of mounted folders.
#   docker build -t dnas .                               for CPUs
#   docker build -t dnas:cuda --build-arg TORCH=cuda .   for NVIDIA GPUs
#   docker run --rm -v "$PWD:/work" dnas --help
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
ARG TORCH=cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
RUN python -m venv /opt/dnas
COPY pyproject.toml README.md LICENSE constraints.txt ./
# torch first, in a layer of its own: its CUDA build is the one of the package index.
RUN if [ "$TORCH" = cpu ]; then \
        /opt/dnas/bin/pip install -c constraints.txt torch --index-url https://download.pytorch.org/whl/cpu; \
    else \
        /opt/dnas/bin/pip install -c constraints.txt torch; \
    fi
COPY dnas_cli dnas_cli
RUN /opt/dnas/bin/pip install -c constraints.txt '.[cluster,gis,onnx]' \
    && /opt/dnas/bin/python -m compileall -q /opt/dnas/lib

FROM python:${PYTHON}-slim
COPY --from=build /opt/dnas /opt/dnas
# Matplotlib would look for a home directory; Python would write byte code beside the package.
ENV PATH=/opt/dnas/bin:$PATH MPLCONFIGDIR=/tmp/matplotlib PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 1000:1000
WORKDIR /work
ENTRYPOINT ["dnas"]
CMD ["--help"]
