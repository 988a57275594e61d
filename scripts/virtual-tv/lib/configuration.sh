# shellcheck shell=bash
# The words of a scenario that write the stick's configuration.

# stick_config: the configuration comes on the input. stick_secrets: the same for the secrets file.
CONFIG=/etc/cloud-stick/gadget-manager.toml
stick_config() { vm_pipe sh -c 'mkdir -p /etc/cloud-stick && cat >"$1"' sh "$CONFIG"; }
stick_secrets() { vm_pipe sh -c 'mkdir -p /etc/cloud-stick && umask 077 && cat >/etc/cloud-stick/secrets.toml'; }

# stick_page: adds the page to the stick's configuration, at two ports that VM_PORTS must have when the machine starts:
#   free_port PAGE_PORT && free_port PAGE_TLS_PORT && VM_PORTS="$PAGE_PORT $PAGE_TLS_PORT" vm_start
stick_page() {
    vm_pipe sh -c 'cat >>"$1"' sh "$CONFIG" <<TOML

[web]
http = ["0.0.0.0:$PAGE_PORT"]
https = ["0.0.0.0:$PAGE_TLS_PORT"]
allowed_hosts = ["127.0.0.1", "localhost"]
announce = false
TOML
}

# The configuration of a stick with one LUN for each image. stick_with_blob IMAGE...: page blobs in Azurite, and the
# secrets. stick_with_files IMAGE...: files in /data/disks of the stick.
stick_with_blob() {
    { toml_blobs "$@" && toml_luns "$@"; } | stick_config
    azurite_secrets cloud | stick_secrets
}
# stick_with_rbd SETTING IMAGE...: Ceph images of ceph_start's cluster, and the key; SETTING is a line for the store, or empty.
# With DISK_SETTING, that line is for each disk.
stick_with_rbd() {
    { toml_rbd "$@" && shift && toml_luns "$@"; } | stick_config
    printf '[store.ceph]\nkey = "%s"\n' "$(ceph_key "$(ceph_fact user)")" | stick_secrets
}
stick_with_files() {
    { toml_files "$@" && toml_luns "$@"; } | stick_config
    stick mkdir -p /data/disks
}

# For configurations that are not so plain. toml_blobs IMAGE..., toml_files IMAGE..., toml_rbd SETTING IMAGE...: prints a
# store (named cloud, card, ceph) and a disk for each image, named like it; a line that follows belongs to the last disk.
toml_blobs() {
    cat <<TOML
[[store]]
name = "cloud"
type = "azure"
endpoint = "$AZURITE_ENDPOINT"
container = "$BLOB_CONTAINER"
allow_http = true
create_container = true
TOML
    toml_disks cloud "$@"
}
toml_files() {
    cat <<TOML
[[store]]
name = "card"
type = "file"
folder = "/data/disks"
TOML
    toml_disks card "$@"
}
toml_rbd() {
    cat <<TOML
[[store]]
name = "ceph"
type = "rbd"
pool = "$(ceph_fact pool)"
monitors = ["v2:$(ceph_fact monitors)"]
user = "$(ceph_fact user)"
$1
TOML
    toml_disks ceph "${@:2}"
}
toml_disks() {
    local image store=$1
    shift
    for image in "$@"; do
        printf '\n[[disk]]\nname = "%s"\nstore = "%s"\nimage = "%s"\n' "$image" "$store" "$image"
        [[ -z ${DISK_SETTING:-} ]] || echo "$DISK_SETTING"
    done
}

# toml_luns DISK...: prints the gadget with a removable LUN for each disk.
toml_luns() {
    local disk
    printf '\n[gadget]\nproduct = "Cloud Stick"\n'
    for disk in "$@"; do printf '\n[[gadget.lun]]\ndisk = "%s"\nremovable = true\n' "$disk"; done
}
