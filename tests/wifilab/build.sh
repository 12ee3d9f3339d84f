#!/bin/bash
# Builds the three files run.sh boots (kernel, initramfs, root image) from
# unmodified Debian packages. Needs root: debootstrap unpacks and chroots.
# Host tools (Debian names): debootstrap e2fsprogs cpio kmod qemu-system-x86.
#
#   CACHE_DIR  where the result goes   [${XDG_CACHE_HOME:-~/.cache}/commune-wifilab]
#   SUITE      Debian release          [bookworm]
#   MIRROR     Debian mirror URL       [debootstrap's own default]
#   EXTRA      more packages, a,b,c    [none]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
CACHE_DIR=${CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/commune-wifilab}
SUITE=${SUITE:-bookworm}
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

die() { echo "build.sh: $*" >&2; exit 1; }
say() { printf '[%4ds] %s\n' "$SECONDS" "$*"; }

[ "$(id -u)" = 0 ] || die "must run as root"
for tool in debootstrap mke2fs cpio depmod modprobe gzip xz; do
  command -v "$tool" >/dev/null || die "missing tool: $tool"
done

packages=iw,hostapd,wpasupplicant,wireless-regdb,iproute2,iputils-ping,kmod
packages+=,busybox-static,procps,dnsmasq-base,python3${EXTRA:+,$EXTRA}

mkdir -p "$CACHE_DIR"
work=$(mktemp -d "$CACHE_DIR/build.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root

say "debootstrap $SUITE"
debootstrap --variant=minbase --include="$packages" "$SUITE" "$root" ${MIRROR:+"$MIRROR"} \
  >"$CACHE_DIR/debootstrap.log" 2>&1 || die "debootstrap failed, see $CACHE_DIR/debootstrap.log"

# The kernel package is unpacked, never installed: no hooks, no initramfs-tools.
# The metapackage is the generic one; the cloud flavour lacks the wireless stack.
say "kernel"
chroot "$root" apt-get -qq update
kpkg=$(chroot "$root" apt-cache depends linux-image-amd64 |
  awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2; exit }')
[ -n "$kpkg" ] || die "linux-image-amd64 names no kernel package"
chroot "$root" sh -c 'cd /tmp && apt-get -qq -o APT::Sandbox::User=root download "$1"' sh "$kpkg"
dpkg-deb -x "$root"/tmp/linux-image-*.deb "$work/kernel"
release=${kpkg#linux-image-}

# The guest would take seconds to unpack its own kernel in software emulation, so
# that happens here: the boot header says where the payload lies and how long it
# is (its last four bytes are the unpacked size), and qemu starts the plain ELF.
image=$work/kernel/boot/vmlinuz-$release
field() { od -An -v -t "u$2" -j "$1" -N "$2" "$image" | tr -d ' '; }
begin=$((($(field 497 1) + 1) * 512 + $(field 584 4)))
dd if="$image" of="$work/payload" bs=1M iflag=skip_bytes,count_bytes status=none \
  skip="$begin" count="$(($(field 588 4) - 4))"
case $(od -An -v -t x1 -N 4 "$work/payload" | tr -d ' ') in
  fd377a58) xz -dc --single-stream "$work/payload" >"$work/vmlinux" ;;
  28b52ffd) zstd -qdc "$work/payload" >"$work/vmlinux" ;;
  1f8b*) gzip -dc "$work/payload" >"$work/vmlinux" ;;
  *) die "cannot unpack $kpkg" ;;
esac

say "modules of $release"
all=$work/kernel
[ -d "$all/lib/modules" ] || all=$work/kernel/usr
depmod -b "$all" "$release"
# order NAME...: paths of the modules with what they need first, below lib/modules
order() {
  local name
  for name; do
    modprobe -d "$all" -S "$release" --show-depends "$name" 2>/dev/null ||
      { echo "build.sh: no module $name in $release" >&2; return 1; }
  done | awk -v base="$all/" '$1 == "insmod" && !seen[$2]++ { print substr($2, length(base) + 1) }'
}
early="virtio_pci virtio_blk virtio_console virtio_rng ext4 crc32c_generic overlay 9pnet_virtio 9p"
# The ciphers are those WPA2, WPA3 and management frame protection ask for by name.
late="mac80211_hwsim ccm gcm cmac ctr ghash_generic aes_generic sha256_generic hmac
      michael_mic aesni_intel tun veth bridge dummy af_packet_diag netlink_diag"
order $early >"$work/early"
order $late >"$work/late"
sort -u "$work/early" "$work/late" | while read -r file; do
  install -D -m 644 "$all/$file" "$root/$file"
done
cp "$all/lib/modules/$release"/modules.{builtin,builtin.modinfo,order} "$root/lib/modules/$release/"
depmod -b "$root" "$release"

say "initramfs"
ird=$work/initramfs
mkdir -p "$ird"/{bin,dev,proc,sys,new,low,rw,mod}
cp "$root/bin/busybox" "$ird/bin/busybox"
ln -s busybox "$ird/bin/sh"
install -m 755 "$here/guest/initramfs-init" "$ird/init"
while read -r file; do
  cp "$all/$file" "$ird/mod/"
  basename "$file"
done <"$work/early" >"$ird/mod/order"
(cd "$ird" && find . | sort | cpio -o -H newc -R 0:0 --quiet) | gzip -1 >"$work/initrd.gz"

say "root image"
mkdir -p "$root/host" "$root/ctl"
{
  echo "kernel $(chroot "$root" apt-cache show --no-all-versions "$kpkg" |
    awk '/^Package:|^Version:/ { printf "%s ", $2 }')"
  chroot "$root" dpkg-query -W
} >"$work/manifest.txt"
rm -rf "$root"/tmp/* "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* \
  "$root"/usr/share/{doc,man,locale,info,lintian} "$root"/var/log/*
echo wifi-lab >"$root/etc/hostname"
printf '127.0.0.1 localhost wifi-lab\n' >"$root/etc/hosts"
: >"$root/etc/resolv.conf"
kib=$(du -sk --apparent-size "$root" | cut -f1)
mke2fs -q -F -t ext4 -O ^has_journal,^resize_inode -m 0 -E root_owner=0:0 -d "$root" \
  "$work/root.ext4" "$((kib * 112 / 100 + 16384))k" >/dev/null

# lab.py builds anew when this recipe is no longer the one of the image.
cat "$here/build.sh" "$here/guest/initramfs-init" | sha256sum | cut -d' ' -f1 >"$work/recipe"
for file in vmlinux initrd.gz root.ext4 manifest.txt recipe; do
  mv "$work/$file" "$CACHE_DIR/$file"
done
say "done: $(cd "$CACHE_DIR" && du -h --apparent-size vmlinux initrd.gz root.ext4 | awk '{ printf "%s %s  ", $2, $1 }')"
