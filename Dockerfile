# A store that serves HTTP on 8098 and Redis clients on 6398, with its data in /data: docs/operations.md, "In a container".
ARG NODE_VERSION=24

FROM node:${NODE_VERSION}-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=peer

FROM node:${NODE_VERSION}-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json rolldown.config.js ./
COPY src src
RUN npm run build

FROM node:${NODE_VERSION}-bookworm-slim
# Open to other containers and, where ports are published, beyond: without a token the store does not start so.
ENV NODE_ENV=production \
    RINGLET_DATA=/data \
    RINGLET_HTTP=0.0.0.0:8098 \
    RINGLET_RESP=0.0.0.0:6398
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
COPY bin/ringlet.cjs bin/ringlet.cjs
COPY dashboard dashboard
COPY docker/health.js docker/health.js
RUN install -d -o node -g node -m 0700 /data
USER node
VOLUME /data
EXPOSE 8098 6398
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["node", "docker/health.js"]
ENTRYPOINT ["node", "bin/ringlet.cjs"]
CMD ["serve"]
