# shellcheck shell=bash
# Ports of clusters. A monitor's address is part of its data, and clients find it in ceph.conf: so a cluster has the same
# block of ports all its life, also while it is stopped.

# 8 + 4 x 14 ports: monitor, S3 endpoint, OSDs. An OSD listens on 8, and takes new ones when it was thought dead.
# Below the ports that tests reserve (crates/testkit/src/port.rs) and below those of outgoing connections.
PORT_FIRST=12000
PORT_BLOCK=64
PORT_BLOCKS=140

# ports_claim: finds a free block, claims it for $FOLDER and prints its first port. A block is claimed by a file that
# names the cluster's folder, for as long as that folder exists and names the block. OWNER is the user, who looks like root
# in a user namespace.
ports_claim() {
    local claims lock number first owner start
    claims=/tmp/cloud-stick-ceph-ports-$OWNER
    # With the user's own rights only: a stranger's folder is no place for claims.
    mkdir -m 700 "$claims" 2>/dev/null || [[ -O $claims && ! -L $claims ]] || die "$claims is somebody else's" "Remove it."
    exec {lock}>"$claims/lock"
    flock "$lock"
    start=$((RANDOM % PORT_BLOCKS))
    for ((number = 0; number < PORT_BLOCKS; number++)); do
        first=$((PORT_FIRST + (start + number) % PORT_BLOCKS * PORT_BLOCK))
        owner=$(cat "$claims/$first" 2>/dev/null) || owner=
        [[ -z $owner || $(cat "$owner/port" 2>/dev/null) != "$first" ]] || continue
        ports_silent "$first" || continue
        printf '%s\n' "$FOLDER" >"$claims/$first"
        printf '%s\n' "$first" >"$FOLDER/port"
        exec {lock}>&-
        echo "$first"
        return
    done
    die "no free block of ports on 127.0.0.1 from $PORT_FIRST to $((PORT_FIRST + PORT_BLOCK * PORT_BLOCKS))" \
        "Remove the folders of clusters that are not needed: $(cat "$claims"/[0-9]* 2>/dev/null | xargs)"
}

# ports_silent FIRST: nobody listens on any port of this block.
ports_silent() {
    local port
    for ((port = $1; port < $1 + PORT_BLOCK; port++)); do
        ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || return 1
    done
}
