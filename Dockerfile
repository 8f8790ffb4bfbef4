# `tsmilter run` in a container: docker build -t tsmilter . (docs/running.md, "Containers")
ARG NODE=24

FROM node:${NODE}-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
# Packages that are optional elsewhere are part of the image (docs/decisions/packages.md).
RUN node_modules/.bin/tsc -p tsconfig.dist.json \
    && npm pkg set dependencies.prom-client="$(npm pkg get peerDependencies.prom-client | tr -d '"')" \
    && npm pkg set dependencies.tldts="$(npm pkg get peerDependencies.tldts | tr -d '"')" \
    && npm pkg set dependencies.ioredis="$(npm pkg get peerDependencies.ioredis | tr -d '"')" \
    && npm pkg set dependencies.lmdb="$(npm pkg get peerDependencies.lmdb | tr -d '"')" \
    && npm pkg set dependencies.mailauth="$(npm pkg get peerDependencies.mailauth | tr -d '"')" \
    && npm pkg delete devDependencies.prom-client \
    && npm pkg delete devDependencies.tldts \
    && npm pkg delete devDependencies.ioredis \
    && npm pkg delete devDependencies.lmdb \
    && npm pkg delete devDependencies.mailauth \
    && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:${NODE}-slim
# Above the filters, so that they find it by its name.
COPY --from=build /build/package.json /build/LICENSE /app/node_modules/tsmilter/
COPY --from=build /build/bin /app/node_modules/tsmilter/bin/
COPY --from=build /build/dist /app/node_modules/tsmilter/dist/
COPY --from=build /build/node_modules /app/node_modules/tsmilter/node_modules/
# What runs if nothing is mounted: the configuration of the Debian package, which changes no mail.
COPY --from=build /build/contrib/debian/tsmilter.yaml /app/filters/
RUN ln -s /app/node_modules/tsmilter/bin/tsmilter.js /usr/local/bin/tsmilter

# Filters are mounted here, or copied by an image that begins with FROM tsmilter.
WORKDIR /app/filters
# In a container the network is its own: who gets to the ports is decided outside. What a configuration or an
# option says goes before these.
ENV NODE_ENV=production \
    TSMILTER_FILTERS=tsmilter.yaml \
    TSMILTER_LISTEN_DEFAULT=inet:8890@0.0.0.0 \
    TSMILTER_TELEMETRY=0.0.0.0:9464 \
    TSMILTER_LOG_FORMAT=json
EXPOSE 8890 9464
USER node
HEALTHCHECK --interval=10s --timeout=10s --start-period=30s \
    CMD ["tsmilter", "check", "--quiet", "--healthz", "inet:8890@127.0.0.1"]
# Without a shell: the primary is process 1, and SIGTERM and SIGHUP are for it.
ENTRYPOINT ["tsmilter", "run"]
CMD ["tsmilter.yaml"]
