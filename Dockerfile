FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 hephaestus \
    && install --directory --owner hephaestus /data

WORKDIR /app
# The locks change seldom, so their layer is kept while the code changes.
COPY requirements/runtime.txt requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY manage.py LICENSE ./
COPY hephaestus_site hephaestus_site
COPY tickets tickets
COPY boards boards
COPY search search
COPY gitlinks gitlinks
COPY mcp_bridge mcp_bridge
COPY templates templates
COPY static static

ENV PYTHONUNBUFFERED=1 \
    HEPHAESTUS_DATA_DIR=/data \
    HEPHAESTUS_HOST=0.0.0.0
USER hephaestus
VOLUME /data
EXPOSE 8000
# The embedded default. compose.yaml shows the scaled one.
CMD ["python", "manage.py", "run"]
