# shellcheck shell=bash
# The words of a scenario for files: a tree of them, on the TV, on this machine and in FAT images.

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
