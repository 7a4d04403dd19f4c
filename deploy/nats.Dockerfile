# NATS with its configuration inside: docker build --file deploy/nats.Dockerfile .
FROM nats:2-alpine
COPY deploy/nats.conf deploy/nats-users.conf /etc/nats/
# Not root. The directory has to be there for a new volume at /data to belong to its user.
RUN mkdir -p /data && chown 1000:1000 /data
USER 1000:1000
CMD ["--config", "/etc/nats/nats.conf"]
