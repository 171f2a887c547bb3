#!/usr/bin/env bash
# A real HDFS on loopback for as long as somebody holds its standard input open.
#
#   hdfs.sh CACHE RUNS MODE DATANODES PORT...
#
# MODE is `simple` (a name node), `far` (the same, with data nodes that call themselves 127.0.0.2, where a proxy of the
# caller stands), `ha` (two name nodes that share a journal) or `kerberos` (a name node, secure, and a realm of its own). The servers are Hadoop 2.7.3, from the jars inside PyPI's pyspark 2.4.8: 220 MB are
# fetched through pip once, 38 MB are kept in CACHE. What a run writes lies in a new directory below RUNS, which
# is removed at its end. Needs bash, python3 with pip, and a Java runtime of version 8 to 17; `kerberos` also
# krb5kdc, kadmin.local and kinit.
#
# Each line of standard input is a command, answered by one line, `ok ...` or `failed ...`. At the start it says
# `ok DIRECTORY`, in which `conf` is the configuration of a client.
#
#   kill NAME        ends a server at once (SIGKILL)      start NAME      starts it again and waits until it serves
#   pause NAME       stops it without ending it           resume NAME     lets it go on
#   admin ARG...     runs `hdfs dfsadmin`                 fs ARG...       runs `hdfs dfs`
#   failover A B     makes B active in the place of A
#
# Permissions are checked; the user of the process is the superuser, and everybody may write below `/`.
# Servers are nn1, nn2, jn, kdc, and dn1, dn2, and so on. It wants 10 free ports for each data node and 20 more:
# the first is nn1's; the sixth, ninth, and so on are those from which the data nodes dn1, dn2, and so on transfer data.
set -euo pipefail
cache=$(mkdir -p "$1" && cd "$1" && pwd) runs=$(mkdir -p "$2" && cd "$2" && pwd) mode=$3 nodes=$4
shift 4
ports=("$@")
port_index=0
declare -A pids # of the servers that run

keep="apacheds-i18n apacheds-kerberos-codec api-asn1-api api-util avro- commons-beanutils commons-cli commons-codec
commons-collections commons-compress commons-configuration commons-digester commons-httpclient commons-io
commons-lang-2 commons-logging commons-math3 commons-net curator- gson guava hadoop-annotations hadoop-auth
hadoop-common hadoop-hdfs htrace httpclient httpcore jackson-core-asl jackson-mapper-asl javax.servlet-api
javax.ws.rs-api jetty-6 jetty-util jsp-api jsr305 leveldbjni log4j netty paranamer protobuf-java slf4j-api
slf4j-log4j12 snappy-java xercesImpl xmlenc zookeeper"
opens="--add-opens=java.base/java.lang=ALL-UNNAMED --add-opens=java.base/java.nio=ALL-UNNAMED
--add-opens=java.base/sun.nio.ch=ALL-UNNAMED --add-opens=java.base/java.net=ALL-UNNAMED
--add-opens=java.base/java.util=ALL-UNNAMED --add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED
--add-opens=java.security.jgss/sun.security.krb5=ALL-UNNAMED"
namenode=org.apache.hadoop.hdfs.server.namenode.NameNode
REALM=CAIRN.TEST
PATH=$PATH:/usr/sbin:/sbin

fetch() {
    exec 9>"$cache/lock"
    flock 9
    if [[ ! -d $cache/jars ]]; then
        local tmp jar
        tmp=$(mktemp -d "$cache/fetch.XXXXXX")
        python3 -m venv "$tmp/venv"
        "$tmp/venv/bin/pip" -q install 'setuptools<70' wheel
        "$tmp/venv/bin/pip" -q download --no-deps --no-binary :all: --no-build-isolation -d "$tmp" pyspark==2.4.8
        tar -xzf "$tmp"/pyspark-2.4.8.tar.gz -C "$tmp"
        mkdir "$tmp/jars"
        for jar in $keep; do cp "$tmp"/pyspark-2.4.8/deps/jars/"$jar"*.jar "$tmp/jars/"; done
        mv "$tmp/jars" "$cache/jars"
        rm -rf "$tmp"
    fi
    exec 9>&-
}

