# shellcheck shell=bash
# What is handed out: the image compressed, its block map, and checksums.

# The size in MiB that it is to stay under.
IMAGE_SIZE_LIMIT=24

# compress_image IMAGE FILE.img.zst
compress_image() {
    zstd -q -f -T1 -19 "$1" -o "$2"
    block_map "$1" >"${2%.img.zst}.bmap"
    (cd "${2%/*}" && sha256sum "${2##*/}") >"$2.sha256"
}

# image_size FILE.img.zst: says how large it is, and fails if that is too much.
image_size() {
    local size
    size=$(stat -c %s "$1")
    say "$1: $(awk -v bytes="$size" 'BEGIN { printf "%.2f", bytes / 1048576 }') MiB (to stay under $IMAGE_SIZE_LIMIT)"
    ((size < IMAGE_SIZE_LIMIT * 1048576)) || die "$1 is larger than $IMAGE_SIZE_LIMIT MiB" \
        'What the card holds: image/debian/packages, image/modules, the program (scripts/cross-build --report).'
}

# block_map IMAGE: bmap 2.0 (of bmap-tools), by which a flasher writes only what matters: the head of the FAT partition and
# slot A. What is left out is never read before it is written, so the card's old content may stay there. Zeroes that
# are file system tables are in it.
block_map() {
    python3 - "$1" $(((CONFIGURATION_START + 16384) * 512)) $((SLOT_A_START * 512)) <<'PYTHON'
import hashlib, os, sys
path, head_end, slot_start = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
block = 4096
size = os.path.getsize(path)
ranges = [(0, head_end // block - 1), (slot_start // block, size // block - 1)]
lines = []
with open(path, "rb") as image:
    for first, last in ranges:
        image.seek(first * block)
        digest = hashlib.sha256(image.read((last - first + 1) * block)).hexdigest()
        lines.append(f'    <Range chksum="{digest}">{first}-{last}</Range>')
mapped = sum(last - first + 1 for first, last in ranges)
text = f"""<?xml version="1.0" ?>
<bmap version="2.0">
  <ImageSize>{size}</ImageSize>
  <BlockSize>{block}</BlockSize>
  <BlocksCount>{size // block}</BlocksCount>
  <MappedBlocksCount>{mapped}</MappedBlocksCount>
  <ChecksumType>sha256</ChecksumType>
  <BmapFileChecksum>{{}}</BmapFileChecksum>
  <BlockMap>
""" + "\n".join(lines) + "\n  </BlockMap>\n</bmap>\n"
# The checksum of the map itself is taken with zeroes in its place.
print(text.format(hashlib.sha256(text.format("0" * 64).encode()).hexdigest()), end="")
PYTHON
}
