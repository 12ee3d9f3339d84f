#!/bin/bash
# run.sh CMD [ARG...]
# Boots the image of build.sh headless, runs CMD in it as root with three
# simulated radios (wlan0, wlan1, wlan2), passes on what it prints and exits
# with its status. A single argument is a shell script, more are taken as they
# are. Needs no root. Exit 124: TIMEOUT passed; 125: the guest failed.
#
#   SHARE    host folder, read-write at /host, where CMD starts  [none]
#   TIMEOUT  seconds for everything                              [300]
#   RADIOS   how many radios                                     [3]
#   COUNTRY  regulatory domain: how many channels a scan visits  [BD]
#            (BD: 2.4 GHz and 149-165; US: 2.4, 5 and 6 GHz)
#   MEM      guest memory in MiB                                 [512]
#   ICOUNT   guest clock: counts instructions while the guest is [shift=1,sleep=on]
#            busy, so that what is slow to emulate is not late
#            for the radio timers; empty: real time
#   KARGS    kernel arguments                                    [loglevel=5]
#   LOG      keep the kernel's console here                      [none]
#   TIMES    set to 1: report boot and total time on stderr      [0]
#   CACHE_DIR  as in build.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
CACHE_DIR=${CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/commune-wifilab}
SHARE=${SHARE:-} TIMEOUT=${TIMEOUT:-300} RADIOS=${RADIOS:-3}
MEM=${MEM:-512} LOG=${LOG:-} TIMES=${TIMES:-0} ICOUNT=${ICOUNT-shift=1,sleep=on}

die() { echo "run.sh: $*" >&2; exit 125; }
[ $# -ge 1 ] || { echo "usage: [SHARE=DIR] run.sh CMD [ARG...]" >&2; exit 2; }
for file in vmlinux initrd.gz root.ext4; do
  [ -f "$CACHE_DIR/$file" ] || die "no $file in $CACHE_DIR: run build.sh first"
done
[ -z "$SHARE" ] || [ -d "$SHARE" ] || die "SHARE is not a folder: $SHARE"

ctl=$(mktemp -d)
vm= readers=()
cleanup() {
  kill $vm "${readers[@]}" 2>/dev/null || true
  rm -rf "$ctl"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cp -r "$here/guest" "$ctl/bin"
if [ $# = 1 ]; then printf '%s\n' "$1"; else printf '%q ' "$@"; echo; fi >"$ctl/cmd"
printf 'RADIOS=%q\nCOUNTRY=%q\nHAVE_SHARE=%d\n' "$RADIOS" "${COUNTRY:-BD}" "$([ -n "$SHARE" ] && echo 1 || echo 0)" >"$ctl/settings"

# Output travels through two named pipes. The script holds both open until qemu
# has ended, so no side can block in open(), then lets the readers see the end.
mkfifo "$ctl/out" "$ctl/err"
exec 8<>"$ctl/out" 9<>"$ctl/err"
cat <"$ctl/out" 8>&- 9>&- & readers+=($!)
cat <"$ctl/err" >&2 8>&- 9>&- & readers+=($!)

args=(
  -M pc,accel=tcg -cpu max -m "$MEM" -nodefaults -nographic -no-user-config -no-reboot
  -kernel "$CACHE_DIR/vmlinux" -initrd "$CACHE_DIR/initrd.gz"
  -append "console=ttyS0 ${KARGS:-loglevel=5} panic=-1 mitigations=off random.trust_cpu=on"
  -serial "file:$ctl/console"
  -drive "if=none,id=root,format=raw,readonly=on,file=$CACHE_DIR/root.ext4"
  -device virtio-blk-pci,drive=root
  -device virtio-rng-pci
  -device virtio-serial-pci
  -chardev "file,id=out,path=$ctl/out" -device virtserialport,chardev=out,name=lab.out
  -chardev "file,id=err,path=$ctl/err" -device virtserialport,chardev=err,name=lab.err
  -virtfs "local,path=$ctl,mount_tag=ctl,security_model=none"
)
[ -z "$SHARE" ] || args+=(-virtfs "local,path=$SHARE,mount_tag=host,security_model=none,multidevs=remap")
[ -z "$ICOUNT" ] || args+=(-icount "$ICOUNT")

start=$(date +%s.%N)
code=0
timeout -k 5 "$TIMEOUT" qemu-system-x86_64 "${args[@]}" </dev/null >"$ctl/qemu" 2>&1 8>&- 9>&- & vm=$!
wait "$vm" || code=$?
vm=
end=$(date +%s.%N)
exec 8>&- 9>&-
wait "${readers[@]}" || true
readers=()
[ -z "$LOG" ] || cp "$ctl/console" "$LOG" 2>/dev/null || true

if [ "$TIMES" = 1 ] && [ -f "$ctl/ready" ]; then
  awk -v s="$start" -v e="$end" -v r="$(stat -c %.9Y "$ctl/ready")" -v up="$(cat "$ctl/ready")" 'BEGIN {
    printf "run.sh: ready %.1f s after start (guest uptime %.1f s), total %.1f s\n", r - s, up, e - s }' >&2
fi
if [ -s "$ctl/status" ]; then exit "$(cat "$ctl/status")"; fi
if [ "$code" = 124 ] || [ "$code" = 137 ]; then echo "run.sh: stopped after $TIMEOUT s" >&2; exit 124; fi
{ echo "run.sh: the guest ended without a status (qemu: $code)"; cat "$ctl/qemu"; tail -n 25 "$ctl/console"; } >&2
exit 125
