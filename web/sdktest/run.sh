#!/usr/bin/env bash
# Runs CoinGecko's own clients, unchanged, against coingraph serve on a simulated provider.
#
#   COINGRAPH_BIN  the program; unset: make build makes it
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root/web/sdktest"

if [ -z "${COINGRAPH_BIN:-}" ]; then
  make --no-print-directory -C "$root" build
  COINGRAPH_BIN=$root/bin/coingraph
fi
npm ci --no-audit --no-fund --loglevel=error

work=$(mktemp -d)
started=()
stop() {
  local pid
  for pid in "${started[@]}"; do
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid" || true
  done
  rm -rf "$work"
}
trap stop EXIT

# await LOG SED: what the expression finds in what a program has written so far, as soon as it does.
await() {
  local found
  for _ in $(seq 300); do
    found=$(sed -n "$2" "$1" | head -n 1)
    if [ -n "$found" ]; then
      echo "$found"
      return
    fi
    sleep 0.1
  done
  cat "$1" >&2
  echo "$1 never had $2" >&2
  return 1
}

"$COINGRAPH_BIN" simulate --listen 127.0.0.1:0 --plan pro --key CG-of-the-server >"$work/simulator" 2>&1 &
started+=($!)
provider=$(await "$work/simulator" 's|^ *CoinGecko *\(http://[^ ]*/api/v3\)$|\1|p')

# Each test file has a key of its own that may ask twice in a window, to see what a client does about a 429.
env -i PATH="$PATH" DATA_DIR="$work/data" LISTEN_ADDR=127.0.0.1:0 \
  COINGECKO_BASE_URL="$provider" COINGECKO_PLAN=pro COINGECKO_API_KEY=CG-of-the-server \
  API_KEYS='sdk:standard:sdk-key,slow:slow:slow-key,slower:slow:slower-key' ANONYMOUS_TIER=standard RATE_LIMIT_WINDOW=3s \
  RATE_LIMITS='standard/*=100000,admin/*=100000,slow/simple_price=2,slow/*=100' \
  "$COINGRAPH_BIN" serve >"$work/server" 2>&1 &
started+=($!)
address=$(await "$work/server" 's|.*"event":"start","address":"\([^"]*\)".*|\1|p')
await "$work/server" 's|.*"event":"catalogue.refresh".*|loaded|p' >/dev/null

status=0
COINGRAPH_URL=http://$address node --test --test-concurrency=1 official.test.mjs coingecko-api-v3.test.mjs || status=$?
if [ "$status" -ne 0 ]; then
  echo 'what the server said:'
  cat "$work/server"
fi
exit "$status"
