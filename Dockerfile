FROM python:3.13-slim AS build
RUN apt-get update \
 && apt-get install --yes --no-install-recommends gcc libc6-dev
WORKDIR /src
COPY requirements/ requirements/
RUN python -m venv /opt/traceward \
 && /opt/traceward/bin/pip install --no-cache-dir --require-hashes -r requirements/run.lock \
 && pip install --no-cache-dir --require-hashes -r requirements/compile.lock
COPY pyproject.toml README.md LICENSE ./
COPY config/demo.yaml config/
COPY proxy/ proxy/
RUN HATCH_BUILD_HOOK_ENABLE_MYPYC=1 pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/traceward/bin/pip install --no-cache-dir --no-deps --no-index /wheels/*.whl

FROM python:3.13-slim
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin traceward
COPY --from=build /opt/traceward /opt/traceward
ENV PATH=/opt/traceward/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /etc/traceward
# By number, so that Kubernetes can see that it is not root.
USER 10001:10001
EXPOSE 8080 9901
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
  CMD ["python", "-c", "import http.client as h, sys; c = h.HTTPConnection('127.0.0.1', 9901, timeout=2); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["traceward"]
CMD ["run", "-c", "/etc/traceward/traceward.yaml"]
