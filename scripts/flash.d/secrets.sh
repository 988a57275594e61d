# shellcheck shell=bash
# What one card has and no other: its claim code and its access point. They are on its FAT partition, where whoever holds the
# card can read them, and in this terminal; nowhere else. (Files, since arguments of programs can be read by others.)

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
    ACCESS_POINT=CloudStick-$(letters 4)
    ACCESS_KEY=$(letters 12)
}

# card_put TARGET FILE NAME: a file on the FAT partition.
card_put() { mcopy -o -i "$1@@$((CONFIGURATION_START * 512))" "$2" "::$3"; }

secrets_put() {
    card_put "$1" <(echo "$CLAIM_CODE") claim-code.txt
    card_put "$1" <(printf 'name=%s\nkey=%s\n' "$ACCESS_POINT" "$ACCESS_KEY") access-point.txt
}

secrets_show() {
    printf '\nClaim code:    %s\nAccess point:  %s\nIts key:       %s\n' "$CLAIM_CODE" "$ACCESS_POINT" "$ACCESS_KEY"
    printf 'They are on the card too (claim-code.txt, access-point.txt).\n'
    if command -v qrencode >/dev/null; then
        printf '\nFor a phone, the access point:\n'
        qrencode -t ANSIUTF8 <<<"WIFI:T:WPA;S:$ACCESS_POINT;P:$ACCESS_KEY;;"
    else
        printf '(With qrencode installed there would be a QR code here.)\n'
    fi
}
