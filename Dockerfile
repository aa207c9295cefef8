# requeue in a small image, not as root:
#   docker build -t requeue .                                     the simulator and its figures
#   docker build -t requeue --build-arg EXTRAS='[all]' .          with tables, pictures, reports, searches
#   docker run --rm -v "$PWD:/work" --user "$(id -u)" requeue run my-cluster.yaml
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
ARG EXTRAS=""
WORKDIR /source
COPY pyproject.toml setup.py README.md LICENSE constraints.txt ./
COPY scenarios scenarios
COPY sim sim
RUN python -m venv --without-pip /opt/requeue \
    && pip --python /opt/requeue/bin/python install --no-cache-dir -c constraints.txt ".${EXTRAS}"

FROM python:${PYTHON}-slim
COPY --from=build /opt/requeue /opt/requeue
ENV PATH=/opt/requeue/bin:$PATH MPLCONFIGDIR=/tmp/matplotlib
RUN mkdir /work && chown 65532:65532 /work
USER 65532:65532
WORKDIR /work
ENTRYPOINT ["requeue"]
CMD ["--help"]
