#!/bin/bash
# run.sh ROOT RUN [RESOLV]: runs one Asterisk with the configuration in RUN/etc (RUN as seen from inside ROOT) for as long as
# stdin stays open, then ends it and removes RUN (unless AGI_RHAI_KEEP is set). The test process holds the other end of
# that pipe and needs to do nothing: however it ends, the kernel closes the pipe, and no Asterisk is left running. The
# file RESOLV, if given, is the /etc/resolv.conf that only this Asterisk sees.
set -uo pipefail

root=${1:?the folder setup.sh printed}
run=${2:?the folder of this run}
resolv=${3-}
asterisk=(asterisk -f -C "$run/etc/asterisk.conf")

if [[ $root != / ]]; then
    asterisk=(chroot "$root" "${asterisk[@]}")
fi
if [[ -n $resolv ]]; then
    # shellcheck disable=SC2016 # expanded inside
    asterisk=(bash -c 'mount --bind "$1" "$2" && shift 2 && exec "$@"' - "$resolv" "${root%/}/etc/resolv.conf"
        "${asterisk[@]}")
fi
# In its own namespaces it has a /proc, and the programs it started end with it. A container may forbid that; then it
# runs without them, unless it needs its own resolv.conf.
if [[ -n $resolv ]] || { [[ $root != / ]] && unshare --mount --pid --fork true 2>/dev/null; }; then
    asterisk=(unshare --mount --pid --fork --kill-child --mount-proc="${root%/}/proc" "${asterisk[@]}")
fi
# Scripts inherit Asterisk's stderr.
"${asterisk[@]}" </dev/null >"${root%/}$run/log/stdout" 2>"${root%/}$run/log/stderr" &
pid=$!
while kill -0 "$pid" 2>/dev/null; do
    # Over 128: nothing arrived in this time. Otherwise the other end is closed.
    read -r -t 0.5
    (($? > 128)) || break
done
kill -0 "$pid" 2>/dev/null || {
    echo "asterisk/run.sh: Asterisk has ended by itself. The end of its output:" >&2
    tail -q -n 20 "${root%/}$run/log/stderr" "${root%/}$run/log/stdout" >&2
}
children=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null)
# shellcheck disable=SC2086 # a list of process ids
if [[ ${asterisk[0]} != unshare ]] || ! kill -KILL $children 2>/dev/null; then
    kill -KILL "$pid" $children 2>/dev/null
fi
wait "$pid" 2>/dev/null
[[ -n ${AGI_RHAI_KEEP-} ]] || rm -rf "${root%/}${run:?}"
