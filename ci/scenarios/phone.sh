# shellcheck shell=bash
# A phone in the same network (this machine) claims the stick, names a store and makes an image, by the requests that the page
# sends; the TV finds a stick that is formatted.

azurite_start
free_port PAGE_PORT
VM_PORTS=$PAGE_PORT vm_start
stick_config <<TOML
name = "kitchen"

$(toml_page)
TOML
stick_start

step "the TV sees the setup stick; the phone takes the code from it and claims the device"
code=$(tv_claim_code)
phone_claims "\"code\": \"$code\""
tv_wait_gone 0

step "a store in the cloud, and an image in it"
connection="DefaultEndpointsProtocol=http;AccountName=$AZURITE_ACCOUNT;AccountKey=$AZURITE_KEY;BlobEndpoint=$AZURITE_ENDPOINT;"
# settings CONTAINER: as the form is filled in.
settings() {
    printf '{"type": "azure", "way": "connection_string", "values": {"connection_string": "%s", "allow_http": true%s}}' \
        "$connection" "${1:+, \"container\": \"$1\"}"
}
phone POST /store-places "{\"settings\": $(settings ''), \"name\": \"sticks\"}" >/dev/null
phone PUT /stores/cloud "$(settings sticks)" >/dev/null
task=$(phone POST /stores/cloud/images \
    '{"name": "films", "size": 268435456, "filesystem": {"type": "fat", "label": "FILMS", "table": "mbr"}}' | field task)
wait_until 120 "the image" phone_task_ended "$task"
phone POST /disks '{"name": "films", "store": "cloud", "image": "films", "read_only": false, "insert": true}' >/dev/null

step "the TV has a formatted stick, and copies a film to it"
tv_wait_size 0 268435456
disk=$(tv_disk 0)
expect_match "the file system" "$(tv_partition "$disk")" 'LABEL="FILMS".*TYPE="vfat"'
tv_copy_film "${disk}1"
tv eject "$disk"
tv_wait_no_medium 0
expect "the daemon ends well" stick_stop

step "the film is in the blob, for another client"
expect_film_in_blob films
