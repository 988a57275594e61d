# shellcheck shell=bash
# What one card has and no other: its claim code, and the key of the network that the device makes. They are on its FAT
# partition, where whoever holds the card can read them, and in this terminal; nowhere else. (Files, since arguments of programs
# can be read by others.)

# Letters that are not taken for one another: those of the daemon's own codes (crates/web/src/access/code.rs).
LETTERS=23456789ABCDEFGHJKMNPQRSTVWXYZ

# letters NUMBER: so many random ones, each as likely.
letters() {
    local text=''
    while [[ ${#text} -lt $1 ]]; do text+=$(head -c 256 /dev/urandom | LC_ALL=C tr -dc "$LETTERS" | head -c "$1"); done
    printf %s "${text:0:$1}"
}

secrets_make() {
    local code
    code=$(letters 8)
    CLAIM_CODE=${code:0:4}-${code:4}
    code=$(letters 12)
    ACCESS_POINT_KEY=${code:0:4}-${code:4:4}-${code:8}
}

# card_put TARGET FILE NAME: a file on the FAT partition.
card_put() { mcopy -o -i "$1@@$((CONFIGURATION_START * 512))" "$2" "::$3"; }

secrets_put() {
    card_put "$1" <(echo "$CLAIM_CODE") claim-code.txt
    card_put "$1" <(echo "$ACCESS_POINT_KEY") wi-fi-key.txt
}

secrets_show() {
    printf '\nClaim code:    %s\n' "$CLAIM_CODE"
    printf 'Wi-Fi key:     %s   (of the network CloudStick-…, which a device with Wi-Fi makes)\n' "$ACCESS_POINT_KEY"
    printf 'They are on the card too (claim-code.txt, wi-fi-key.txt).\n'
}
