# One image for each service: docker build --build-arg SERVICE=services/gateway .
# The workspace keeps its layout: Node strips the types of sources, but not of those under node_modules.
FROM node:24-slim AS build
WORKDIR /app
ENV ONNXRUNTIME_NODE_INSTALL=skip CI=true
RUN npm install --global --no-fund --no-audit pnpm@12.21.0
# The downloads are one layer for all services; only pnpm's store is kept of it.
COPY pnpm-lock.yaml pnpm-workspace.yaml ./
RUN pnpm fetch --prod && rm -rf node_modules
COPY package.json ./
COPY packages packages
COPY services services
ARG SERVICE
ARG MAIN=src/main.ts
# Only this service, what it depends on, and no development dependency.
RUN pnpm install --offline --frozen-lockfile --prod --filter "{./${SERVICE}}..." \
 && find node_modules/.pnpm -path '*onnxruntime-node/bin/napi-v*/*' -prune -type d \
      ! -path "*/linux" ! -path "*/linux/*" -exec rm -rf {} + \
 && find node_modules/.pnpm -type d -path '*onnxruntime-node/bin/napi-v*/linux/*' -prune \
      ! -name "$(node -p process.arch)" -exec rm -rf {} + \
 && find services packages -type d -name test -prune -exec rm -rf {} + \
 && ln -s "${SERVICE}/${MAIN}" service.ts

FROM node:24-slim
WORKDIR /app
# Two malloc arenas: with glibc's default of eight a core, decoded photos leave the detector half as large again.
ENV NODE_ENV=production MALLOC_ARENA_MAX=2
COPY --from=build --chown=node:node /app /app
USER node
# node itself is PID 1 and gets the SIGTERM: a package manager in between would swallow it.
CMD ["node", "/app/service.ts"]
