# shellcheck shell=bash
# A new cluster in $FOLDER. Runs with Ceph's programs in place (enter).

# create_folders: what must be there before the first daemon starts: ports, configuration, keys, the monitor's data. Those
# of the OSDs are being made when it returns; create_osds waits for that.
create_folders() {
    local osd
    rm -rf "$FOLDER"/{mon.a,osd.*,rgw,port,monmap,daemons,ceph.conf,*.keyring,s3.env,log}
    mkdir -p "$FOLDER/log"
    PORT=$(ports_claim)
    FSID=$(</proc/sys/kernel/random/uuid)
    write_conf >"$FOLDER/ceph.conf"
    {
        echo mon.a
        for ((osd = 0; osd < OSDS; osd++)); do echo "osd.$osd"; done
        [[ $RGW = no ]] || echo client.rgw
    } >"$FOLDER/daemons"
    create_keys
    monmaptool --create --fsid "$FSID" --addv a "$(mon_address)" --set-min-mon-release reef "$FOLDER/monmap" >/dev/null
    mkdir "$FOLDER/mon.a"
    ceph-mon --mkfs -i a --monmap "$FOLDER/monmap" --keyring "$FOLDER/all.keyring"
    MAKING=()
    for ((osd = 0; osd < OSDS; osd++)); do
        mkdir "$FOLDER/osd.$osd"
        cp /proc/sys/kernel/random/uuid "$FOLDER/osd.$osd/uuid"
        mv "$FOLDER/osd.$osd.keyring" "$FOLDER/osd.$osd/keyring"
        setpriv --pdeathsig KILL -- ceph-osd --mkfs -i "$osd" --osd-uuid "$(<"$FOLDER/osd.$osd/uuid")" --no-mon-config \
            --monmap "$FOLDER/monmap" >"$FOLDER/log/osd.$osd.mkfs" 2>&1 &
        MAKING+=($!)
    done
    rm "$FOLDER/all.keyring"
}

mon_address() { echo "[v2:127.0.0.1:$PORT,v1:127.0.0.1:$((PORT + 1))]"; }

