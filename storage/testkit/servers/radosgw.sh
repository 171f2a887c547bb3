#!/usr/bin/env bash
# A RADOS gateway (S3) on loopback, for tests: one monitor, one manager, one object daemon in memory and the gateway, without
# authentication among them, all of it below DIR.
#
#   radosgw.sh up DIR        starts it and prints its address; there are the buckets `bucket` and `versioned`. It ends
#                            with the process that asked for it, whatever ends that
#   radosgw.sh kill DIR      ends the gateway alone, at once (SIGKILL); what is stored stays
#   radosgw.sh restart DIR   starts the gateway again
#   radosgw.sh down DIR      ends everything
#
# Keys come from ACCESS_KEY and SECRET_KEY. Debian has what it needs:
#   apt-get install ceph-mon ceph-mgr ceph-osd radosgw ceph-common curl
set -euo pipefail

verb=${1:?up, kill, restart or down}
dir=$(mkdir -p "${2:?a directory}" && cd "$2" && pwd)

down() {
    for file in "$dir"/run/*.pid; do
        if [[ -f $file ]]; then kill "$(cat "$file")" 2>/dev/null || true; fi
    done
}

# Ends everything once the process of this number is gone.
watch() {
    (tail --pid="$1" -f /dev/null && down) >/dev/null 2>&1 </dev/null &
    disown $!
}

missing() {
    for program in ceph-mon ceph-mgr ceph-osd radosgw radosgw-admin monmaptool ceph curl; do
        if ! command -v "$program" >/dev/null; then
            echo "$program is not installed" >&2
            return 0
        fi
    done
    return 1
}

is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# The gateway's port; the next one is the monitor's.
free_port() {
    local port
    for _ in $(seq 100); do
        port=$((20000 + RANDOM % 10000))
        if is_free "$port" && is_free $((port + 1)); then
            echo "$port"
            return
        fi
    done
    echo "no free port" >&2
    return 1
}

configure() {
    cat >"$dir/ceph.conf" <<CONF
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = v2:127.0.0.1:$(($1 + 1))/0
public addr = 127.0.0.1
ms bind ipv6 = false
auth cluster required = none
auth service required = none
auth client required = none
auth allow insecure global id reclaim = true
run dir = $dir/run
pid file = $dir/run/\$name.pid
admin socket = $dir/run/\$name.\$pid.asok
log file = $dir/log/\$name.log
setuser match path =
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon pg warn min per osd = 0
mon osd full ratio = .99
mon osd nearfull ratio = .99
[mon.a]
mon data = $dir/mon
mon cluster log file = $dir/log/cluster.log
[mgr.x]
mgr data = $dir/mgr
mgr initial modules =
[osd.0]
osd data = $dir/osd
osd objectstore = memstore
memstore device bytes = 4294967296
osd max object size = 134217728
[client.rgw]
rgw data = $dir/rgw
# Without these two it asks the monitor in vain for minutes.
ms mon client mode = crc
auth client required = none
rgw frontends = beast endpoint=127.0.0.1:$1
rgw dynamic resharding = false
rgw run sync thread = false
rgw enable gc threads = false
rgw enable lc threads = false
CONF
}

start_cluster() {
    local fsid osd
    fsid=$(sed -n 's/^fsid = //p' "$dir/ceph.conf")
    monmaptool --create --fsid "$fsid" --addv a "[v2:127.0.0.1:$(($1 + 1))]" "$dir/monmap" >/dev/null
    ceph-authtool --create-keyring "$dir/keyring" --gen-key -n mon. --cap mon 'allow *' >/dev/null
    ceph-mon --mkfs -i a --monmap "$dir/monmap" --keyring "$dir/keyring" >/dev/null
    ceph-mon -i a --cluster ceph >/dev/null
    ceph-mgr -i x >/dev/null
    osd=$(cat /proc/sys/kernel/random/uuid)
    ceph osd new "$osd" >/dev/null
    ceph-osd -i 0 --mkfs --osd-uuid "$osd" --no-mon-config >"$dir/log/mkfs" 2>&1
    ceph-osd -i 0 >"$dir/log/osd" 2>&1
}

# Sends a signed request with curl.
signed() {
    curl --fail --silent --show-error --user "$ACCESS_KEY:$SECRET_KEY" --aws-sigv4 aws:amz:us-east-1:s3 \
        --header 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "$@"
}

start_gateway() {
    radosgw -n client.rgw >>"$dir/log/gateway" 2>&1
    for _ in $(seq 240); do
        if curl --silent --output /dev/null "http://$(cat "$dir/address")/"; then return; fi
        sleep 0.25
    done
    echo "the gateway does not serve" >&2
    return 1
}

kill_gateway() {
    local pid
    pid=$(cat "$dir/run/client.rgw.pid")
    kill -9 "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
}

fill() {
    local endpoint bucket
    endpoint=http://$(cat "$dir/address")
    radosgw-admin -n client.rgw user create --uid=tester --display-name=tester \
        --access-key="$ACCESS_KEY" --secret-key="$SECRET_KEY" >/dev/null
    for bucket in bucket versioned; do signed -X PUT "$endpoint/$bucket" >/dev/null; done
    signed -X PUT "$endpoint/versioned?versioning=" --data \
        '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>' >/dev/null
}

export CEPH_CONF=$dir/ceph.conf CEPH_ARGS="--conf $dir/ceph.conf"

case $verb in
    up)
        if missing; then exit 1; fi
        : "${ACCESS_KEY:?}" "${SECRET_KEY:?}"
        trap 'status=$?; if ((status)); then down; fi' EXIT
        mkdir -p "$dir"/{mon,mgr,osd,rgw,run,log}
        port=$(free_port)
        configure "$port"
        echo "127.0.0.1:$port" >"$dir/address"
        start_cluster "$port"
        start_gateway
        fill
        watch "$PPID"
        cat "$dir/address"
        ;;
    kill) kill_gateway ;;
    restart) start_gateway ;;
    down) down ;;
    *) echo "up, kill, restart or down, not $verb" >&2 && exit 2 ;;
esac