next_port() {
    port=${ports[$port_index]:?not enough ports were given}
    port_index=$((port_index + 1))
}

property() { printf '<property><name>%s</name><value>%s</value></property>\n' "$1" "$2"; }

# What every server and every client must know.
common_site() {
    if [[ $mode == ha ]]; then
        property dfs.nameservices cairn
        property dfs.ha.namenodes.cairn nn1,nn2
        property dfs.namenode.rpc-address.cairn.nn1 "127.0.0.1:$nn1_port"
        property dfs.namenode.rpc-address.cairn.nn2 "127.0.0.1:$nn2_port"
        property dfs.namenode.http-address.cairn.nn1 "127.0.0.1:$nn1_http"
        property dfs.namenode.http-address.cairn.nn2 "127.0.0.1:$nn2_http"
        property dfs.client.failover.proxy.provider.cairn \
            org.apache.hadoop.hdfs.server.namenode.ha.ConfiguredFailoverProxyProvider
    fi
    if [[ $mode == kerberos ]]; then
        property dfs.namenode.kerberos.principal "hdfs/localhost@$REALM"
        property dfs.data.transfer.protection authentication
    fi
}

# What clients alone must know.
client_site() {
    if [[ $mode == far ]]; then property dfs.client.use.datanode.hostname true; fi
}

core_site() {
    if [[ $mode == ha ]]; then property fs.defaultFS hdfs://cairn; else property fs.defaultFS "hdfs://$nn1_host:$nn1_port"; fi
    if [[ $mode == kerberos ]]; then
        property hadoop.security.authentication kerberos
        property hadoop.security.authorization true
        property hadoop.rpc.protection authentication
    fi
}

# site FILE COMMAND...: what the commands print, as a configuration file. No pipe: they take ports.
site() {
    local file=$1 part
    shift
    { echo '<configuration>'; for part in "$@"; do $part; done; echo '</configuration>'; } >"$file"
}

# configure NAME: the configuration of one server, on ports of its own.
configure() {
    local name=$1 conf=$dir/conf-$1 part
    for part in hdfs datanode secondary journal static; do
        mkdir -p "$conf/webapps/$part/WEB-INF"
        echo '<web-app/>' >"$conf/webapps/$part/WEB-INF/web.xml"
    done
    printf '%s\n' log4j.rootLogger=INFO,a log4j.appender.a=org.apache.log4j.ConsoleAppender log4j.appender.a.target=System.err \
        log4j.appender.a.layout=org.apache.log4j.PatternLayout \
        'log4j.appender.a.layout.ConversionPattern=%d %p %c{2}: %m%n' >"$conf/log4j.properties"
    site "$conf/core-site.xml" core_site "property hadoop.tmp.dir $dir/tmp-$name"
    site "$conf/hdfs-site.xml" common_site "server_site $name"
}

