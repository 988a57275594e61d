# shellcheck shell=bash
# Keys of updates. A private key signs the bundles of one channel; its public half is in the systems that accept them, as
# usr/lib/cloud-stick/update/keys/CHANNEL.pem.
#
# The channel `development` has a key of each machine's own, made here and never handed out. Those of other channels are named
# by whoever builds: the public half when an image is built, the private one when a bundle is.

# development_key: prints the private key of this machine's development channel; makes it if it is not there yet.
development_key() {
    local folder=$CACHE/update
    local key=$folder/development.key
    (
        umask 077
        mkdir -p "$folder"
        exec 9>"$folder/lock"
        flock 9
        [[ -s $key ]] || { key_make "$key.new" && mv "$key.new" "$key"; }
    ) || die "the development key $key cannot be made" 'See that the folder can be written, or name another key with --key.'
    echo "$key"
}

# key_make FILE: RSA, as SWUpdate verifies it (CONFIG_SIGALG_RAWRSA).
key_make() { openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out "$1" 2>/dev/null; }

# keys_install ROOT CHANNEL PUBLIC-KEY: the key that a system accepts bundles of. Without PUBLIC-KEY: this machine's own.
keys_install() {
    local folder=$1/usr/lib/cloud-stick/update/keys file
    # One key: a folder that is built in again may have that of another channel.
    rm -rf "$folder"
    mkdir -p "$folder"
    file=$folder/$2.pem
    if [[ -n $3 ]]; then
        openssl pkey -pubin -in "$3" -pubout -out "$file" 2>/dev/null ||
            die "$3 is no public key in PEM" 'openssl pkey -in PRIVATE-KEY -pubout -out FILE writes one.'
    else
        [[ $2 = development ]] || die "the channel $2 has no key" 'Name its public key with --update-key FILE.pem.'
        openssl pkey -in "$(development_key)" -pubout -out "$file"
    fi
}
