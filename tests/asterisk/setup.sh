#!/bin/bash
# Finds or makes the Asterisk for the live tests. The last line on stdout is its folder: "/" for an installed one,
# otherwise the root of a Debian folder to chroot into. Everything else goes to stderr.
#
# The folder is made once per machine, outside the repository, so that it survives `cargo clean` and serves every clone:
# ${XDG_CACHE_HOME:-~/.cache}/agi-rhai/asterisk, or $AGI_RHAI_ASTERISK. Remove that folder to start anew.
# AGI_RHAI_ASTERISK=/ insists on an installed Asterisk.
set -euo pipefail

# Debian's suite that includes an Asterisk (22). Older versions of debootstrap don't know its name, but all current
# suites are built like `sid`.
readonly suite=forky
readonly recipe=/usr/share/debootstrap/scripts/sid
readonly packages=asterisk,asterisk-core-sounds-en-gsm
readonly oldest=16

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here

say() { printf 'asterisk/setup.sh: %s\n' "$*" >&2; }
fail() {
    say "$*"
    exit 1
}

# Prints the modules that modules.conf loads and the Asterisk under $1 (empty: this machine's) lacks, on one line.
missing_modules() {
    local folder module missing=
    for folder in "$1"/usr/lib/*/asterisk/modules "$1"/usr/lib/asterisk/modules "$1"/usr/lib64/asterisk/modules \
        "$1"/usr/local/lib/asterisk/modules; do
        [[ -e $folder/res_agi.so ]] && break
    done
    while read -r module; do
        [[ -e $folder/$module ]] || missing+="$module "
    done < <(sed -n 's/^load *= *//p' "$here/etc/modules.conf")
    printf '%s' "$missing"
}

# Whether the Asterisk of this machine is suitable. Prints the reason if it isn't.
installed() {
    local version missing
    command -v asterisk >/dev/null || return 1
    version=$(asterisk -V | sed -n 's/^Asterisk [^0-9]*\([0-9]*\).*/\1/p')
    if ((${version:-0} < oldest)); then
        say "the installed $(asterisk -V) is older than $oldest: not used"
        return 1
    fi
    missing=$(missing_modules "")
    if [[ -n $missing ]]; then
        say "the installed Asterisk lacks ${missing}: not used"
        return 1
    fi
}

# Prints a Debian mirror: the one this machine installs from if it runs Debian, otherwise the public one.
mirror() {
    local id codename uri=
    # shellcheck source=/dev/null
    id=$(. /etc/os-release && printf '%s' "${ID-}")
    # shellcheck source=/dev/null
    codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME-}")
    if [[ $id == debian ]]; then
        # shellcheck disable=SC2016 # $(REPO_URI) is apt's own
        uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Release: $codename" 'Component: main' |
            grep -m1 -E '^(https?|file):' || true)
    fi
    printf '%s' "${uri:-http://deb.debian.org/debian}"
}

need_debootstrap() {
    if [[ ! -e $recipe ]]; then
        command -v apt-get >/dev/null ||
            fail "there is no debootstrap and no apt-get: install asterisk (>= $oldest) or debootstrap"
        say "installing debootstrap"
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y debootstrap >&2 ||
            { apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y debootstrap >&2; } ||
            fail "apt-get cannot install debootstrap (no network?): install it or asterisk (>= $oldest) by hand"
    fi
}

build() {
    local root=$1 from new=$1.new missing
    ((EUID == 0)) ||
        fail "no asterisk (>= $oldest) is installed, and only root can build one with debootstrap: run this as root, or install Asterisk"
    need_debootstrap
    from=$(mirror)
    say "building Debian $suite with Asterisk in $root from $from: a minute or two"
    # Built under another name and renamed at the end, so a folder with the final name is always complete.
    rm -rf --one-file-system "$new"
    debootstrap --variant=minbase --include="$packages" "$suite" "$new" "$from" "$recipe" >"$new.log" 2>&1 || {
        tail -n 20 "$new.log" >&2
        fail "debootstrap failed (the end of $new.log is above): this needs the network and a Debian mirror; without them install asterisk (>= $oldest)"
    }
    missing=$(missing_modules "$new")
    [[ -z $missing ]] || fail "the Asterisk of $suite lacks $missing"
    rm -rf "$new"/var/cache/apt/archives/*.deb "$new"/var/lib/apt/lists/*
    mv -T "$new" "$root"
    rm -f "$new.log"
}

root=${AGI_RHAI_ASTERISK:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/agi-rhai/asterisk}
if [[ $root == / ]] || { [[ -z ${AGI_RHAI_ASTERISK-} ]] && installed; }; then
    installed || fail "AGI_RHAI_ASTERISK=/ asks for an installed asterisk (>= $oldest), and there is no suitable one"
    say "using the installed $(asterisk -V)"
    echo /
    exit
fi

if [[ ! -x $root/usr/sbin/asterisk ]]; then
    mkdir -p "$(dirname "$root")" || fail "$(dirname "$root") cannot be made: point AGI_RHAI_ASTERISK elsewhere"
    # Several test runs may get here at once: one builds, the others wait for it.
    exec 9>"$root.lock"
    flock 9
    [[ -x $root/usr/sbin/asterisk ]] || build "$root"
fi
((EUID == 0)) || fail "only root can run the Asterisk in $root (by chroot): run this as root, or install asterisk (>= $oldest)"
missing=$(missing_modules "$root")
[[ -z $missing ]] || fail "the Asterisk in $root lacks ${missing}: remove that folder to have it rebuilt"
say "using the one in $root"
cd "$root" && pwd
