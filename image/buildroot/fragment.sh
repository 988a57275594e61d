# shellcheck shell=bash
# Requests of a configuration (defconfig, fragment) that did not make it into the result: Kconfig drops without a word what it does not
# know, and what lacks something that it depends on.

# requests FILE: its lines that ask for something.
requests() { grep -E '^([A-Z][A-Za-z0-9_]*=|# [A-Z][A-Za-z0-9_]* is not set$)' "$1"; }

# symbols FILE: the names in them.
symbols() { requests "$1" | sed -E 's/^# //; s/[= ].*//'; }

# dropped FILE CONFIG: one line for each request that does not hold in the finished configuration; nothing if all do. "Not set" holds as
# well where there is no such option.
dropped() {
    awk -v title="${1##*/}" '
        function name(line) { sub(/^# /, "", line); sub(/[= ].*/, "", line); return line }
        !/^([A-Z][A-Za-z0-9_]*=|# [A-Z][A-Za-z0-9_]* is not set$)/ { next }
        NR == FNR { has[name($0)] = $0; next }
        /^#/ && !(name($0) in has) { next }
        !(name($0) in has) { print title ": " $0 " was dropped"; next }
        has[name($0)] != $0 { print title ": " $0 " was dropped; there is " has[name($0)] }' "$2" "$1"
}

# needs_of_kernel: the options of image/kernel-needs, those too that only Debian lacks.
needs_of_kernel() { awk '$1 == "option" || $1 == "lacking" && $3 == "debian:" { print "CONFIG_" $2 }' "$IMAGE/kernel-needs"; }

# needs_missing FRAGMENT: the options of image/kernel-needs that it does not ask for.
needs_missing() { needs_of_kernel | grep -vxFf <(grep -oE '^CONFIG_[A-Za-z0-9_]+=[ym]$' "$1" | sed 's/=.*//') || true; }
