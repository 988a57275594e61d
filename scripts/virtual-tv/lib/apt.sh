# shellcheck shell=bash
# Debian packages without touching the machine's own apt configuration: lists, archives and sources of our own.

# shellcheck source=arch.sh
. "$RIG/lib/arch.sh"

DEBIAN_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# choose_mirror: sets DEBIAN_MIRROR, unless somebody did, to the mirror that this machine itself uses (if it is a Debian that
# has read its package lists).
choose_mirror() {
    [[ -z ${DEBIAN_MIRROR:-} ]] || return 0
    DEBIAN_MIRROR=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' \
        2>/dev/null | grep -m 1 -E '^https?://') || DEBIAN_MIRROR=http://deb.debian.org/debian
    DEBIAN_MIRROR=${DEBIAN_MIRROR%/}
}

# suite_is_whole NAME CODENAME ARCHITECTURE...: whether the mirror has this release under this name, with lists of packages that are as long as
# its InRelease says. Who uses them holds them against their sums.
suite_is_whole() {
    local at=$DEBIAN_MIRROR/dists/$1 codename=$2 release architecture component list told found
    shift 2
    release=$(curl -fsSL --max-time 60 "$at/InRelease") && grep -qx "Codename: $codename" <<<"$release" || return
    for component in ${DEBIAN_COMPONENTS:-main}; do
        for architecture; do
            list=$component/binary-$architecture/Packages.xz
            told=$(awk -v list="$list" '$3 == list { print $2; exit }' <<<"$release")
            found=$(curl -fsSLI --max-time 60 "$at/$list") || return
            found=$(tr -d '\r' <<<"$found" | awk 'tolower($1) == "content-length:" { bytes = $2 } END { print bytes }')
            # Not every mirror tells.
            [[ -z $found || $found = "$told" ]] || return
        done
    done
}

# suite_name CODENAME ARCHITECTURE...: the name under which the mirror has all of a release. One that is being synchronised may have the new lists
# of one architecture and still the old ones of another, but the state of before, whole, under the release's other name.
suite_name() {
    local codename=$1 of='' name
    [[ $codename != *-* ]] || of=-${codename#*-}
    for name in "$codename" "stable$of" "oldstable$of"; do
        suite_is_whole "$name" "$@" 2>/dev/null || continue
        [[ $name = "$codename" ]] || say "$DEBIAN_MIRROR has not all of $codename now; its $name, which is the same release, is whole and is taken"
        echo "$name"
        return
    done
    # Its user will say what is wrong.
    echo "$codename"
}

# apt_setup: writes the private configuration. Two of them: `guest` resolves as if nothing were installed,
# `host` looks at the machine's real dpkg state (only the sources and lists are ours).
apt_setup() {
    [[ -r $DEBIAN_KEYRING ]] || die "$DEBIAN_KEYRING is missing" \
        "The virtual TV takes its kernel and tools from Debian: apt-get install debian-archive-keyring"
    choose_mirror
    APT_FOLDER=$CACHE/virtual-tv/apt-$GUEST_DEBIAN
    mkdir -p "$APT_FOLDER/lists/partial" "$APT_FOLDER/archives/partial"
    : >"$APT_FOLDER/status"
    local suite
    for suite in "${GUEST_SUITES[@]}"; do
        echo "deb [signed-by=$DEBIAN_KEYRING] $DEBIAN_MIRROR $(suite_name "$suite" "$GUEST_DEBIAN") ${DEBIAN_COMPONENTS:-main}"
    done >"$APT_FOLDER/sources.list"
    cat >"$APT_FOLDER/host.conf" <<CONF
Dir::State::Lists "$APT_FOLDER/lists";
Dir::Cache "$APT_FOLDER";
Dir::Cache::archives "$APT_FOLDER/archives";
Dir::Etc::sourcelist "$APT_FOLDER/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Install-Recommends "0";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
CONF
    {
        cat "$APT_FOLDER/host.conf"
        echo "APT::Architecture \"$GUEST_DEBIAN\";"
        echo "APT::Architectures { \"$GUEST_DEBIAN\"; };"
        echo "Dir::State::status \"$APT_FOLDER/status\";"
    } >"$APT_FOLDER/guest.conf"
}

# apt_guest COMMAND...: an apt tool under the configuration in which nothing is installed.
apt_guest() { APT_CONFIG=$APT_FOLDER/guest.conf "$@"; }

# apt_host COMMAND...: an apt tool (as root) under the private sources, with the machine's real dpkg state.
apt_host() { as_root env "APT_CONFIG=$APT_FOLDER/host.conf" DEBIAN_FRONTEND=noninteractive "$@"; }

apt_update_once() {
    # A mirror caught in mid-synchronisation delivers an index that does not match its signature; what was kept
    # of it would fail again, so start from nothing.
    apt_guest apt-get update -qq -o APT::Update::Error-Mode=any && return
    rm -rf "$APT_FOLDER/lists"
    mkdir -p "$APT_FOLDER/lists/partial"
    return 1
}

apt_update() {
    retry 5 apt_update_once || die "the package lists of $DEBIAN_MIRROR could not be read" \
        "Check the network. A mirror in mid-synchronisation heals within the hour; another one can be chosen:" \
        "DEBIAN_MIRROR=http://ftp.debian.org/debian $0"
}

# apt_fetch FOLDER PACKAGE...: downloads the named packages (NAME or NAME=VERSION) into the folder.
apt_fetch() {
    local folder=$1
    shift
    mkdir -p "$folder"
    (cd "$folder" && retry 4 apt_guest apt-get download -qq "$@") ||
        die "a package could not be downloaded from $DEBIAN_MIRROR: $*" \
            "Run this again in a few minutes: the mirror may be in mid-synchronisation."
}

# apt_closure PACKAGE...: NAME=VERSION of these packages and of everything they depend on.
apt_closure() {
    apt_guest apt-get install --simulate --no-install-recommends "$@" | sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*/\1=\2/p'
}
