# shellcheck shell=bash
# Guest images in the cache: each version of the recipe has its own, and those that nobody uses any more are removed.
# (Not in image.sh, which is a part of the recipe.)

# image_hold: keeps the current image in the cache for as long as this process and those that it starts live.
image_hold() {
    local held image
    image=$(image_folder)
    [[ -e $image/complete ]] || die "the virtual TV is not prepared" "Run scripts/virtual-tv/prepare first."
    exec {held}<"$image/complete"
    touch "$image/complete"
    flock --shared "$held"
}

# prune_guest_images: removes all images for this processor but the current one and those that somebody holds or used within
# a day (a checkout of another version beside this one), also those of the time when there was one processor, whose names have
# only the 16 digits. The caller holds the lock.
prune_guest_images() {
    local folder current
    current=$(image_folder)
    for folder in "$CACHE"/virtual-tv/image-{"$GUEST_DEBIAN"-*,????????????????}; do
        [[ $folder != "$current" && -d $folder ]] || continue
        [[ -z $(find "$folder/complete" -mmin -1440 2>/dev/null) ]] || continue
        if [[ ! -e $folder/complete ]] || flock --exclusive --nonblock "$folder/complete" true; then
            say "Removing an old image: $folder"
            rm -rf "$folder"
        fi
    done
}