server_site() {
    local name=$1 key
    property dfs.webhdfs.enabled false
    property dfs.permissions.enabled true
    property dfs.permissions.superusergroup supergroup
    property dfs.namenode.fs-limits.min-block-size 1024
    property dfs.replication "$((nodes < 3 ? nodes : 3))"
    # A name node gives a silent data node up after 2 x 1 s + 10 x 1 s, not after ten minutes.
    property dfs.namenode.heartbeat.recheck-interval 1000
    property dfs.heartbeat.interval 1
    property dfs.namenode.safemode.extension 0
    property dfs.namenode.name.dir "file://$dir/$name"
    property dfs.datanode.data.dir "file://$dir/$name"
    property dfs.journalnode.edits.dir "$dir/$name"
    case $name in
        nn*) if [[ $mode != ha ]]; then property dfs.namenode.http-address "127.0.0.1:$nn1_http"; fi ;;
        dn*)
            if [[ $mode == far ]]; then property dfs.datanode.hostname 127.0.0.2; fi
            next_port; property dfs.datanode.address "127.0.0.1:$port"
            next_port; property dfs.datanode.ipc.address "127.0.0.1:$port"
            next_port; property dfs.datanode.http.address "127.0.0.1:$port"
            ;;
        jn)
            for key in http https; do next_port; property "dfs.journalnode.$key-address" "127.0.0.1:$port"; done
            property dfs.journalnode.rpc-address "127.0.0.1:$jn_port"
            ;;
    esac
    if [[ $mode == ha ]]; then
        property dfs.namenode.shared.edits.dir "qjournal://127.0.0.1:$jn_port/cairn"
        property dfs.ha.fencing.methods 'shell(/bin/true)'
        if [[ $name == nn* ]]; then property dfs.ha.namenode.id "$name"; fi
    fi
    if [[ $mode == kerberos ]]; then
        property dfs.block.access.token.enable true
        property ignore.secure.ports.for.testing true
        property dfs.http.policy HTTP_ONLY
        for key in namenode datanode; do
            property "dfs.$key.keytab.file" "$dir/hdfs.keytab"
            property "dfs.$key.kerberos.principal" "hdfs/localhost@$REALM"
        done
    fi
}

java_() { # java_ NAME CLASS ARG...: takes the place of this shell.
    local name=$1 krb=()
    shift
    if [[ $mode == kerberos ]]; then krb=("-Djava.security.krb5.conf=$dir/krb5.conf"); fi
    # shellcheck disable=SC2086
    exec java -Xmx400m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 $opens "${krb[@]}" -cp "$dir/conf-$name:$cache/jars/*" "$@"
}

# wait_for NAME TEXT: until TEXT is in what NAME logs.
wait_for() {
    local _
    for _ in $(seq 600); do
        if grep -q -- "$2" "$dir/$1.log" 2>/dev/null; then return 0; fi
        if ! kill -0 "${pids[$1]}" 2>/dev/null; then unset "pids[$1]"; break; fi
        sleep 0.1
    done
    tail -n 20 "$dir/$1.log" >&2
    echo "$1 did not come up" >&2
    return 1
}

end() { # end NAME: at once, and waits until it is gone.
    kill -9 "${pids[$1]}" 2>/dev/null || true
    while kill -0 "${pids[$1]}" 2>/dev/null; do sleep 0.02; done
    unset "pids[$1]"
}

start() { # start NAME
    local name=$1
    if [[ -f $dir/$name.log ]]; then mv "$dir/$name.log" "$dir/$name.log.$SECONDS"; fi
    case $name in
        nn*) java_ "$name" $namenode ;;
        dn*) java_ "$name" org.apache.hadoop.hdfs.server.datanode.DataNode ;;
        jn) java_ "$name" org.apache.hadoop.hdfs.qjournal.server.JournalNode ;;
        kdc) exec krb5kdc -n ;;
    esac >"$dir/$name.log" 2>&1 </dev/null &
    pids[$name]=$!
    # Else bash reports each death.
    disown $!
    case $name in
        nn*) wait_for "$name" 'NameNode RPC up at' ;;
        dn*) wait_for "$name" 'Successfully sent block report' ;;
        jn) wait_for "$name" 'IPC Server listener on .*starting' ;;
        kdc) wait_for "$name" 'commencing operation' ;;
    esac
}

run_once() { # run_once NAME CLASS ARG...: to its end; what it says is in once.out.
    (java_ "$@") >"$dir/once.out" 2>"$dir/once.log" </dev/null || { cat "$dir"/once.* >&2; return 1; }
}

stop_all() {
    local name
    for name in "${!pids[@]}"; do end "$name"; done
    if [[ -n ${KEEP_LOGS:-} ]]; then echo "logs stay in $dir" >&2; else rm -rf "$dir"; fi
}

