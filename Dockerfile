# One image for every command: `docker compose run --rm worker-1 config check`.
# Compilers and pip's leftovers stay in the first stage.
FROM python:3.11.14-slim-bookworm AS dependencies
WORKDIR /app
COPY requirements.txt ./
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt

FROM python:3.11.14-slim-bookworm
RUN useradd --system --uid 10001 --user-group --no-create-home probewatch \
 && install --directory --owner probewatch --group probewatch /data /models
COPY --from=dependencies /venv /venv
WORKDIR /app
COPY LICENSE ./
COPY config ./config
COPY models ./models
COPY streams ./streams
COPY console ./console
COPY analysis ./analysis
COPY bench ./bench

ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PROBEWATCH_CONFIG_DIR=/app/config \
    PROBEWATCH_DATA_DIR=/data \
    PROBEWATCH_MODELS_DIR=/models \
    PROBEWATCH_WEB_HOST=0.0.0.0 \
    PROBEWATCH_WEB_PORT=6066
USER 10001:10001
VOLUME /data /models
EXPOSE 6066
# A worker that is alive answers even while its loop is busy; starting means reading state back, hence the minutes.
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s --retries=4 CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ['PROBEWATCH_WEB_PORT']}/healthz\", timeout=4)"]
ENTRYPOINT ["python", "-m", "streams"]
CMD ["worker"]
