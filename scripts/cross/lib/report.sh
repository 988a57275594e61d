# shellcheck shell=bash
# What a program for the boards is like: its size, and what it asks of the system that it runs on.

# The size in MiB that the program is to stay under.
CROSS_SIZE_LIMIT=12

# report FILE: a file below the target folder.
report() {
    local file=$1 inside size
    inside=$(inside_path "$file")
    size=$(stat -c %s "$file")
    printf '%-22s %s\n' 'program' "$file"
    printf '%-22s %s bytes, %s MiB (to stay under %s)\n' 'size' "$size" "$(mebibytes "$size")" "$CROSS_SIZE_LIMIT"
    printf '%-22s %s bytes\n' 'size, xz -6' "$(xz -6 -T1 -c "$file" | wc -c)"
    printf '%-22s %s\n' 'code, data, zeroes' \
        "$(inside arm-linux-gnueabihf-size "$inside" | awk 'NR == 2 { print $1, $2, $3 }')"
    printf '%-22s %s\n' 'libraries' \
        "$(inside arm-linux-gnueabihf-readelf -dW "$inside" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | xargs)"
    printf '%-22s %s\n' 'glibc at least' \
        "$(inside arm-linux-gnueabihf-readelf -VW "$inside" | sed -n '/Version needs/,$p' | grep -v WEAK |
            grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)"
    printf '%-22s %s\n' 'processor' \
        "$(inside arm-linux-gnueabihf-readelf -AW "$inside" | sed -n 's/.*Tag_\(CPU_arch\|FP_arch\|Advanced_SIMD_arch\): /\1 /p' | paste -sd, | sed 's/,/, /g')"
    printf '%-22s %s\n' 'compiler' "$(inside rustc --version)"
    printf '%-22s %s\n' 'sha256' "$(sha256sum <"$file" | cut -d' ' -f1)"
    ((size < CROSS_SIZE_LIMIT * 1048576)) || die "$file is larger than $CROSS_SIZE_LIMIT MiB" \
        'cargo bloat, run natively, tells which crates it is made of.'
}

mebibytes() { awk -v bytes="$1" 'BEGIN { printf "%.2f", bytes / 1048576 }'; }
