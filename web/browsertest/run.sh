#!/usr/bin/env bash
# Checks the pages in a browser, on a demo of its own.
#
#   COINGRAPH_BIN  the program; unset: make build makes it
#   CHROMIUM       the browser; unset: /usr/bin/chromium. Where there is none, CI=true fails and anything else skips
#   SCREENSHOTS    where screenshots go; unset: a temporary directory, whose name is printed
set -euo pipefail
cd "$(dirname "$0")"
npm ci --no-audit --no-fund --loglevel=error
exec ../../scripts/with-demo node --test --test-concurrency=1 page.test.mjs doors.test.mjs