realm() {
    next_port
    cat >"$dir/krb5.conf" <<CONF
[libdefaults]
 default_realm = $REALM
 dns_lookup_kdc = false
 dns_lookup_realm = false
 rdns = false
 udp_preference_limit = 1
[realms]
 $REALM = {
  kdc = 127.0.0.1:$port
 }
CONF
    cat >"$dir/kdc.conf" <<CONF
[kdcdefaults]
 kdc_ports = ""
 kdc_tcp_ports = $port
[realms]
 $REALM = {
  database_name = $dir/principal
  key_stash_file = $dir/stash
  acl_file = $dir/acl
  kdc_listen = ""
  kdc_tcp_listen = 127.0.0.1:$port
 }
[logging]
 kdc = STDERR
CONF
    export KRB5_CONFIG=$dir/krb5.conf KRB5_KDC_PROFILE=$dir/kdc.conf
    kdb5_util create -s -r $REALM -P cairn >"$dir/kdb.log" 2>&1
    local principal
    for principal in hdfs/localhost cairn; do
        kadmin.local -q "addprinc -randkey $principal" >>"$dir/kdb.log" 2>&1
        kadmin.local -q "ktadd -k $dir/${principal%/*}.keytab $principal" >>"$dir/kdb.log" 2>&1
    done
    start kdc
}

up() {
    nn1_host=127.0.0.1
    if [[ $mode == kerberos ]]; then nn1_host=localhost; fi
    next_port; nn1_port=$port
    next_port; nn2_port=$port
    next_port; jn_port=$port
    next_port; nn1_http=$port
    next_port; nn2_http=$port
    if [[ $mode == kerberos ]]; then realm; fi
    mkdir "$dir/conf"
    site "$dir/conf/core-site.xml" core_site
    site "$dir/conf/hdfs-site.xml" common_site client_site
    local i names=nn1
    if [[ $mode == ha ]]; then names="nn1 nn2 jn"; fi
    for i in $(seq "$nodes"); do names="$names dn$i"; done
    for i in $names; do configure "$i"; done
    if [[ $mode == ha ]]; then start jn; fi
    run_once nn1 $namenode -format -nonInteractive
    start nn1
    if [[ $mode == ha ]]; then
        run_once nn2 $namenode -bootstrapStandby -nonInteractive
        start nn2
        run_once nn1 org.apache.hadoop.hdfs.tools.DFSHAAdmin -transitionToActive nn1
    fi
    for i in $(seq "$nodes"); do start "dn$i"; done
    if [[ $mode != kerberos ]]; then run_once nn1 org.apache.hadoop.fs.FsShell -chmod 777 /; fi
}

command_() {
    local verb=$1
    shift
    : >"$dir/once.out"
    case $verb in
        kill) end "$1" ;;
        pause) kill -STOP "${pids[$1]}" ;;
        resume) kill -CONT "${pids[$1]}" ;;
        start) start "$1" ;;
        admin) run_once nn1 org.apache.hadoop.hdfs.tools.DFSAdmin "$@" ;;
        fs) run_once nn1 org.apache.hadoop.fs.FsShell "$@" ;;
        failover) run_once "$2" org.apache.hadoop.hdfs.tools.DFSHAAdmin -failover --forcefence --forceactive "$@" ;;
        *) echo "unknown command $verb" >&2; return 1 ;;
    esac
}

main() {
    fetch
    find "$runs" -maxdepth 1 -name 'run.*' -mmin +600 -exec rm -rf {} +
    dir=$(mktemp -d "$runs/run.XXXXXX")
    trap stop_all EXIT
    up
    echo "ok $dir"
    local line
    while read -r -a line; do
        if command_ "${line[@]}"; then echo "ok $(tr '\n' ' ' <"$dir/once.out")"; else echo "failed: ${line[*]}"; fi
    done
}

main
