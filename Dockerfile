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
# The bill of materials: every package of this image's node_modules, as CycloneDX. Debian's packages are the base image's.
RUN pnpm sbom --prod --filter "./${SERVICE}" --sbom-format cyclonedx --sbom-type application --out sbom.cdx.json
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
RUN if [ "$BAKE_MODELS" = true ]; then MODEL_NAME="${MODEL_NAME:-yolox-nano}" node services/detector/src/fetch-model.ts; fi

FROM node:24-slim
WORKDIR /app
# Few malloc arenas, and large blocks given back at once: with glibc's defaults photos leave the detector half as large again.
ENV NODE_ENV=production ORT_DISABLE_TELEMETRY=1 \
    MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=131072 MALLOC_TRIM_THRESHOLD_=131072
# The code belongs to root, so that the process cannot change it. Its own are only the two places for downloaded models; the
# directory has to be there for a new volume at /cache to belong to it.
COPY --from=build /app /app
RUN install --directory --owner=node --group=node /app/.cache/models /cache
USER node
# node itself is PID 1 and gets the SIGTERM: a package manager in between would swallow it.
CMD ["node", "/app/service.ts"]
