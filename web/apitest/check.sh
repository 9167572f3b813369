#!/usr/bin/env bash
# See run.sh: COINGRAPH_URL is a server that runs already.
set -euo pipefail
document=$(mktemp --suffix .json)
trap 'rm -f "$document"' EXIT
curl -fsS "$COINGRAPH_URL/openapi.json" -o "$document"
REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true npx --no-install redocly lint "$document" --config redocly.yaml
npx --no-install newman run ../../docs/postman.json --environment ../../docs/postman-environment.json \
  --env-var "baseUrl=$COINGRAPH_URL" --reporters cli --reporter-cli-no-success-assertions --reporter-cli-no-banner --color off
