# What the benchmarks share: a throwaway PostgreSQL, a working folder that goes at the end, the committed figures. Sourced by them.

# Builds, makes the working folder and starts the server; `$work`, `$port` and `$server` say where.
prepare() {
    find_postgres || stop "PostgreSQL's server programs are missing: apt-get install postgresql, and run it again"
    say "building"
    # As what runs at a business is built, not as what somebody tries out first.
    cargo build --locked --profile dist -p bench --bin "bench-${1//_/-}" || stop "the build failed"
    work=$(mktemp -d "${TMPDIR:-/tmp}/privity-bench.XXXXXX") || exit 2
    trap tidy_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    chmod 711 "$work" # the server's account must be able to walk through
    start_postgres
    git show "HEAD:bench/results/$1.json" >"$work/before.json" 2>/dev/null
}

find_postgres() {
    local found
    found=$(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)
    [ -x "$found" ] || found=$(command -v initdb) || return 1
    postgres_bin=$(dirname "$found")
    [ -x "$postgres_bin/postgres" ]
}

start_postgres() {
    local dir=$work/postgres log=$work/postgres.log tries=0
    own_directory "$dir"
    (become_owner "$dir" "$postgres_bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8) >"$log" 2>&1 ||
        stop "initdb failed: $(tail -n 1 "$log")"
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    # Durability is PostgreSQL's own default: fsync, synchronous_commit and full_page_writes are on.
    become_owner "$dir" setpriv --pdeathsig=QUIT "$postgres_bin/postgres" -D "$dir/data" -p "$port" \
        -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c shared_buffers=512MB -c max_wal_size=4GB \
        </dev/null >>"$log" 2>&1 &
    server=$!
    disown "$server"
    until "$postgres_bin/pg_isready" -q -h 127.0.0.1 -p "$port"; do
        kill -0 "$server" 2>/dev/null && [ $((tries += 1)) -le 300 ] || stop "PostgreSQL did not start: $(tail -n 1 "$log")"
        sleep 0.1
    done
}

# Database servers refuse to run as root: the package's own account owns the directory then, or `nobody`.
own_directory() {
    local account=postgres
    mkdir -m 700 "$1"
    [ "$(id -u)" = 0 ] || return 0
    id "$account" >/dev/null 2>&1 || account=nobody
    chown "$(id -u "$account"):$(id -g "$account")" "$1"
}

become_owner() {
    cd "$1" || exit 1
    shift
    [ "$(id -u)" = 0 ] || exec "$@"
    HOME=$PWD exec setpriv --reuid="$(stat -c %u .)" --regid="$(stat -c %g .)" --clear-groups "$@"
}

target_directory() {
    cargo metadata --no-deps --format-version 1 | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])'
}

tidy_up() {
    local status=$? tries=0
    trap '' INT TERM HUP
    if [ -n "${server:-}" ]; then
        kill -s QUIT "$server" 2>/dev/null
        while kill -0 "$server" 2>/dev/null && [ $((tries += 1)) -le 100 ]; do sleep 0.1; done
        kill -s KILL "$server" 2>/dev/null
    fi
    rm -rf "$work"
    exit $status
}

say() { printf '== %s\n' "$*"; }
stop() { printf '%s: %s\n' "$0" "$*" >&2; exit 1; }
