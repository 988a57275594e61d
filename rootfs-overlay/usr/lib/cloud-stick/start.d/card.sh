# shellcheck shell=sh
# What the owner put on the card's first partition (FAT, which every PC can write): a configuration, its secrets, a key for
# SSH; and what scripts/flash put there. A configuration is taken only if gadget-manager can use it, and leaves the card then; if it cannot, a
# text beside it says why. Taking is done in an order that a power cut may interrupt anywhere: the card's file goes last.

CARD_FOLDER=/run/card
TAKEN=/etc/cloud-stick
STATE=/var/lib/cloud-stick

take_from_card() {
    mkdir -p "$CARD_FOLDER"
    # Nobody checks the FAT of a stick that was pulled: repairs are those that lose nothing.
    fsck.fat -a "$CARD_CONFIGURATION" >/run/log/fsck.fat 2>&1
    mount -t vfat -o noatime,nosuid,nodev,noexec,umask=077,flush "$CARD_CONFIGURATION" "$CARD_FOLDER" || return
    [ ! -e "$CARD_FOLDER/gadget-manager.toml" ] || take_configuration
    give_claim_code
    take_claim_code
    take_ssh_keys
    umount "$CARD_FOLDER"
}

take_configuration() {
    new=/run/cloud-stick/new
    rm -rf "$new"
    mkdir -m 700 "$new"
    for file in gadget-manager.toml secrets.toml; do
        [ ! -e "$CARD_FOLDER/$file" ] || (umask 077 && tr -d '\r' <"$CARD_FOLDER/$file" >"$new/$file")
    done
    if gadget-manager --config "$new/gadget-manager.toml" check >"$new/verdict" 2>&1; then
        install_configuration && note 'a configuration was taken from the card'
    else
        cp "$new/verdict" "$CARD_FOLDER/gadget-manager.error.txt"
        event 'the configuration on the card cannot be used; gadget-manager.error.txt beside it says why'
    fi
    rm -rf "$new"
}

install_configuration() {
    for file in secrets.toml gadget-manager.toml; do
        [ -e "$new/$file" ] || continue
        cp "$new/$file" "$TAKEN/$file.new" && sync "$TAKEN/$file.new" && mv "$TAKEN/$file.new" "$TAKEN/$file" || return
    done
    sync
    rm -f "$CARD_FOLDER/secrets.toml" "$CARD_FOLDER/gadget-manager.toml" "$CARD_FOLDER/gadget-manager.error.txt"
}

# give_claim_code: a card that was not written by scripts/flash gets a code at the device's first start, for who holds the card.
give_claim_code() {
    file=$CARD_FOLDER/claim-code.txt
    if [ -e "$STATE/web/access.json" ] || [ -e "$file" ]; then return; fi
    # Those of crates/web/src/access/code.rs.
    letters=$(head -c 4096 /dev/urandom | LC_ALL=C tr -dc 23456789ABCDEFGHJKMNPQRSTVWXYZ | head -c 8)
    printf '%s-%s\r\n' "${letters%????}" "${letters#????}" >"$file.new" && sync "$file.new" && mv "$file.new" "$file"
}

# take_claim_code: the card's code is the daemon's first one. It stays on the card for whoever holds that.
take_claim_code() {
    kept=$STATE/web/claim-code
    if [ -e "$kept" ] || [ ! -e "$CARD_FOLDER/claim-code.txt" ]; then return; fi
    [ -d "$STATE/web" ] || mkdir -m 700 "$STATE/web"
    (umask 077 && head -c 200 "$CARD_FOLDER/claim-code.txt" | tr -d '\r' >"$kept.new") && sync "$kept.new" && mv "$kept.new" "$kept"
}

# SSH is on exactly as long as there is a key on the card.
take_ssh_keys() {
    mkdir -m 700 /run/ssh
    rm -f /run/ssh/authorized_keys
    [ ! -e "$CARD_FOLDER/authorized_keys" ] || (umask 077 && tr -d '\r' <"$CARD_FOLDER/authorized_keys" >/run/ssh/authorized_keys)
}
