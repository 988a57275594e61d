# shellcheck shell=bash
# The words of a scenario for what is written and must be there later: a film, a tree of files (on the TV, on this machine, in FAT
# images), bytes below any file system.

# make_tree FOLDER: a real film and a tree of small files with the names that people give them, and in
# $FOLDER.sha256 what is in them.
make_tree() {
    local album track folder
    mkdir -p "$1"
    cp "$FILM" "$1/A film with a long name (2022).mpg"
    for album in 'Ännchen & friends' 'Live at the Köln' "Rock'n'Roll" 'deep/er/and/deeper'; do
        folder=$1/music/$album
        mkdir -p "$folder"
        for track in {01..12}; do
            head -c "$((10#$track * 1777))" /dev/urandom >"$folder/$track Träck.ogg"
        done
    done
    : >"$1/empty file"
    (cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum) >"$1.sha256"
}

# put_tree FOLDER PATH: a folder of this machine into the guest, with its checksums as PATH.sha256.
put_tree() {
    tar -C "$1" -cf "$1.tar" . -C "${1%/*}" "${1##*/}.sha256"
    vm_put "$1.tar" "$2.tar"
    vm_run sh -c 'mkdir "$1" && tar -C "$1" -xmf "$1.tar" && mv "$1/$2" "$1.sha256"' sh "$2" "${1##*/}.sha256"
}

# check_tree FOLDER CHECKSUMS: every file of the list is there with its content (on this machine).
check_tree() { (cd "$1" && sha256sum --quiet --check "$2"); }

# fat_check IMAGE: the file system is clean. fat_extract IMAGE FOLDER: everything in it, by mtools.
fat_check() { PATH=$PATH:/usr/sbin fsck.vfat -n "$1"; }
fat_extract() { mkdir -p "$2" && LC_ALL=C.UTF-8 mcopy -s -n -i "$1" '::/*' "$2"; }

# fat_image FILE SIZE LABEL [FOLDER]: a FAT image, made on this machine, with the folder's content.
fat_image() {
    truncate -s "$2" "$1"
    PATH=$PATH:/usr/sbin mkfs.vfat -n "$3" "$1" >/dev/null
    [[ $# -lt 4 ]] || LC_ALL=C.UTF-8 mcopy -s -i "$1" "$4"/* ::/
}

# expect_tree_in IMAGE: a clean file system, in which is the tree of $WORK/tree; what else is there is in $WORK/out, too.
expect_tree_in() {
    expect "a clean file system" fat_check "$1"
    fat_extract "$1" "$WORK/out"
    expect "every file as it was" check_tree "$WORK/out" "$WORK/tree.sha256"
}

# give_tree: a tree in $WORK/tree, and the same in /tmp/tree of the TV.
give_tree() {
    make_tree "$WORK/tree"
    put_tree "$WORK/tree" /tmp/tree
}

# tv_check_tree [FOLDER]: every file of give_tree is in this folder of the TV (/mnt/tv) with its content.
tv_check_tree() { tv sh -c 'cd "$1" && sha256sum --quiet -c /tmp/tree.sha256' sh "${1:-/mnt/tv}"; }

# tv_copy_tree DEVICE: the TV copies the tree of give_tree to a formatted disk. tv_expect_tree DEVICE: it reads every file
# from the disk, not from its memory.
tv_copy_tree() {
    tv_mount "$1"
    tv cp -r /tmp/tree/. /mnt/tv/
    tv_unmount
}
tv_expect_tree() {
    tv_forget
    tv_mount "$1"
    expect "every file as it was" tv_check_tree
    tv_unmount
}

# tv_copy_film PARTITION [OPTION...]: the TV copies the film to a formatted disk, mounted as tv_mount does or with these options.
tv_copy_film() {
    vm_put "$FILM" /tmp/film.mpg
    if [[ $# -gt 1 ]]; then tv mount "${@:2}" "$1" /mnt/tv; else tv_mount "$1"; fi
    tv cp /tmp/film.mpg /mnt/tv/
    tv_unmount
}

# expect_film_in_blob BLOB: another client finds it in the first partition, a FAT, of a page blob.
expect_film_in_blob() {
    blob_download "$1" "$WORK/blob.img"
    mcopy -n -i "$WORK/blob.img@@1M" ::/film.mpg "$WORK/film.mpg"
    expect "the film as it was" cmp "$FILM" "$WORK/film.mpg"
}

# give_bytes: 4 MiB in $WORK/bytes, and the same in the guest. stick_write_bytes MIB: writes them there, to the first of the stick's
# disks, below the TV: that would only learn of an error when it ejects the stick. expect_bytes_in FILE MIB...: they are there.
give_bytes() {
    head -c 4M /dev/urandom >"$WORK/bytes"
    vm_put "$WORK/bytes" /tmp/bytes
}
stick_write_bytes() {
    stick dd if=/tmp/bytes of=/dev/ublkb0 bs=1M oflag=direct,seek_bytes seek="$(($1 << 20))" conv=notrunc 2>/dev/null
}
expect_bytes_in() {
    local mib
    for mib in "${@:2}"; do
        expect "the bytes at $mib MiB" cmp -n $((4 << 20)) -i 0:$((mib << 20)) "$WORK/bytes" "$1"
    done
}
