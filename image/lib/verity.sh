# shellcheck shell=bash
# The root file system under dm-verity (docs/decisions/0022): behind its blocks comes the tree of their SHA-256 sums. A file
# beside it, `root.verity`, says "BLOCKS DIGEST": how many blocks there are, and the root of the tree.

VERITY_BLOCK=4096

# verity_seal FILE SUMS: appends the tree to a file system and writes SUMS. No salt, so that the same bytes make the same tree.
verity_seal() {
    local blocks digest
    blocks=$((($(stat -c %s "$1") + VERITY_BLOCK - 1) / VERITY_BLOCK))
    truncate -s $((blocks * VERITY_BLOCK)) "$1"
    digest=$(verity_do format --data-blocks=$blocks --hash-offset=$((blocks * VERITY_BLOCK)) "$1" "$1" |
        sed -nE 's/^Root hash:[[:space:]]*([0-9a-f]{64})$/\1/p') || digest=
    [[ -n $digest ]] || die "veritysetup made no tree of sums for $1" 'Its messages are above.'
    echo "$blocks $digest" >"$2"
}

# verity_holds FILE SUMS: every block is what SUMS says.
verity_holds() {
    local blocks digest
    read -r blocks digest <"$2" &&
        verity_do verify --data-blocks="$blocks" --hash-offset=$((blocks * VERITY_BLOCK)) "$1" "$1" "$digest"
}

# verity_do WORD...: the format that crates/verity tells the kernel of.
verity_do() {
    PATH=$PATH:/usr/sbin:/sbin veritysetup "$1" --no-superblock --format=1 --salt=- --hash=sha256 \
        --data-block-size=$VERITY_BLOCK --hash-block-size=$VERITY_BLOCK "${@:2}"
}
