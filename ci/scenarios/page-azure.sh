# shellcheck shell=bash
# From power-on to a stick in the cloud with the page in a browser: the owner reads the code off the TV, sets up a store in Azure and gets
# a formatted stick, to which the TV copies a film. Then TV and page put the disk in and take it out, each seeing what the other does.

azurite_start
page_start

step "the phone makes a stick of page blobs"
browser_sets_up azure SIZE_GB=0.3 FILESYSTEM=FAT32 LABEL=films CONTAINER=sticks \
    CONNECTION="DefaultEndpointsProtocol=http;AccountName=$AZURITE_ACCOUNT;AccountKey=$AZURITE_KEY;BlobEndpoint=$AZURITE_ENDPOINT;"

step "the TV has it, formatted, and copies a film to it"
size=$((286 << 20))
tv_wait_size 0 $size
disk=$(tv_disk 0)
expect_match "the file system" "$(tv_partition "$disk")" 'LABEL="FILMS".*TYPE="vfat"'
tv_copy_film "${disk}1"

step "the page that is open sees that the TV takes the disk out, and puts it in again"
browser_begin watch
tv eject "$disk"
browser_end
tv_wait_size 0 $size

step "the page takes it out"
browser eject
tv_wait_no_medium 0
expect "the daemon ends well" stick_stop

step "the film is in the blob, for another client"
expect_film_in_blob films
