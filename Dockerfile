# One image for each service: docker build --build-arg SERVICE=services/gateway .
# The workspace keeps its layout: Node strips the types of sources, but not of those under node_modules.

# The manifests alone: a change of a source does not download the packages again.
FROM node:24-slim AS manifests
WORKDIR /app
COPY package.json pnpm-lock.yaml pnpm-workspace.yaml ./
COPY packages packages
COPY services services
RUN find packages services -type f ! -name package.json -delete

FROM node:24-slim AS build
WORKDIR /app
ENV ONNXRUNTIME_NODE_INSTALL=skip CI=true
RUN npm install --global --no-fund --no-audit pnpm@12.21.0
COPY --from=manifests /app ./
ARG SERVICE
# Only what this service and the packages that it depends on run with; of onnxruntime only this platform's library.
RUN pnpm install --frozen-lockfile --prod --filter-prod "{./${SERVICE}}..." \
 && find node_modules/.pnpm -path '*onnxruntime-node/bin/napi-v*/*' -prune -type d \
      ! -path "*/linux" ! -path "*/linux/*" -exec rm -rf {} + \
 && find node_modules/.pnpm -type d -path '*onnxruntime-node/bin/napi-v*/linux/*' -prune \
      ! -name "$(node -p process.arch)" -exec rm -rf {} +
COPY packages packages
COPY services services
ARG MAIN=src/main.ts
# Projects that got no node_modules are not this service's.
RUN for project in packages/* services/*; do [ -d "$project/node_modules" ] || rm -rf "$project"; done \
 && find packages services -name node_modules -prune -o \( -name test -o -name '*.test.ts' \) -prune -exec rm -rf {} + \
 && ln -s "${SERVICE}/${MAIN}" service.ts
# The detection models inside the image, so that no start needs their download; MODEL_NAME as at run time.
ARG BAKE_MODELS=false
ARG MODEL_NAME
ARG MODEL_SECOND_NAME
ARG MODEL_MIRROR
RUN if [ "$BAKE_MODELS" = true ]; then node services/detector/src/fetch-model.ts; fi

FROM node:24-slim
WORKDIR /app
# Two malloc arenas: with glibc's default of eight a core, decoded photos leave the detector half as large again.
ENV NODE_ENV=production MALLOC_ARENA_MAX=2 ORT_DISABLE_TELEMETRY=1
COPY --from=build --chown=node:node /app /app
USER node
# node itself is PID 1 and gets the SIGTERM: a package manager in between would swallow it.
CMD ["node", "/app/service.ts"]
