FROM node:22 AS pages
WORKDIR /src/web/ui
COPY web/ui/package.json web/ui/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY web/ui/ ./
RUN npm run build

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# As new as the tree they were built from, so that make takes them for built.
COPY --from=pages /src/web/assets/ web/assets/
RUN touch web/assets/.built
ARG VERSION=dev
ARG COMMIT=unknown
RUN make build VERSION="$VERSION" COMMIT="$COMMIT" \
    && install -d -m 0700 /image/data /image/tmp

FROM scratch
LABEL org.opencontainers.image.title="coingraph" \
      org.opencontainers.image.description="Self-hosted crypto market-data gateway" \
      org.opencontainers.image.source="https://github.com/coingraph/coingraph" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/bin/coingraph /coingraph
# /data and /tmp (SQLite spills there), for the one user there is.
COPY --from=build --chown=65532:65532 /image/ /
# prod, unlike the binary's own default: an image is published on a network, where development keys must not open it.
ENV COINGRAPH_ENV=prod \
    LISTEN_ADDR=:8080 \
    DATA_DIR=/data
USER 65532:65532
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["/coingraph", "health"]
ENTRYPOINT ["/coingraph"]
CMD ["serve"]
