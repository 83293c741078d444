#!/usr/bin/env bash
# Counts the instructions of encoding, decoding and dialogues under valgrind, and compares them with the baseline beside this script.
#
#   benches/instructions.sh            fails when a case takes over 3 % more or less than its baseline
#   benches/instructions.sh --bless    writes the counts as the new baseline
#
# Counts do not depend on the machine's load, so they show changes that a clock on a shared machine hides. They do depend on the compiler
# and on the processor that valgrind simulates: it reports AVX2 where the host has it, never AVX-512 or SHA instructions, and memchr,
# base64 and SHA-256 choose their code by that. The baseline names compiler, valgrind and AVX2; where they differ, the script prints the
# comparison and succeeds. `decode` is without its one SHA-256, which under valgrind is some twenty times
# the rest and would hide it.
set -euo pipefail
cd "$(dirname "$0")/.."
shopt -s inherit_errexit
export LC_ALL=C

baseline=benches/instructions.txt
tolerance=3 # per cent

command -v valgrind >/dev/null || { echo "SKIPPED: instruction counts need valgrind, which is not installed"; exit 0; }

binary=$(cargo bench --no-run --bench instructions 2>&1 | tee -a /dev/stderr | sed -n 's/.*Executable .*(\(.*\))$/\1/p')
[ -x "$binary" ] || { echo "the bench was not built"; exit 1; }

avx2=no
! grep -qw avx2 /proc/cpuinfo 2>/dev/null || avx2=yes
with="$(rustc --version | cut -d' ' -f1,2), $(valgrind --version), $(uname -m), AVX2 $avx2"

folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

# All instructions of a run.
total() {
  valgrind --tool=callgrind --callgrind-out-file="$folder/out" "$binary" "$@" >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; } >&2
  sed -n 's/^totals: \([0-9]*\).*/\1/p' "$folder/out"
}

# The instructions of one execution without start-up: the difference of two runs, divided.
once() {
  local few many
  few=$(total "$1" 2)
  many=$(total "$1" 12)
  echo $(((many - few) / 10))
}

{
  echo "# Instructions of one time; counted and compared by instructions.sh."
  echo "# $with"
  for case in encode decode dialogue-bdat dialogue-data; do
    counted=$(once "$case")
    [ "$case" != decode ] || counted=$((counted - $(once digest)))
    echo "$case $counted"
  done
} >"$folder/counted"

if [ "${1:-}" = --bless ]; then
  cp "$folder/counted" "$baseline"
  cat "$baseline"
  exit
fi

awk -v tolerance="$tolerance" '
  /^#/ { next }
  NR == FNR { expected[$1] = $2; next }
  !($1 in expected) { print $1 ": " $2 ", and no baseline"; bad = 1; next }
  {
    change = ($2 / expected[$1] - 1) * 100
    verdict = (change > tolerance || change < -tolerance) ? "BEYOND " tolerance " %" : "ok"
    printf "%-14s %12d  baseline %12d  %+6.2f %%  %s\n", $1, $2, expected[$1], change, verdict
    if (verdict != "ok") bad = 1
  }
  END { exit bad }
' "$baseline" "$folder/counted" && exit

if ! grep -qxF "# $with" "$baseline"; then
  echo "NOT COMPARED: counted with $with, the baseline with $(sed -n '2s/# //p' "$baseline")"
  exit 0
fi
echo "if the change is meant: benches/instructions.sh --bless"
exit 1
