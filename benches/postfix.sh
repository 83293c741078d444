#!/usr/bin/env bash
# The same work by Postfix, for comparison: mails of the size of a recording of 5 and 30 s go into one Postfix, which keeps them in its queue and
# sends them under TLS to another one, which keeps them in its queue and delivers them to the Maildirs of 16 mailboxes. 16 are handed in at once.
#
# Usage, as root: benches/postfix.sh [MESSAGES]. It prints the messages a second, from the first that is handed in to the last that is in its
# mailbox, and the processor time of the whole machine for each. Run `cargo bench --bench forward_throughput -- 'tls/16$'` just before or after, with
# the same TMPDIR.
set -euo pipefail

messages=${1:-500}
for program in postfix smtp-source openssl; do
  command -v "$program" >/dev/null || { echo "skipped: $program is not installed"; exit 0; }
done
[ "$(id -u)" = 0 ] || { echo "skipped: Postfix must be started by root"; exit 0; }

folder=$(mktemp -d)
trap 'for node in edge central; do postfix -c "$folder/$node/etc" stop >/dev/null 2>&1 || true; done; rm -rf "$folder"' EXIT
chmod 755 "$folder"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=central.voicemail.example \
  -keyout "$folder/key.pem" -out "$folder/cert.pem" 2>/dev/null
mkdir -m 755 "$folder/mail"
chown nobody "$folder/mail"

for box in $(seq 2000 2015); do echo "$box@voicemail.example $box/"; done > "$folder/mailboxes"

# A Postfix of its own: name, port, and its settings.
start() {
  local name=$1 port=$2 etc="$folder/$1/etc"
  mkdir -p "$etc" "$folder/$name/queue"
  install -d -o postfix -m 755 "$folder/$name/data"
  cat > "$etc/main.cf"
  cat >> "$etc/main.cf" <<SETTINGS
compatibility_level = 3.6
queue_directory = $folder/$name/queue
data_directory = $folder/$name/data
myhostname = $name.voicemail.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_connection_rate_limit = 0
smtpd_client_connection_count_limit = 0
default_destination_concurrency_limit = 16
initial_destination_concurrency = 16
message_size_limit = 20000000
in_flow_delay = 0
maillog_file = $folder/$name.log
maillog_file_prefixes = $folder
SETTINGS
  {
    echo "127.0.0.1:$port inet n - n - - smtpd"
    for service in "cleanup unix n - n - 0 cleanup" "qmgr unix n - n 300 1 qmgr" "rewrite unix - - n - - trivial-rewrite" \
      "bounce unix - - n - 0 bounce" "defer unix - - n - 0 bounce" "trace unix - - n - 0 bounce" "smtp unix - - n - - smtp" \
      "relay unix - - n - - smtp" "error unix - - n - - error" "retry unix - - n - - error" "virtual unix - n n - - virtual" \
      "anvil unix - - n - 1 anvil" "scache unix - - n - 1 scache" "tlsmgr unix - - n 1000? 1 tlsmgr" "proxymap unix - - n - - proxymap" \
      "postlog unix-dgram n - n - 1 postlogd" "verify unix - - n - 1 verify" "flush unix n - n 1000? 0 flush" "showq unix n - n - - showq"; do
      echo "$service"
    done
  } > "$etc/master.cf"
  postfix -c "$etc" start >/dev/null 2>&1
}

start central 10425 <<SETTINGS
smtpd_tls_security_level = encrypt
smtpd_tls_cert_file = $folder/cert.pem
smtpd_tls_key_file = $folder/key.pem
virtual_mailbox_domains = voicemail.example
virtual_mailbox_base = $folder/mail
virtual_mailbox_limit = 0
virtual_mailbox_maps = texthash:$folder/mailboxes
virtual_uid_maps = static:$(id -u nobody)
virtual_gid_maps = static:$(id -g nobody)
SETTINGS
start edge 10426 <<SETTINGS
relayhost = [127.0.0.1]:10425
smtp_tls_security_level = encrypt
SETTINGS

kept() { find "$folder/mail" -path '*/new/*' -type f | wc -l; }
# Processor time of the machine so far, in hundredths of a second.
processor() { awk '/^cpu /{print $2+$3+$4+$7+$8}' /proc/stat; }

for size in "5s-mulaw 56000" "30s-mulaw 330000"; do
  set -- $size
  before=$(kept)
  began=$(date +%s.%N)
  used=$(processor)
  for session in $(seq 0 15); do
    smtp-source -f node@edge.voicemail.example -t "$((2000 + session))@voicemail.example" -l "$2" -s 1 \
      -m $((messages / 16)) 127.0.0.1:10426 &
  done
  wait
  until [ "$(kept)" -ge $((before + messages / 16 * 16)) ]; do sleep 0.05; done
  awk -v name="$1" -v n=$((messages / 16 * 16)) -v began="$began" -v ended="$(date +%s.%N)" -v used=$(($(processor) - used)) \
    'BEGIN { printf "%s: %.0f messages/s, %.1f ms of processor time each\n", name, n / (ended - began), used * 10 / n }'
done
