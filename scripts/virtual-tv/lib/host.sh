# shellcheck shell=bash
# Debian packages on this machine itself, for scripts/install-dependencies and prepare.

# shellcheck source=apt.sh
. "$RIG/lib/apt.sh"

APT_INSTALL=(apt-get -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 -qq install -y --no-install-recommends --no-remove)

# host_install PACKAGE...: installs those that are missing. The lists are read first, once: packages of old lists are gone
# from the mirrors. What is installed stays: the parts of a QEMU have to be of one version, for instance.
host_install() {
    local package missing=() qemu=() status
    status=$(dpkg-query --show --showformat='${binary:Package} ${db:Status-Status}\n' "$@" 2>/dev/null | sed 's/:[^ ]*//') || true
    for package in "$@"; do
        [[ $'\n'$status$'\n' != *$'\n'"$package installed"$'\n'* ]] || continue
        if [[ $package = qemu-* ]]; then qemu+=("$package"); else missing+=("$package"); fi
    done
    [[ $((${#missing[@]} + ${#qemu[@]})) -gt 0 ]] || return 0
    say "Packages to install on this machine: ${missing[*]} ${qemu[*]}"
    host_update
    [[ ${#missing[@]} -eq 0 ]] || host_install_own "${missing[@]}" || host_install_debian bookworm "${missing[@]}" ||
        die "these packages could not be installed: ${missing[*]}" "apt-get's messages are above. Install them by hand, then start again."
    # A machine that has parts of QEMU from the backports can have the others only from there.
    [[ ${#qemu[@]} -eq 0 ]] || host_install_own "${qemu[@]}" || host_install_debian bookworm-backports "${qemu[@]}" ||
        die "these packages could not be installed: ${qemu[*]}" "apt-get's messages are above. Install them by hand, then start again."
    say "Packages: installed."
}

host_update() {
    [[ -z ${HOST_UPDATED:-} ]] || return 0
    # A mirror in the middle of its own update deserves a second try; the others may do without it.
    retry 3 as_root apt-get -o Acquire::Retries=3 -o APT::Update::Error-Mode=any -qq update </dev/null ||
        say "The package lists could not all be read; trying with what there is."
    HOST_UPDATED=yes
}

host_install_own() {
    retry 2 as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 "${APT_INSTALL[@]}" "$@" </dev/null >/dev/null
}

# host_install_debian SUITE PACKAGE...: from Debian's own mirror, for this one command.
host_install_debian() {
    local suite=$1
    shift
    say "The machine's own package sources did not do it; trying with Debian $suite, for this one command."
    # The suites of the machine itself, whatever the guest is.
    (
        arch_select amd64
        apt_setup
        apt_update
        apt_host NEEDRESTART_SUSPEND=1 "${APT_INSTALL[@]}" -t "$suite" "$@" </dev/null >/dev/null
    )
}
