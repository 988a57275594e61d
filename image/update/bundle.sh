# shellcheck shell=bash
# A bundle: what updates systems in the field. An archive as SWUpdate reads it; docs/updates.md and docs/decisions/0018 say why.

# The file of a bundle that becomes a slot.
BUNDLE_IMAGE=slot.fat

# bundle_make FILE SLOT KEY: with VERSION, CHANNEL, MINIMUM (may be empty) and BOARDS (an array) from whoever calls. The same
# arguments make the same bytes.
bundle_make() {
    local folder=$WORK/bundle
    rm -rf "$folder"
    mkdir -p "$folder"
    ln "$2" "$folder/$BUNDLE_IMAGE"
    bundle_description "$folder/$BUNDLE_IMAGE" >"$folder/sw-description"
    openssl dgst -sha256 -sign "$3" -out "$folder/sw-description.sig" "$folder/sw-description" ||
        die "$3 does not sign" 'It has to be a private RSA key in PEM.'
    same_always "$folder"
    # In this order: SWUpdate and gadget-manager want to know what comes before it comes.
    (cd "$folder" && printf '%s\n' sw-description sw-description.sig "$BUNDLE_IMAGE" |
        cpio --quiet --create --format=crc --owner=0:0 --reproducible) >"$1"
    rm -rf "$folder"
}

# bundle_description IMAGE: sw-description. Its words are explained in crates/update/src/bundle/description.rs.
bundle_description() {
    python3 - "$1" "$VERSION" "$CHANNEL" "$MINIMUM" "${BOARDS[@]}" <<'PYTHON'
import hashlib, json, os, sys
image, version, channel, minimum, *boards = sys.argv[1:]
with open(image, "rb") as file:
    digest = hashlib.file_digest(file, "sha256").hexdigest()
def selection(slot):
    return {"images": [{"filename": os.path.basename(image), "device": f"/run/cloud-stick/update/slot-{slot}",
                        "type": "raw", "installed-directly": True, "sha256": digest}]}
own = {"channel": channel}
if minimum:
    own["minimum-version"] = minimum
json.dump({"software": {
    "version": version,
    "description": f"Cloud Stick {version}",
    "hardware-compatibility": boards,
    "cloud-stick": own,
    "slot": {slot: selection(slot) for slot in "ab"},
}}, sys.stdout, indent=1)
PYTHON
}

# slot_word FILE NAME: what a slot says of itself in its file `release`.
slot_word() { MTOOLS_SKIP_CHECK=1 mtype -t -i "$1" ::release 2>/dev/null | tr -d '\r' | sed -n "s/^$2=//p"; }

# slot_whole FILE: a copy of a slot is cut after its last byte that is used; mtools wants the rest.
slot_whole() { truncate -s $((SLOT_SIZE * 512)) "$1"; }
