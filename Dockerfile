# A static binary in an image without a shell, run by nobody in particular.
#
# The bases are pinned by tag. Whoever publishes images pins them by digest as well
# (docker buildx imagetools inspect IMAGE): a tag can be moved.

FROM --platform=$BUILDPLATFORM golang:1.26.8-trixie AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
# With .git, from which "belay version" takes its commit.
COPY . .
ARG TARGETOS=linux
ARG TARGETARCH=amd64
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags="-s -w" -o /out/belay ./cmd/belay
RUN mkdir -m 0700 -p /out/data

FROM gcr.io/distroless/static-debian13:nonroot
COPY --from=build /out/belay /usr/local/bin/belay
COPY --from=build --chown=nonroot:nonroot --chmod=0700 /out/data /var/lib/belay
# The setting "data" is relative to here unless it says otherwise.
WORKDIR /var/lib/belay
VOLUME ["/var/lib/belay"]
# The public listener. The private one (health, metrics) listens on loopback until
# private_listen says otherwise; it is not for publishing.
EXPOSE 8080
USER nonroot:nonroot
ENTRYPOINT ["/usr/local/bin/belay"]
CMD ["serve", "--config", "/etc/belay/belay.yaml"]
