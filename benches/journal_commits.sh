#!/usr/bin/env bash
# Counts journal commits per message on its own ext4 file system in memory, so that commits of other programs are not counted. Needs root
# and a loop device; without them it prints SKIPPED and succeeds.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d /dev/shm/journal.XXXXXX)
mounted=
trap '[ -z "$mounted" ] || umount "$work/disk"; rm -r "$work"' EXIT

mkdir "$work/disk"
truncate -s 8G "$work/image"
if ! mkfs.ext4 -q "$work/image" 2>/dev/null || ! mount -o loop "$work/image" "$work/disk" 2>/dev/null; then
  echo "SKIPPED: journal commits need mkfs.ext4, root and a loop device"
  exit 0
fi
mounted=yes
TMPDIR="$work/disk" cargo bench --bench journal_commits
