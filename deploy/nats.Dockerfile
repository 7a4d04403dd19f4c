# NATS with its configuration inside, for hosts that mount no files: docker build --file deploy/nats.Dockerfile .
FROM nats:2-alpine
COPY deploy/nats.conf deploy/nats-users.conf /etc/nats/
CMD ["--config", "/etc/nats/nats.conf"]
