# Two stages: a builder that runs `make build`, and a small image with only the program.
#   docker build -t maskdoor .
#   docker run --rm -p 127.0.0.1:8787:8787 -v maskdoor:/data maskdoor
# The port is published for this machine alone. The server asks for a token, which the first of these commands makes:
#   docker run --rm -v maskdoor:/data maskdoor token add me --data-dir /data

FROM rust:1.95.0-bookworm AS builder
WORKDIR /src
COPY . .
# Downloads and build outputs stay cached when the sources change; only the program is copied out of the cache.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    make build && install -D target/release/maskdoor /out/maskdoor

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin maskdoor \
 && install -d -o maskdoor -g maskdoor /data
COPY --from=builder /out/maskdoor /usr/local/bin/maskdoor
COPY LICENSE-MIT LICENSE-APACHE /usr/share/doc/maskdoor/
USER maskdoor
VOLUME /data
EXPOSE 8787
# The slim image has no curl: bash opens the connection itself.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["bash", "-c", \
  "exec 3<>/dev/tcp/127.0.0.1/8787 && printf 'GET /ready HTTP/1.0\\r\\nHost: 127.0.0.1\\r\\n\\r\\n' >&3 && grep -q '^ready' <&3"]
# 0.0.0.0 is every address of the container; which of them can be reached from outside is what `docker run -p` says.
ENTRYPOINT ["maskdoor"]
CMD ["serve", "--addr", "0.0.0.0:8787", "--data-dir", "/data"]
