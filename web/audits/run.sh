#!/usr/bin/env bash
# Audits GraphQL over HTTP: runs the demo on a free port, and audits.test.mjs on it. The demo's introspection is open,
# which audits need that ask for __type.
#
#   COINGRAPH_BIN  the program; unset: make build makes it
set -euo pipefail
cd "$(dirname "$0")"

if [ -z "${COINGRAPH_BIN:-}" ]; then
  make --no-print-directory -C ../.. build
  COINGRAPH_BIN=../../bin/coingraph
fi
npm ci --no-audit --no-fund --loglevel=error

log=$(mktemp)
demo=
stop() {
  if [ -n "$demo" ]; then
    kill -TERM "$demo" 2>/dev/null || true
    wait "$demo" || true
  fi
  rm -f "$log"
}
trap stop EXIT

"$COINGRAPH_BIN" demo --listen 127.0.0.1:0 >"$log" 2>&1 &
demo=$!
COINGRAPH_URL=
for _ in $(seq 100); do
  COINGRAPH_URL=$(sed -n 's|^ *Charts *\(http://[^ ]*\)/$|\1|p' "$log")
  if [ -n "$COINGRAPH_URL" ] || ! kill -0 "$demo" 2>/dev/null; then break; fi
  sleep 0.1
done
if [ -z "$COINGRAPH_URL" ]; then
  cat "$log"
  echo 'the demo did not print where it listens'
  exit 1
fi

status=0
COINGRAPH_URL=$COINGRAPH_URL node --test audits.test.mjs || status=$?
if [ "$status" -ne 0 ]; then
  echo 'what the demo said:'
  cat "$log"
fi
exit "$status"
