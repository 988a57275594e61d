# shellcheck shell=bash
# Servers and blobs on this machine. The guest reaches what listens on 127.0.0.1 here as 10.0.2.2.

# Azurite's own account, documented and the same everywhere: no secret.
AZURITE_ACCOUNT=devstoreaccount1
AZURITE_KEY='Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='
export BLOB_CONTAINER=sticks

# azurite_start [durable]: starts Azurite on a free port. durable: keeps all that it acknowledged when it is killed,
# as the real service does (and is slower for it).
azurite_start() {
    AZURITE_MODE=${1:-}
    AZURITE_HOME=$("$REPOSITORY/ci/azurite/install")
    free_port AZURITE_PORT
    export BLOB_CONNECTION="DefaultEndpointsProtocol=http;AccountName=$AZURITE_ACCOUNT;AccountKey=$AZURITE_KEY;BlobEndpoint=http://127.0.0.1:$AZURITE_PORT/$AZURITE_ACCOUNT;"
    # For the guest: where the same Azurite is, seen from there.
    export AZURITE_ENDPOINT=http://10.0.2.2:$AZURITE_PORT/$AZURITE_ACCOUNT
    azurite_launch
}

azurite_launch() {
    local require=()
    [[ $AZURITE_MODE != durable ]] || require=(--require "$REPOSITORY/ci/azurite/durable.cjs")
    mkdir -p "$WORK/azurite"
    env -u NODE_OPTIONS -C "$WORK/azurite" setpriv --pdeathsig KILL -- \
        node "${require[@]}" "$AZURITE_HOME/node_modules/azurite/dist/src/blob/main.js" \
        --blobHost 127.0.0.1 --blobPort "$AZURITE_PORT" --location "$WORK/azurite" \
        --silent --disableTelemetry --skipApiVersionCheck </dev/null >>"$WORK/azurite.log" 2>&1 &
    AZURITE_PID=$!
    wait_until 120 "Azurite to start" azurite_answers
}

azurite_answers() {
    kill -0 "$AZURITE_PID" 2>/dev/null || die "Azurite ended" "$(tail -n 5 "$WORK/azurite.log")"
    # Any answer will do, also a refusal of this unsigned request.
    curl -so /dev/null "http://127.0.0.1:$AZURITE_PORT/"
}

# azurite_kill: ends Azurite as a crash would. azurite_restart: the same port, the same data.
azurite_kill() {
    kill -KILL "$AZURITE_PID"
    wait "$AZURITE_PID" 2>/dev/null || true
    AZURITE_PID=
}
azurite_restart() { azurite_launch; }

# azurite_secrets STORE: the secrets file of a store of this name.
azurite_secrets() {
    cat <<TOML
[store.$1]
account_key = "$AZURITE_KEY"
TOML
}

# blob_create NAME SIZE, blob_upload NAME FILE, blob_download NAME FILE: page blobs by Microsoft's client. SIZE as
# numfmt reads it: 256M, 1G.
blob_create() { blob create "$1" "$(numfmt --from=iec "$2")"; }
blob_upload() { blob upload "$@"; }
blob_download() { blob download "$@"; }
blob() { "$(blob_client_folder)/bin/python" "$RIG/lib/blob.py" "$@"; }

blob_client_folder() {
    local pins
    pins=$(sha256sum <"$RIG/requirements.txt")
    printf '%s/virtual-tv/blob-client-%s\n' "$CACHE" "${pins:0:16}"
}

# ceph_start [OPTION...]: a Ceph cluster of this scenario's own (options: scripts/ceph --help). It is in $CEPH, its
# ceph.conf and keyrings too; client.stick is the user for the stick, rbd the pool. Call forward_ceph for the guest.
ceph_start() {
    CEPH=$WORK/ceph
    "$REPOSITORY/scripts/ceph" prepare
    mkdir -p "$CEPH"
    # Of a cluster that lost its power.
    rm -f "$CEPH/run/ready"
    # Everything of it ends with this shell, however this shell ends.
    setpriv --pdeathsig KILL -- "$REPOSITORY/scripts/ceph" start "$CEPH" --foreground "$@" </dev/null >"$WORK/ceph.log" 2>&1 &
    CEPH_PID=$!
    wait_until 240 "the Ceph cluster to start" ceph_serves
}

ceph_serves() {
    kill -0 "$CEPH_PID" 2>/dev/null || die "the Ceph cluster ended" "$(tail -n 30 "$WORK/ceph.log")"
    [[ -e $CEPH/run/ready ]]
}

# ceph_run TOOL ARGUMENTS...: a tool of Ceph (rbd, ceph, rados) on this machine, as the cluster's administrator.
ceph_run() { "$REPOSITORY/scripts/ceph" run "$CEPH" -- "$@"; }
# ceph_kill DAEMON, ceph_revive DAEMON: kill -9 of mon.a or osd.0, and its return.
ceph_kill() { "$REPOSITORY/scripts/ceph" kill "$CEPH" "$@"; }
ceph_revive() { "$REPOSITORY/scripts/ceph" revive "$CEPH" "$@"; }
# ceph_fact NAME: what `scripts/ceph` says about the cluster: monitors, monitors_v1, ports, pool, user, ...
ceph_fact() { sed -n "s/^$1=//p" "$CEPH/cluster"; }
# ceph_key USER: the key of client.USER.
ceph_key() { sed -n 's/^[[:space:]]*key = //p' "$CEPH/ceph.client.$1.keyring"; }
# ceph_facts: what rbd-check wants to know of the cluster, on its input.
ceph_facts() {
    printf 'monitors=v2:%s\nuser=%s\nkey=%s\npool=%s\ndata_pool=%s\n' "$(ceph_fact monitors)" "$(ceph_fact user)" \
        "$(ceph_key "$(ceph_fact user)")" "$(ceph_fact pool)" "$(ceph_fact data_pool)"
}
# ceph_power_cut: kills all daemons at once. ceph_again: starts them again, with the same data and addresses.
ceph_power_cut() {
    kill -KILL "$CEPH_PID"
    wait "$CEPH_PID" 2>/dev/null || true
    CEPH_PID=
}
ceph_again() { ceph_start; }

servers_stop() {
    [[ -z ${AZURITE_PID:-} ]] || azurite_kill
    [[ -z ${CEPH_PID:-} ]] || ceph_power_cut
}