write_conf() {
    cat <<CONF
[global]
    fsid = $FSID
    mon_initial_members = a
    mon_host = $(mon_address)
    auth_cluster_required = cephx
    auth_service_required = cephx
    auth_client_required = cephx
    keyring = $FOLDER/ceph.\$name.keyring
    debug_rocksdb = 1/1

# What follows is for the servers. One of each: a single copy of everything is what is wanted here.
[mon]
    public_addr = 127.0.0.1
    mon_data = $FOLDER/mon.\$id
    # The tests' disk may be nearly full; that is not this cluster's business.
    mon_data_avail_warn = 1
    mon_data_avail_crit = 0
    # Seconds that it waits for more changes before it makes one.
    paxos_propose_interval = 0.1
    mon_allow_pool_delete = true
    mon_allow_pool_size_one = true
    mon_warn_on_pool_no_redundancy = false
    # There is no manager daemon, and never will be.
    mon_mgr_mkfs_grace = 1000000000
    mon_warn_on_pool_no_app = false
    auth_allow_insecure_global_id_reclaim = false
    osd_pool_default_size = 1
    osd_pool_default_min_size = 1
    osd_pool_default_pg_num = 8
    osd_pool_default_pg_autoscale_mode = off
    osd_crush_chooseleaf_type = 0
    log_file = $FOLDER/log/\$name.log
    admin_socket = $FOLDER/run/\$name.asok

[osd]
    public_addr = 127.0.0.1
    cluster_addr = 127.0.0.1
    ms_bind_port_min = $((PORT + 8))
    ms_bind_port_max = $((PORT + PORT_BLOCK - 1))
    osd_data = $FOLDER/osd.\$id
    keyring = $FOLDER/osd.\$id/keyring
    osd_objectstore = $STORE
    bluestore_block_size = $OSD_BYTES
    bluestore_block_db_create = false
    bluestore_block_wal_create = false
    memstore_device_bytes = $OSD_BYTES
    bluestore_fsck_on_mkfs = false
    # At its first start an OSD measures its disk, for which it writes 400 MB.
    osd_mclock_skip_benchmark = true
    # For a machine with other things to do.
    osd_memory_target = 939524096
    bluestore_cache_autotune = false
    bluestore_cache_size = 67108864
    osd_crush_initial_weight = 1
    # All of them, so that none is missed by a client of another version.
    osd_class_load_list = *
    # Debian's default is relative to nowhere in particular.
    osd_class_dir = $(dirname /usr/lib/*/rados-classes/libcls_rbd.so)
    osd_class_default_list = *
    log_file = $FOLDER/log/\$name.log
    admin_socket = $FOLDER/run/\$name.asok

[client.rgw]
    rgw_frontends = beast endpoint=127.0.0.1:$((PORT + 2))
    rgw_data = $FOLDER/rgw
    log_file = $FOLDER/log/\$name.log
    admin_socket = $FOLDER/run/\$name.asok
CONF
}

# create_keys: all keys at once; the monitor takes them over when its data are made.
create_keys() {
    local osd all=$FOLDER/all.keyring
    ceph-authtool --create-keyring "$all" --gen-key -n mon. --cap mon 'allow *' >/dev/null
    key client.admin "$FOLDER/ceph.client.admin.keyring" --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *' --cap mds 'allow *'
    key "client.$CEPH_USER" "$FOLDER/ceph.client.$CEPH_USER.keyring" --cap mon 'profile rbd' \
        --cap osd "profile rbd pool=$POOL, profile rbd pool=$POOL-data"
    for ((osd = 0; osd < OSDS; osd++)); do
        key "osd.$osd" "$FOLDER/osd.$osd.keyring" --cap mon 'allow profile osd' --cap mgr 'allow profile osd' --cap osd 'allow *'
    done
    [[ $RGW = no ]] || key client.rgw "$FOLDER/ceph.client.rgw.keyring" --cap mon 'allow rw' --cap osd 'allow rwx'
}

# key NAME FILE CAPS...: a new key in a file of its own, and in all.keyring with what it may do.
key() {
    local name=$1 file=$2
    shift 2
    ceph-authtool --create-keyring "$file" --gen-key -n "$name" >/dev/null
    ceph-authtool "$all" --import-keyring "$file" >/dev/null
    ceph-authtool "$all" -n "$name" "$@" >/dev/null
}

# create_osds: makes the OSDs known, when their data are there; the monitor runs.
create_osds() {
    local osd
    for ((osd = 0; osd < OSDS; osd++)); do
        ceph osd new "$(<"$FOLDER/osd.$osd/uuid")" "$osd" >/dev/null
        wait "${MAKING[osd]}" || die "the data of osd.$osd could not be made" "$(tail -n 15 "$FOLDER/log/osd.$osd.mkfs")"
    done
    rm "$FOLDER/monmap"
}

# create_pools: the OSDs run.
create_pools() {
    ceph osd pool create "$POOL" 8 >/dev/null
    ceph osd pool create "$POOL-data" 8 >/dev/null
    ceph osd pool application enable "$POOL-data" rbd >/dev/null
    rbd pool init "$POOL"
}

# create_s3: a user of the S3 endpoint, with its keys in FOLDER/s3.env.
create_s3() {
    mkdir "$FOLDER/rgw"
    launch client.rgw
    # Python comes with Ceph's tools. The secret goes from the one to the other and into the file, past all arguments.
    radosgw-admin user create --uid stick --display-name stick 2>"$FOLDER/log/radosgw-admin" |
        python3 -c 'import json, sys
key = json.load(sys.stdin)["keys"][0]
print("AWS_ENDPOINT_URL=http://127.0.0.1:" + sys.argv[1])
print("AWS_ACCESS_KEY_ID=" + key["access_key"])
print("AWS_SECRET_ACCESS_KEY=" + key["secret_key"])
print("AWS_REGION=default")' "$((PORT + 2))" >"$FOLDER/s3.env"
}

# describe: what is in FOLDER/cluster, for people and programs.
describe() {
    cat <<TEXT
conf=$FOLDER/ceph.conf
fsid=$FSID
monitors=127.0.0.1:$PORT
monitors_v1=127.0.0.1:$((PORT + 1))
ports=$PORT-$((PORT + PORT_BLOCK - 1))
pool=$POOL
data_pool=$POOL-data
admin=admin
admin_keyring=$FOLDER/ceph.client.admin.keyring
user=$CEPH_USER
user_keyring=$FOLDER/ceph.client.$CEPH_USER.keyring
TEXT
    [[ $RGW = no ]] || printf 's3_port=%s\ns3_secrets=%s\n' "$((PORT + 2))" "$FOLDER/s3.env"
}
