#!/usr/bin/env bash
# Audits GraphQL over HTTP, on a demo of its own. The demo's introspection is open, which audits need that ask for __type.
#
#   COINGRAPH_BIN  the program; unset: make build makes it
set -euo pipefail
cd "$(dirname "$0")"
npm ci --no-audit --no-fund --loglevel=error
exec ../../scripts/with-demo node --test audits.test.mjs
