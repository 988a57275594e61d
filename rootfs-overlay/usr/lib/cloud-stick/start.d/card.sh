# shellcheck shell=sh
# What the owner put on the card's first partition (FAT, which every PC can write): a configuration, its secrets, a key for
# SSH; and what scripts/flash put there. A configuration is taken only if gadget-manager can use it, and leaves the card then; if it cannot, a
# text beside it says why. What was taken is overwritten, since FAT leaves it readable otherwise. All of it is done in an order that a power cut
# may interrupt anywhere.

CARD_FOLDER=/run/card
TAKEN=/etc/cloud-stick
STATE=/var/lib/cloud-stick
TAKEN_MARK=taken.toml

take_from_card() {
    open_card || return
    [ ! -e "$CARD_FOLDER/$TAKEN_MARK" ] || [ -e "$CARD_FOLDER/gadget-manager.toml" ] || clear_taken
    [ ! -e "$CARD_FOLDER/gadget-manager.toml" ] || take_configuration
    give_claim_code
    take_claim_code
    give_access_point_key
    take_access_point_key
    take_ssh_keys
    close_card
}

open_card() {
    mkdir -p "$CARD_FOLDER"
    # Nobody checks the FAT of a stick that was pulled: repairs are those that lose nothing.
    fsck.fat -a "$CARD_CONFIGURATION" >/run/log/fsck.fat 2>&1
    # utf8: a file whose name has other letters than ASCII's can be removed by no other name.
    mount -t vfat -o noatime,nosuid,nodev,noexec,umask=077,flush,utf8 "$CARD_CONFIGURATION" "$CARD_FOLDER"
}
close_card() { umount "$CARD_FOLDER"; }

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
    mv "$CARD_FOLDER/gadget-manager.toml" "$CARD_FOLDER/$TAKEN_MARK" && sync && clear_taken
}

# clear_taken: removes what was taken. The configuration has another name by now, and goes last: as long as it is there, the secrets
# beside it are to go.
clear_taken() { remove_surely "$CARD_FOLDER/secrets.toml" "$CARD_FOLDER/gadget-manager.error.txt" "$CARD_FOLDER/$TAKEN_MARK"; }

# four_letters: random ones that are not taken for one another: those of crates/web/src/access/code.rs.
four_letters() { head -c 2048 /dev/urandom | LC_ALL=C tr -dc 23456789ABCDEFGHJKMNPQRSTVWXYZ | head -c 4; }

# give_claim_code: a card that was not written by scripts/flash gets a code at the device's first start, for who holds the card.
give_claim_code() {
    file=$CARD_FOLDER/claim-code.txt
    if [ -e "$STATE/web/access.json" ] || [ -e "$file" ]; then return; fi
    printf '%s-%s\r\n' "$(four_letters)" "$(four_letters)" >"$file.new" && sync "$file.new" && mv "$file.new" "$file"
}

# take_claim_code: the card's code is the daemon's first one. It stays on the card for whoever holds that.
take_claim_code() {
    kept=$STATE/web/claim-code
    if [ -e "$kept" ] || [ ! -e "$CARD_FOLDER/claim-code.txt" ]; then return; fi
    [ -d "$STATE/web" ] || mkdir -m 700 "$STATE/web"
    (umask 077 && head -c 200 "$CARD_FOLDER/claim-code.txt" | tr -d '\r' >"$kept.new") && sync "$kept.new" && mv "$kept.new" "$kept"
}

# The key of the network that the device makes itself goes the same ways. Its name is the board's, which a card does not know.
ACCESS_POINT_KEY=$STATE/access-point-key
give_access_point_key() {
    file=$CARD_FOLDER/wi-fi-key.txt
    if [ -e "$ACCESS_POINT_KEY" ] || [ -e "$file" ]; then return; fi
    printf '%s-%s-%s\r\n' "$(four_letters)" "$(four_letters)" "$(four_letters)" >"$file.new" && sync "$file.new" && mv "$file.new" "$file"
}

take_access_point_key() {
    if [ -e "$ACCESS_POINT_KEY" ] || [ ! -e "$CARD_FOLDER/wi-fi-key.txt" ]; then return; fi
    (umask 077 && head -c 64 "$CARD_FOLDER/wi-fi-key.txt" | tr -d '\r\n' >"$ACCESS_POINT_KEY.new") &&
        sync "$ACCESS_POINT_KEY.new" && mv "$ACCESS_POINT_KEY.new" "$ACCESS_POINT_KEY"
}

# SSH is on exactly as long as there is a key on the card.
take_ssh_keys() {
    mkdir -m 700 /run/ssh
    rm -f /run/ssh/authorized_keys
    [ ! -e "$CARD_FOLDER/authorized_keys" ] || (umask 077 && tr -d '\r' <"$CARD_FOLDER/authorized_keys" >/run/ssh/authorized_keys)
}
