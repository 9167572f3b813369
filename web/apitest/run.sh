#!/usr/bin/env bash
# Checks the API's description with a linter, and runs the Postman collection, on a demo of its own.
#
#   COINGRAPH_BIN  the program; unset: make build makes it
set -euo pipefail
cd "$(dirname "$0")"
npm ci --prefer-offline --no-audit --no-fund --loglevel=error
exec ../../scripts/with-demo ./check.sh
